//! `make install` and `make uninstall`, into a directory: what is there, and what is left.
#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use tests::lab::place;

const PLUGINS: &str = "opt/cni/bin";

/// Everything that `make install` makes, with its mode or where it leads.
const INSTALLED: &[&str] = &[
    "etc/railhead/railhead.yaml.example 644",
    "etc/systemd/network/00-railhead.network 644",
    "etc/systemd/system/railhead-boot.service 644",
    "etc/systemd/system/railhead.service 644",
    "etc/tmpfiles.d/railhead.conf 644",
    "etc/udev/rules.d/10-railhead.rules 644",
    "opt/cni/bin/nv-ipam -> railhead-cni",
    "opt/cni/bin/railhead-cni 755",
    "opt/cni/bin/sriov -> railhead-cni",
    "usr/local/bin/railhead 755",
];

/// Runs `make` on an image of a host, with binaries that are built already.
fn make(target: &str, image: &Path) {
    let mut make = Command::new("make");
    make.current_dir(place::workspace()).args(["--silent", target, "BUILD="]);
    make.arg(format!("DIST={}", place::target().join("debug").display()));
    make.arg(format!("DESTDIR={}", image.display()));
    // The make that runs us, when one does, has variables and a job server of its own.
    for variable in ["MAKEFLAGS", "MFLAGS", "MAKELEVEL"] {
        make.env_remove(variable);
    }
    let output = make.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

fn build() {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.current_dir(place::workspace()).args(["build", "--quiet", "--locked"]);
    cargo.args(["--package", "daemon", "--package", "cni", "--bins", "--target-dir"]);
    assert!(cargo.arg(place::target()).status().unwrap().success());
}

/// All files of an image, with their modes or where they lead.
fn files(image: &Path) -> Vec<String> {
    fn collect(directory: &Path, image: &Path, into: &mut Vec<String>) {
        for entry in fs::read_dir(directory).unwrap() {
            let entry = entry.unwrap();
            let path = entry.path();
            let name = path.strip_prefix(image).unwrap().display().to_string();
            if let Ok(target) = fs::read_link(&path) {
                into.push(format!("{name} -> {}", target.display()));
            } else if path.is_dir() {
                collect(&path, image, into);
            } else {
                let mode = entry.metadata().unwrap().permissions().mode() & 0o7777;
                into.push(format!("{name} {mode:o}"));
            }
        }
    }
    let mut all = Vec::new();
    collect(image, image, &mut all);
    all.sort();
    all
}

fn write(image: &Path, file: &str, content: &str) {
    let path = image.join(file);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
}

#[test]
fn what_is_installed_is_taken_away_and_nothing_else() {
    build();
    let image = tempfile::tempdir().unwrap();
    let image = image.path();
    make("install", image);
    assert_eq!(files(image), INSTALLED);
    for unit in ["railhead.service", "railhead-boot.service"] {
        let text = fs::read_to_string(image.join("etc/systemd/system").join(unit)).unwrap();
        assert!(text.contains("\nExecStart=/usr/local/bin/railhead "), "{text}");
        assert!(text.contains("BindReadOnly") == (unit == "railhead.service"), "{text}");
    }
    make("uninstall", image);
    assert_eq!(files(image), [""; 0]);
}

/// Over a host that has plugins of others, settings and state; twice, as by an upgrade.
#[test]
fn what_others_and_the_admin_have_stays() {
    build();
    let image = tempfile::tempdir().unwrap();
    let image = image.path();
    let theirs = [
        (format!("{PLUGINS}/bridge"), "somebody's bridge"),
        (format!("{PLUGINS}/sriov"), "somebody's sriov"),
        ("etc/railhead/railhead.yaml".to_owned(), "nodeName: node-a"),
        ("etc/railhead/objects/net.yaml".to_owned(), "a policy"),
        ("var/lib/railhead/last-good.json".to_owned(), "state"),
    ];
    for (file, content) in &theirs {
        write(image, file, content);
    }
    let before = files(image);
    for _upgrade in 0..2 {
        make("install", image);
        let kept = fs::read_to_string(image.join(PLUGINS).join("sriov.before-railhead")).unwrap();
        assert_eq!(kept, "somebody's sriov");
    }
    make("uninstall", image);
    assert_eq!(files(image), before);
    for (file, content) in &theirs {
        assert_eq!(fs::read_to_string(image.join(file)).unwrap(), *content, "{file}");
    }
}

/// A plugin that waits for its input is replaced under way: it answers as its successor does.
#[test]
fn a_verb_outlives_an_upgrade() {
    build();
    let image = tempfile::tempdir().unwrap();
    let image = image.path();
    make("install", image);
    let plugins = image.join(PLUGINS);
    let start = || {
        let mut command = Command::new(plugins.join("sriov"));
        command.env("CNI_COMMAND", "ADD").env("CNI_CONTAINERID", "c1").env("CNI_IFNAME", "net1");
        command.env("CNI_NETNS", "/run/netns/none").env("CNI_PATH", &plugins);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap()
    };
    let program = |verb: &Child| fs::read_link(format!("/proc/{}/exe", verb.id())).unwrap();
    let old = start();
    while program(&old) != plugins.join("railhead-cni") {
        std::thread::yield_now();
    }
    make("install", image);
    assert!(program(&old).to_string_lossy().ends_with("railhead-cni (deleted)"));
    let answers = [old, start()].map(|mut verb| {
        let config = br#"{"cniVersion": "1.0.0", "name": "net", "type": "sriov", "deviceID": "x"}"#;
        verb.stdin.take().unwrap().write_all(config).unwrap();
        let output = verb.wait_with_output().unwrap();
        assert!(!output.status.success());
        String::from_utf8(output.stdout).unwrap()
    });
    assert!(answers[0].contains("\"code\":"), "{answers:?}");
    assert_eq!(answers[0], answers[1]);
}
