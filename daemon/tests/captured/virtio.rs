//! virtio-net PFs, as SmartNICs have them: the netdev lies one level below the function.

use crate::machine::{Machine, policy};

#[test]
fn names_macs_and_users_are_those_of_the_virtio_devices() {
    let machine = Machine::new();
    machine.virtio(0x17, "cloud");
    machine.objects("net.yaml", &policy("net", "cloud", 2, ""));
    let ran = machine.railhead(&["discover"]);
    insta::assert_snapshot!(ran.out);
    let ran = machine.railhead(&["status"]);
    assert!(!ran.out.contains("another network namespace"), "{}", ran.out);
    assert!(!ran.out.contains("no PF here"), "{}", ran.out);
    assert!(ran.out.contains("cloud: VFs 0-1"), "{}", ran.out);
}

#[test]
fn a_vf_whose_netdev_is_elsewhere_is_in_use() {
    let machine = Machine::new();
    machine.virtio(0x17, "cloud");
    let net = "sys/bus/pci/devices/0000:17:01.5/virtio31/net/cloudV1";
    std::fs::remove_dir_all(machine.path(net)).unwrap();
    let out = machine.railhead(&["discover"]).out;
    let users: Vec<&str> =
        out.lines().filter(|line| line.contains("another network namespace")).collect();
    assert_eq!(users.len(), 1, "{out}");
    assert!(users[0].contains("0000:17:01.5"), "{out}");
}
