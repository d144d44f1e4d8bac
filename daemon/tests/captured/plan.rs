use crate::machine::{Machine, policy};

fn machine() -> Machine {
    let machine = Machine::new();
    machine.igb(1, "enp1s0", 0);
    machine.igb(2, "enp2s0", 0);
    machine.iommu_group("0000:01:00.0", 1);
    machine.iommu_group("0000:02:00.0", 2);
    machine
}

#[test]
fn two_policies_on_two_pfs() {
    let machine = machine();
    machine.objects("net.yaml", &policy("net", "enp1s0#0-1, enp2s0#0-1", 4, "  mtu: 9000\n"));
    machine.objects("vms.yaml", &policy("vms", "enp1s0#2-3", 4, "  deviceType: vfio-pci\n"));
    let ran = machine.railhead(&["plan"]);
    assert_eq!((ran.code, ran.err.as_str()), (0, ""));
    insta::assert_snapshot!(ran.out);
}

#[test]
fn for_objects_that_are_not_in_force() {
    let machine = machine();
    machine.objects("old.yaml", &policy("old", "enp1s0", 1, ""));
    machine.write("new/new.yaml", &policy("new", "enp2s0", 1, ""));
    let new = machine.path("new");
    let ran = machine.railhead(&["plan", "-f", new.to_str().unwrap()]);
    insta::assert_snapshot!(ran.out);
    assert_eq!(ran.code, 0);
}

#[test]
fn nothing_is_written() {
    let machine = machine();
    machine.objects("net.yaml", &policy("net", "enp1s0", 4, ""));
    let before = machine.contents();
    for arguments in [["plan"].as_slice(), &["discover"], &["status"], &["attachments"], &["ipam"]]
    {
        let ran = machine.railhead(arguments);
        assert_eq!(ran.code, 0, "{arguments:?}: {}", ran.err);
    }
    assert_eq!(machine.contents(), before);
}

#[test]
fn status() {
    let machine = machine();
    machine.objects("net.yaml", &policy("net", "enp1s0, enp9s0", 4, ""));
    machine.objects("none.yaml", &policy("none", "enp7s0", 4, ""));
    let ran = machine.railhead(&["status"]);
    assert_eq!(ran.code, 1);
    insta::assert_snapshot!(ran.out);
}
