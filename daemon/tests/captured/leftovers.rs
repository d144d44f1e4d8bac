//! Records that outlive their attachments are named, and dropped by hand.

use ipam::{AttachmentKey, Root, Store};
use serde_json::{Value, json};

use crate::machine::Machine;

const SANDBOX: &str = "4f1e9d2c7b6a5f4e3d2c1b0a99887766554433221100ffeeddccbbaa99887766";

fn key(container: &str) -> AttachmentKey {
    AttachmentKey { container: container.parse().unwrap(), ifname: "net1".parse().unwrap() }
}

/// The record of an attachment as `sriov` writes it.
fn record(container: &str, state: &str) -> Value {
    json!({
        "format": 1, "state": state, "container": container, "ifname": "net1", "network": "blue",
        "netns": "/run/netns/gone", "netns_cookie": 1, "vf": "0000:01:10.0", "incarnation": 1,
        "pf": "0000:01:00.0", "vf_index": 0, "driver": "igbvf",
        "ipam": {"foreign": {
            "plugin": "whereabouts", "config": "{}", "args": "", "path": ["/opt/cni/bin"],
        }},
    })
}

/// A machine on which these are recorded.
fn machine(records: &[(&str, Value)]) -> Machine {
    let machine = Machine::new();
    machine.igb(1, "enp1s0", 2);
    let store = Store::open(&Root::at(machine.root())).unwrap();
    for (container, record) in records {
        store.write(|txn| txn.put_attachment(&key(container), record)).unwrap();
    }
    machine
}

#[test]
fn leftovers_are_named() {
    let newer = json!({"format": 99, "state": "released"});
    let mut newer_whole = record("newer", "released");
    newer_whole["format"] = json!(99);
    let machine = machine(&[
        (SANDBOX, record(SANDBOX, "released")),
        ("broken", newer),
        ("newer", newer_whole),
        ("lives", record("lives", "attached")),
    ]);
    let status = machine.railhead(&["status"]);
    assert_eq!((status.code, status.err.as_str()), (0, ""), "nothing fails by them");
    let doctor = machine.railhead(&["doctor"]);
    for ran in [&status, &doctor] {
        for command in [
            format!("railhead attachments drop {SANDBOX} net1"),
            "railhead attachments drop broken net1 --force".to_owned(),
            "railhead attachments drop newer net1 --force".to_owned(),
        ] {
            let found = ran.out.lines().any(|line| line.trim_end().ends_with(&command));
            assert!(found, "{command} was expected in {}", ran.out);
        }
        assert!(ran.out.contains("IPAM plugin whereabouts has yet to be told"), "{}", ran.out);
        assert!(!ran.out.contains("drop lives"), "{}", ran.out);
    }
    assert!(doctor.out.contains("leftovers"), "{}", doctor.out);
    let json = machine.railhead(&["status", "-o", "json"]);
    let json: Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!(json["leftovers"].as_array().unwrap().len(), 3, "{json}");
}

#[test]
fn leftovers_are_dropped() {
    let machine = machine(&[
        (SANDBOX, record(SANDBOX, "released")),
        ("4f1e", record("4f1e", "released")),
        ("4f1f", record("4f1f", "attached")),
    ]);
    for (arguments, code, word) in [
        (&["attachments", "drop", "5", "net1"][..], 1, "there is none"),
        (&["attachments", "drop", SANDBOX, "net2"], 1, "there is none"),
        (&["attachments", "drop", "4f", "net1"], 1, "3 containers' ids begin so"),
        (&["attachments", "drop", "4f1f", "net1"], 1, "--force"),
        (&["attachments", "drop", "4f1e", "net1"], 0, "container 4f1e any more"),
        (&["attachments", "drop", "4f1e9d2c7b6a5", "net1"], 0, SANDBOX),
        (&["attachments", "drop", "4f1f", "net1", "--force"], 0, "container 4f1f any more"),
        (&["attachments", "drop", "4f1f", "net1", "--force"], 1, "there is none"),
        (&["attachments", "drop", "4f1f"], 2, "INTERFACE"),
    ] {
        let ran = machine.railhead(arguments);
        assert_eq!(ran.code, code, "{arguments:?}: {}{}", ran.out, ran.err);
        assert!(format!("{}{}", ran.out, ran.err).contains(word), "{}{}", ran.out, ran.err);
    }
    assert_eq!(machine.railhead(&["attachments"]).out, "nothing is attached\n");
}

#[test]
fn fenced_vfs_are_named() {
    let fenced = |container: &str, vf: &str| {
        let mut record = record(container, "attached");
        record["vf"] = json!(vf);
        record["fence"] =
            json!("its container left 1 tcx programs; bind igbvf: Input/output error");
        record
    };
    let machine = machine(&[
        (SANDBOX, fenced(SANDBOX, "0000:01:10.0")),
        ("c2", fenced("c2", "0000:01:10.2")),
        ("c3", record("c3", "attached")),
    ]);
    // The one was taken from its driver and never given back to it, the other never left it.
    std::fs::remove_file(machine.path("sys/bus/pci/devices/0000:01:10.0/driver")).unwrap();
    let status = machine.railhead(&["status"]);
    let doctor = machine.railhead(&["doctor"]);
    assert_eq!(doctor.code, 1, "{}", doctor.out);
    for ran in [&status, &doctor] {
        for words in [
            "0000:01:10.0",
            "0000:01:10.2",
            "its container left 1 tcx programs; bind igbvf: Input/output error",
            "echo 0000:01:10.0 | sudo tee /sys/bus/pci/drivers/igbvf/bind",
            "`sudo dmesg | grep 0000:01:10.2`",
            "delete the pod",
        ] {
            assert!(ran.out.contains(words), "{words} was expected in {}{}", ran.out, ran.err);
        }
        assert!(!ran.out.contains("echo 0000:01:10.2"), "{}", ran.out);
        assert!(!ran.out.contains("c3"), "{}", ran.out);
    }
    let json = machine.railhead(&["status", "-o", "json"]);
    let json: Value = serde_json::from_str(&json.out).unwrap();
    let listed = json["fenced"].as_array().unwrap();
    assert_eq!(listed.len(), 2, "{json}");
    assert_eq!((&listed[0]["container"], &listed[1]["container"]), (&json!(SANDBOX), &json!("c2")));
}
