use std::fs;

use conf::settings::Standalone;

use super::*;

fn with(content: &str) -> (tempfile::TempDir, Root) {
    let directory = tempfile::tempdir().unwrap();
    let root = Root::at(directory.path());
    fs::create_dir_all(root.etc()).unwrap();
    fs::write(root.etc().join("railhead.yaml"), content).unwrap();
    (directory, root)
}

fn error(content: &str) -> String {
    let (directory, root) = with(content);
    let told = read(&root, "host").unwrap_err().to_string();
    told.replace(&format!("{}/etc/railhead/", directory.path().display()), "")
}

#[test]
fn an_absent_or_empty_file_means_defaults() {
    let directory = tempfile::tempdir().unwrap();
    let absent = read(&Root::at(directory.path()), "Node-A.example.org").unwrap();
    assert_eq!(absent.settings, Settings::default());
    assert_eq!(absent.node.name.as_str(), "node-a.example.org");
    assert_eq!(absent.node.labels["kubernetes.io/hostname"], "node-a.example.org");
    for empty in ["", "# nothing\n", "---\n", "{}\n"] {
        let (_directory, root) = with(empty);
        assert_eq!(read(&root, "Node-A.example.org").unwrap(), absent, "{empty:?}");
    }
}

/// The example says that it shows the defaults.
#[test]
fn the_example_shows_the_defaults() {
    let (_directory, root) = with(include_str!("../../../examples/railhead.yaml"));
    let loaded = read(&root, "host").unwrap();
    assert_eq!(loaded.warnings, [""; 0]);
    assert_eq!(loaded.settings, Settings::default());
}

#[test]
fn what_is_set_counts() {
    let (_directory, root) = with(
        "nodeName: node-7\nnodeLabels: {role: worker, kubernetes.io/hostname: other}\n\
         standalone: {host: 1, hosts: 2}\nguard: {allow: [enp1s0]}\ncooldownSeconds: 5\n",
    );
    let loaded = read(&root, "host").unwrap();
    assert_eq!(loaded.node.name.as_str(), "node-7");
    assert_eq!(loaded.node.labels["role"], "worker");
    assert_eq!(loaded.node.labels["kubernetes.io/hostname"], "other");
    assert_eq!(loaded.settings.standalone, Standalone { host: 1, hosts: 2 });
    assert_eq!((loaded.settings.cooldown_seconds, loaded.warnings.len()), (5, 0));
}

#[test]
fn unknown_keys_are_warned_about_by_name() {
    let (_directory, root) = with("nodeNames: x\nmetrics: {listens: x}\n");
    let loaded = read(&root, "host").unwrap();
    assert_eq!(loaded.warnings.len(), 2, "{:?}", loaded.warnings);
    let all = loaded.warnings.join("\n");
    assert!(all.contains("railhead.yaml: ") && all.contains("nodeNames"), "{all}");
    assert!(all.contains("metrics.listens"), "{all}");
}

#[test]
fn errors_have_file_line_and_column_or_field() {
    assert!(error("a: [\n").starts_with("railhead.yaml:1:4: "));
    assert!(error("standalone: {host: 2, hosts: 2}\n").starts_with("railhead.yaml: standalone"));
    assert!(error("nodeName: Upper\n").starts_with("railhead.yaml: nodeName"));
    assert_eq!(
        error("nodeName: a\n---\nnodeName: b\n"),
        "railhead.yaml:3: settings are one document, and here begins another"
    );
    assert!(error("- a\n").starts_with("railhead.yaml: "));
}

#[test]
fn a_host_without_a_usable_name_is_told_what_to_do() {
    let directory = tempfile::tempdir().unwrap();
    for host in ["", "a_b", "-x", "(none)", "a\u{1b}[2J"] {
        let told = read(&Root::at(directory.path()), host).unwrap_err().to_string();
        assert!(told.contains("set nodeName in") && !told.contains('\u{1b}'), "{told}");
    }
}
