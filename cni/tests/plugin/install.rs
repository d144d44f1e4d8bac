//! The binary under its own name.

use std::process::Command;

use serde_json::json;

use crate::bed::{Call, isolated};

fn own(arguments: &[&str]) -> std::process::Output {
    Command::new(env!("CARGO_BIN_EXE_railhead-cni"))
        .args(arguments)
        .env_remove("CNI_COMMAND")
        .output()
        .unwrap()
}

#[test]
fn what_it_installs_answers_by_its_name() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().to_str().unwrap();
    let output = own(&["install", path]);
    assert!(output.status.success(), "{output:?}");
    let printed = String::from_utf8(output.stdout).unwrap();
    assert_eq!(
        printed,
        format!("placed {path}/railhead-cni\nplaced {path}/sriov\nplaced {path}/nv-ipam\n")
    );
    for plugin in ["sriov", "nv-ipam"] {
        let output =
            Command::new(directory.path().join(plugin)).env("CNI_COMMAND", "VERSION").output();
        assert!(output.unwrap().stdout.starts_with(b"{"));
    }
    let refused = own(&["install", "/nowhere/at/all"]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(String::from_utf8(refused.stderr).unwrap().contains("/nowhere/at/all"));
}

#[test]
fn help_version_and_usage() {
    let help = own(&["--help"]);
    assert!(help.status.success());
    assert!(String::from_utf8(help.stdout).unwrap().contains("install DIR"));
    let version = own(&["--version"]);
    let expected = format!("railhead-cni {}\n", env!("CARGO_PKG_VERSION"));
    assert_eq!(String::from_utf8(version.stdout).unwrap(), expected);
    for arguments in [&[][..], &["install"], &["dance"]] {
        let usage = own(arguments);
        assert_eq!((usage.status.code(), usage.stdout.len()), (Some(2), 0), "{arguments:?}");
    }
}

#[test]
fn a_name_that_is_no_plugins_is_a_cni_error() {
    isolated(|| {
        let bin = tempfile::tempdir().unwrap();
        let link = bin.path().join("bridge");
        std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_railhead-cni"), &link).unwrap();
        let output = Command::new(link).env("CNI_COMMAND", "ADD").output().unwrap();
        assert_eq!(output.status.code(), Some(1));
        let document: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(document["code"], 7);
        assert!(document["msg"].as_str().unwrap().contains("bridge"));
    });
}

#[test]
fn a_plugin_can_be_an_argument() {
    isolated(|| {
        let output = Command::new(env!("CARGO_BIN_EXE_railhead-cni"))
            .arg("sriov")
            .env("CNI_COMMAND", "VERSION")
            .output()
            .unwrap();
        assert!(output.status.success());
        assert_eq!(
            serde_json::from_slice::<serde_json::Value>(&output.stdout).unwrap(),
            Call::new("sriov", "VERSION", &json!({})).run().ok()
        );
    });
}
