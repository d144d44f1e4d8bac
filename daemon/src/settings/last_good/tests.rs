use std::fs;

use super::super::{read, read_or_last_good};
use super::*;

const ALL: &str = "nodeName: node-7
nodeLabels: {rack: r1}
standalone: {host: 1, hosts: 2}
guard: {allow: [enp1s0, \"0000:86:00.1\"], addresses: [10.0.0.1]}
cooldownSeconds: 5
blockGraceSeconds: 6
metrics: {listen: \"127.0.0.1:9810\"}
";

const BROKEN: &str = "nodeName: [\n";

fn write(root: &Root, content: &str) {
    fs::create_dir_all(root.etc()).unwrap();
    fs::write(root.etc().join("railhead.yaml"), content).unwrap();
}

fn root(content: &str) -> (tempfile::TempDir, Root) {
    let directory = tempfile::tempdir().unwrap();
    let root = Root::at(directory.path());
    write(&root, content);
    (directory, root)
}

/// Also when the host has lost its name, which some boots give it late.
#[test]
fn settings_that_break_leave_those_that_were_good() {
    for (content, host) in [(ALL, "host"), ("{}", "Node-A")] {
        let (_directory, root) = root(content);
        let good = read(&root, host).unwrap();
        assert!(save(&root, &good).unwrap());
        assert!(!save(&root, &good).unwrap(), "nothing is written that has not changed");
        write(&root, BROKEN);
        let kept = read_or_last_good(&root, "(none)", None).unwrap();
        assert_eq!((&kept.settings, &kept.node), (&good.settings, &good.node));
        let told = kept.broken.clone().unwrap();
        assert!(told.contains("railhead.yaml:1:11: "), "{told}");
        assert!(told.ends_with(": the last good settings are in force"), "{told}");
        write(&root, "{}");
        assert!(!save(&root, &kept).unwrap(), "what was kept is no news");
    }
}

#[test]
fn what_is_in_force_counts_more_than_what_is_on_disk() {
    let (_directory, root) = root(ALL);
    save(&root, &read(&root, "host").unwrap()).unwrap();
    write(&root, "nodeName: node-8\n");
    let before = read(&root, "host").unwrap();
    write(&root, BROKEN);
    let kept = read_or_last_good(&root, "host", Some(&before)).unwrap();
    assert_eq!(kept.node.name.as_str(), "node-8");
}

#[test]
fn settings_that_are_fine_count() {
    let (_directory, root) = root(ALL);
    let good = read(&root, "host").unwrap();
    save(&root, &good).unwrap();
    write(&root, "nodeName: node-8\n");
    let new = read_or_last_good(&root, "host", Some(&good)).unwrap();
    assert_eq!((new.node.name.as_str(), new.broken), ("node-8", None));
}

#[test]
fn without_a_copy_the_error_stands() {
    let (_directory, root) = root(BROKEN);
    let error = read_or_last_good(&root, "host", None).unwrap_err();
    assert!(matches!(error, crate::settings::SettingsError::File { .. }), "{error}");
}

#[test]
fn a_copy_that_is_no_use_is_named_with_the_way_out() {
    let (_directory, root) = root(BROKEN);
    fs::create_dir_all(root.state()).unwrap();
    for content in [
        "",
        "{",
        "{\"version\": 2, \"node\": \"a\", \"settings\": {}}",
        "{\"version\": 1, \"node\": \"A_B\", \"settings\": {}}",
        "{\"version\": 1, \"node\": \"a\", \"settings\": {\"cooldownSeconds\": -1}}",
    ] {
        fs::write(path(&root), content).unwrap();
        let error = read_or_last_good(&root, "host", None).unwrap_err();
        let told = crate::chain::Chain(&error).to_string();
        for part in ["railhead.yaml:1:11: ", "/last-good-settings.json: ", "remove it"] {
            assert!(told.contains(part), "{content}: {told}");
        }
    }
}

/// An older railhead may have written it.
#[test]
fn golden() {
    let (_directory, root) = root(ALL);
    save(&root, &read(&root, "host").unwrap()).unwrap();
    insta::assert_snapshot!(fs::read_to_string(path(&root)).unwrap(), @r#"
    {
      "version": 1,
      "node": "node-7",
      "settings": {
        "blockGraceSeconds": 6,
        "cooldownSeconds": 5,
        "guard": {
          "addresses": [
            "10.0.0.1"
          ],
          "allow": [
            "enp1s0",
            "0000:86:00.1"
          ]
        },
        "metrics": {
          "listen": "127.0.0.1:9810"
        },
        "nodeLabels": {
          "rack": "r1"
        },
        "nodeName": "node-7",
        "standalone": {
          "host": 1,
          "hosts": 2
        }
      }
    }
    "#);
}
