//! IOMMU groups that hold more than a VF: what is in one is given to user space as a whole.

use std::fs;

use crate::machine::{Machine, policy};

const VMS: &str = "  deviceType: vfio-pci\n";

/// A PF with four VFs and a second one, all with groups of their own.
fn machine() -> Machine {
    let machine = Machine::new();
    machine.igb(1, "enp1s0", 4);
    machine.igb(2, "enp2s0", 1);
    machine
}

fn groups(machine: &Machine, of: &[(&str, u32)]) {
    for (address, group) in of {
        machine.iommu_group(address, *group);
        let device = format!("sys/kernel/iommu_groups/{group}/devices/{address}");
        fs::create_dir_all(machine.path(&device)).unwrap();
    }
}

const VFS: [&str; 4] = ["0000:01:10.0", "0000:01:10.2", "0000:01:10.4", "0000:01:10.6"];

/// By all that people ask, before a program fails on it; nothing is bound in vain.
fn is_told(machine: &Machine, words: &str) {
    let plan = machine.railhead(&["plan"]);
    assert_eq!(plan.code, 1, "{}", plan.out);
    assert!(plan.out.contains(words), "{words}: {}", plan.out);
    assert!(!plan.out.contains("bind to vfio-pci"), "{}", plan.out);
    let status = machine.railhead(&["status"]);
    assert!(status.out.contains(words), "{words}: {}", status.out);
    let explained = machine.railhead(&["explain", "enp1s0#0"]);
    assert!(explained.out.contains(words), "{words}: {}", explained.out);
}

#[test]
fn a_vf_in_one_group_with_its_pf_is_told() {
    let machine = machine();
    let all = VFS.map(|vf| (vf, 1));
    groups(&machine, &[("0000:01:00.0", 1), ("0000:02:00.0", 2), ("0000:02:10.0", 3)]);
    groups(&machine, &all);
    machine.objects("vms.yaml", &policy("vms", "enp1s0", 4, VMS));
    is_told(
        &machine,
        "VFs 0, 1, 2, 3 cannot be given to user space: they share IOMMU group 1 with 0000:01:00.0 (igb)",
    );
    let doctor = machine.railhead(&["doctor"]);
    let words = "VFs of enp1s0 share IOMMU group 1 with 0000:01:00.0 (igb)";
    assert!(doctor.out.contains(words), "{}", doctor.out);
    assert!(doctor.out.contains("ACS"), "{}", doctor.out);
    assert!(!doctor.out.contains("VFs of enp2s0"), "{}", doctor.out);

    // For the network it does not matter.
    machine.objects("vms.yaml", &policy("vms", "enp1s0", 4, ""));
    let plan = machine.railhead(&["plan"]);
    assert!(plan.code == 0 && !plan.out.contains("group"), "{}", plan.out);
}

#[test]
fn a_vf_in_one_group_with_another_nic_is_told() {
    let machine = machine();
    groups(&machine, &[("0000:01:00.0", 1), ("0000:02:00.0", 2), ("0000:02:10.0", 10)]);
    let own: Vec<(&str, u32)> = VFS.iter().copied().zip(10..).collect();
    groups(&machine, &own);
    machine.objects("vms.yaml", &policy("vms", "enp1s0#0-0", 4, VMS));
    is_told(
        &machine,
        "VF 0 cannot be given to user space: it shares IOMMU group 10 with 0000:02:10.0 (igbvf)",
    );
}

/// VFs of one group can be given together; not some of them, while the others have a netdev.
#[test]
fn vfs_that_share_a_group_go_together() {
    let machine = machine();
    groups(&machine, &[("0000:01:00.0", 1)]);
    groups(&machine, &VFS.map(|vf| (vf, 9)));
    machine.objects("vms.yaml", &policy("vms", "enp1s0", 4, VMS));
    let plan = machine.railhead(&["plan"]);
    assert_eq!(plan.code, 0, "{}", plan.out);
    assert!(plan.out.contains("VF 3: bind to vfio-pci"), "{}", plan.out);
    machine.objects("vms.yaml", &policy("vms", "enp1s0#0-2", 4, VMS));
    is_told(
        &machine,
        "VFs 0, 1, 2 cannot be given to user space: they share IOMMU group 9 with 0000:01:10.6 (igbvf)",
    );
}

#[test]
fn bridges_and_what_user_space_has_are_no_hindrance_and_others_are() {
    for (driver, hinders) in [
        (Some("pcieport"), false),
        (Some("pci-stub"), false),
        (Some("vfio-pci"), false),
        (None, false),
        (Some("nvidia"), true),
        (Some("nvme"), true),
    ] {
        let machine = machine();
        groups(&machine, &[("0000:01:00.0", 1)]);
        groups(&machine, &VFS.map(|vf| (vf, 9)));
        machine.function("0000:03:00.0", "1111", driver, None);
        machine.write("sys/bus/pci/devices/0000:03:00.0/class", "0x030000\n");
        groups(&machine, &[("0000:03:00.0", 9)]);
        let doctor = machine.railhead(&["doctor"]);
        let told = doctor.out.contains("VFs of enp1s0 share IOMMU group 9 with 0000:03:00.0");
        assert_eq!(told, hinders, "{driver:?}: {}", doctor.out);
    }
}
