//! PFs in switchdev mode: their netdev among representors, and what comes of a policy for them.

use crate::machine::mellanox::CONNECTX_6_DX;
use crate::machine::{Machine, policy};

const PF: &str = "0000:3b:00.0";

/// A ConnectX whose representors have names before and after the PF's, and lesser indices.
fn machine() -> Machine {
    let machine = Machine::new();
    machine.igb(1, "enp1s0", 0);
    machine.mellanox(&CONNECTX_6_DX, 0x3b, "nic0", 2);
    for (name, port) in [("eth3", "pf0vf0"), ("zebra", "c1pf0vf1"), ("mgmt", "pf0sf88")] {
        machine.port(PF, name, 2, port, "04a1b2");
    }
    machine.port(PF, "nic0", 4, "p0", "04a1b2");
    machine
}

#[test]
fn a_representor_is_never_taken_for_the_pf() {
    let machine = machine();
    let out = machine.railhead(&["discover"]).out;
    assert!(out.lines().any(|line| line.starts_with("nic0 ") && line.contains(PF)), "{out}");
    for name in ["eth3", "zebra", "mgmt"] {
        assert!(!out.contains(name), "{out}");
    }
    // Not even where the PF's own is elsewhere.
    std::fs::remove_dir_all(machine.path(&format!("sys/bus/pci/devices/{PF}/net/nic0"))).unwrap();
    let out = machine.railhead(&["discover"]).out;
    assert!(out.lines().any(|line| line.starts_with(PF)), "{out}");
    assert!(!out.contains("eth3"), "{out}");
}

#[test]
fn the_mode_is_told_and_legacy_is_not_in_force() {
    let machine = machine();
    for more in ["", "  eSwitchMode: legacy\n", "  externallyManaged: true\n"] {
        machine.objects("net.yaml", &policy("net", "nic0", 2, more));
        let ran = machine.railhead(&["status"]);
        assert_eq!(ran.code, 1, "{more}: {}", ran.out);
        assert!(!ran.out.contains("in force"), "{more}: {}", ran.out);
        assert!(ran.out.contains("in switchdev mode"), "{more}: {}", ran.out);
    }
    let ran = machine.railhead(&["plan"]);
    assert_eq!(ran.code, 1, "{}", ran.out);
    insta::assert_snapshot!("discover", machine.railhead(&["discover"]).out);
    insta::assert_snapshot!("explain", machine.railhead(&["explain", "nic0"]).out);
    let json = machine.railhead(&["discover", "-o", "json"]).out;
    assert!(json.contains("\"eSwitchMode\": \"switchdev\""), "{json}");
}

/// `ice` tells a switch's id in legacy mode too; a representor is the sign there.
#[test]
fn an_id_of_a_switch_alone_is_no_sign_with_ice() {
    let machine = Machine::new();
    let pf = "0000:01:00.0";
    machine.igb(1, "enp1s0", 0);
    machine.port(pf, "enp1s0", 1, "p0", "00a0c9");
    std::fs::remove_file(machine.path(&format!("sys/bus/pci/devices/{pf}/driver"))).unwrap();
    let link = machine.path(&format!("sys/bus/pci/devices/{pf}/driver"));
    std::os::unix::fs::symlink("../../drivers/ice", link).unwrap();
    assert!(!machine.railhead(&["discover"]).out.contains("switchdev"));
    machine.port(pf, "eth7", 9, "pf0vf0", "00a0c9");
    let out = machine.railhead(&["discover"]).out;
    assert!(out.contains("switchdev") && out.contains("enp1s0"), "{out}");
}
