//! What is no PF and is named all the same, by a policy or a person: it is told what it is.

use crate::machine::mellanox::CONNECTX_6_DX;
use crate::machine::{Machine, policy};

/// Two PFs of which one has VFs, a NIC with SR-IOV off in its firmware, one that never has it, an
/// accelerator and a bridge.
fn machine() -> Machine {
    let machine = Machine::new();
    machine.igb(1, "enp1s0", 1);
    machine.mellanox(&CONNECTX_6_DX, 0x3b, "none0", 0);
    machine.write("sys/bus/pci/devices/0000:3b:00.0/sriov_totalvfs", "0\n");
    machine.nic("0000:5f:00.0", "15b3:1015", "mlx5_core", "off0");
    machine.nic("0000:02:00.0", "14e4:165f", "tg3", "lan0");
    machine.nic("0000:03:00.0", "8086:1583", "i40e", "xl0");
    machine.function("0000:6d:00.0", "4940", Some("4xxx"), None);
    machine.write("sys/bus/pci/devices/0000:6d:00.0/class", "0x0b4000\n");
    machine.netdev("br0", 99, 1500, true);
    machine
}

const TOLD: [(&str, &str); 6] = [
    (
        "off0",
        "off0 (0000:5f:00.0, 15b3:1015) cannot make VFs: SR-IOV is off in its firmware; see \
         `railhead doctor`",
    ),
    ("lan0", "lan0 (0000:02:00.0, 14e4:165f) cannot make VFs: it has no SR-IOV"),
    ("xl0", "cannot make VFs: it has no SR-IOV, or has it off in its firmware's set-up"),
    ("0000:6d:00.0", "0000:6d:00.0 (8086:4940) is no NIC"),
    ("br0", "br0 is no NIC"),
    ("enp1s0v0", "enp1s0v0 (0000:01:10.0, 8086:10ca) is a VF of enp1s0"),
];

/// A policy for `name`, be it an interface's or an address.
fn policy_for(name: &str) -> String {
    let policy = policy("one", name, 1, "");
    let by_address = format!("rootDevices: ['{name}']");
    match name.contains(':') {
        true => policy.replace(&format!("pfNames: [{name}]"), &by_address),
        false => policy,
    }
}

#[test]
fn a_policy_that_names_one_says_what_it_is() {
    for (name, told) in TOLD {
        let machine = machine();
        machine.objects("one.yaml", &policy_for(name));
        for verb in ["status", "plan"] {
            let ran = machine.railhead(&[verb]);
            assert_eq!(ran.code, 1, "{name}: {}", ran.out);
            assert!(ran.out.contains(told), "{verb} {name}: {}", ran.out);
            assert!(!ran.out.contains("no PF here has"), "{verb} {name}: {}", ran.out);
        }
        let ran = machine.railhead(&["explain", "one"]);
        assert!(ran.out.contains(told), "{name}: {}", ran.out);
    }
}

#[test]
fn explain_knows_them_by_name_and_address() {
    let machine = machine();
    for (name, told) in TOLD {
        let ran = machine.railhead(&["explain", name]);
        if name == "enp1s0v0" {
            assert_eq!(ran.code, 0, "a VF is explained: {}", ran.err);
        } else {
            assert_eq!(ran.code, 1, "{name}: {}", ran.out);
            assert!(ran.err.contains(told), "{name}: {}", ran.err);
        }
    }
    assert!(machine.railhead(&["explain", "0000:5f:00.0"]).err.contains("off0 (0000:5f:00.0"));
    let ran = machine.railhead(&["explain", "off1"]);
    assert!(ran.err.contains("is called off1"), "{}", ran.err);
}

#[test]
fn beside_a_pf_that_is_there_it_fails_all_the_same() {
    let machine = machine();
    machine.objects("some.yaml", &policy("some", "enp1s0, off0, off9", 1, ""));
    let ran = machine.railhead(&["status"]);
    assert_eq!(ran.code, 1, "{}", ran.out);
    assert!(ran.out.contains("enp1s0: VFs 0-0"), "{}", ran.out);
    assert!(ran.out.contains("this host has no off9"), "{}", ran.out);
    assert!(ran.out.contains("off0 (0000:5f:00.0, 15b3:1015) cannot make VFs"), "{}", ran.out);
    machine.objects("none.yaml", &policy("none", "none0", 4, ""));
    let ran = machine.railhead(&["status"]);
    assert!(ran.out.contains("which can have none: SR-IOV is off in its firmware"), "{}", ran.out);
}

/// A virtual machine with a VF and nothing else: nobody's firmware is to blame.
#[test]
fn a_vf_that_a_virtual_machine_was_given() {
    for (ids, driver) in
        [("15b3:1018", "mlx5_core"), ("15b3:101e", "mlx5_core"), ("8086:1889", "iavf")]
    {
        let machine = Machine::new();
        machine.nic("7f01:00:02.0", ids, driver, "enP32513s1");
        let (vendor, _) = ids.split_once(':').unwrap();
        let by_vendor =
            policy("any", "", 1, "").replace("pfNames: []", &format!("vendor: '{vendor}'"));
        machine.objects("any.yaml", &by_vendor);
        let told =
            format!("enP32513s1 (7f01:00:02.0, {ids}) is a VF that this virtual machine was given");
        for verb in ["discover", "status", "doctor"] {
            let out = machine.railhead(&[verb]).out;
            assert!(out.contains(&told), "{verb} {ids}: {out}");
            let blamed = ["mstconfig", "off in the firmware", "switched on in the firmware"];
            assert!(!blamed.iter().any(|blame| out.contains(blame)), "{verb} {ids}: {out}");
        }
    }
}

/// A whole ConnectX that is passed through has its SR-IOV hidden.
#[test]
fn in_a_virtual_machine_sriov_may_be_hidden() {
    let machine = Machine::new();
    machine.nic("0000:05:00.0", "15b3:1017", "mlx5_core", "ens5np0");
    assert!(!machine.railhead(&["discover"]).out.contains("hidden"));
    machine.write(
        "proc/cpuinfo",
        "vendor_id\t: GenuineIntel\nflags\t\t: fpu vme hypervisor lahf_lm\n",
    );
    assert!(machine.railhead(&["discover"]).out.contains("or hidden from this virtual machine"));
    assert!(machine.railhead(&["doctor"]).out.contains("host of this virtual machine hides it"));
}
