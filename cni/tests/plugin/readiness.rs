//! STATUS says code 50 when an ADD would fail, and an ADD then fails.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::bed::{Call, block, forget_as_a_boot_does, isolated, nv_ipam, sriov};

fn status(plugin: &str) -> Call {
    Call::new(plugin, "STATUS", &config(plugin))
}

fn config(plugin: &str) -> Value {
    match plugin {
        "nv-ipam" => nv_ipam(json!({})),
        _ => sriov(json!({"ipam": {"type": "nv-ipam", "poolName": "blue"}})),
    }
}

fn add() -> Call {
    Call::new("nv-ipam", "ADD", &nv_ipam(json!({})))
}

#[track_caller]
fn shell(line: &str) {
    assert!(Command::new("sh").args(["-c", line]).status().unwrap().success(), "{line}");
}

/// Takes every byte that is left on /run.
fn fill() {
    let mut file = fs::File::create("/run/other").unwrap();
    while file.write_all(&[1; 65536]).is_ok() {}
    while file.write_all(&[1]).is_ok() {}
}

/// Both plugins are ready; after `harm` both are not, and an ADD fails; after `repair` all is well.
#[track_caller]
fn told(harm: impl Fn(), word: &str, repair: impl Fn()) {
    for plugin in ["nv-ipam", "sriov"] {
        assert_eq!(status(plugin).run().ok(), Value::Null);
    }
    harm();
    for plugin in ["nv-ipam", "sriov"] {
        let error = status(plugin).run().error(50);
        assert!(error.contains(word), "{word:?} was expected in {error}");
    }
    assert_eq!(add().run().status, Some(1), "{word}");
    repair();
    add().run().ok();
    Call::new("nv-ipam", "DEL", &nv_ipam(json!({}))).run().ok();
}

/// Where nothing was ever stored, and where something is.
fn with_and_without_a_store(harm: impl Fn() + Sync, word: &str, repair: impl Fn() + Sync) {
    isolated(|| {
        shell("mount -o remount,size=4m /run");
        block(250);
        told(&harm, word, &repair);
        told(&harm, word, &repair);
        assert!(Path::new("/run/railhead/store/state.mdb").exists());
        forget_as_a_boot_does();
        told(&harm, word, &repair);
    });
}

#[test]
fn a_full_run_is_told() {
    with_and_without_a_store(
        || {
            fill();
            // Whatever room is left in the store itself is used.
            for number in 0..10_000 {
                let add = add().env("CNI_CONTAINERID", &format!("more{number}"));
                if add.run().status != Some(0) {
                    return;
                }
            }
        },
        "full",
        || fs::remove_file("/run/other").unwrap(),
    );
}

#[test]
fn a_read_only_run_is_told() {
    with_and_without_a_store(
        || shell("mount -o remount,ro /run"),
        "",
        || shell("mount -o remount,rw /run"),
    );
}

#[test]
fn a_damaged_cooldown_is_told() {
    with_and_without_a_store(
        || fs::write("/var/lib/railhead/cooldown.json", "{").unwrap(),
        "cooldown.json",
        || fs::remove_file("/var/lib/railhead/cooldown.json").unwrap(),
    );
}

#[test]
fn a_file_in_the_way_is_told() {
    isolated(|| {
        block(9);
        told(
            || fs::write("/run/railhead", "").unwrap(),
            "/run/railhead",
            || fs::remove_file("/run/railhead").unwrap(),
        );
    });
}

/// Somebody who hangs in a transaction keeps nobody waiting without a word.
#[test]
fn a_lock_that_nobody_lets_go_of_is_told() {
    isolated(|| {
        block(9);
        add().run().ok();
        let lock = fs::File::open("/run/railhead/store/lock").unwrap();
        lock.lock().unwrap();
        let own = format!("process {} ", std::process::id());
        for plugin in ["nv-ipam", "sriov"] {
            let error = status(plugin).run().error(50);
            assert!(error.contains(&own), "{own:?} was expected in {error}");
        }
        let error = Call::new("nv-ipam", "DEL", &nv_ipam(json!({}))).run().error(11);
        assert!(error.contains(&own), "{own:?} was expected in {error}");
        drop(lock);
        add().run().ok();
    });
}
