use super::*;
use crate::specimen;

const A: &str = "0000:01:00.0";

fn write(root: &Path, path: &str, content: &str) {
    let path = root.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
}

fn on_a(root: &Path) -> Option<Inherited> {
    Operator::read(&Host::at(root)).on(&specimen::igb(A, "ens1f0"))
}

fn shaped(num_vfs: u16, mtu: u32, mtu_before: u32) -> Option<Inherited> {
    Some(Inherited::Shaped { num_vfs, mtu, mtu_before })
}

const FILE: &str = r#"{"pciAddress":"0000:01:00.0","numVfs":4,"mtu":9000,"name":"ens1f0",
    "linkType":"eth","eSwitchMode":"legacy","vfGroups":[{"resourceName":"net",
    "deviceType":"netdevice","vfRange":"0-3","policyName":"net","mtu":9000,"isRdma":false}]}"#;

#[test]
fn a_pf_it_shaped_is_told_with_what_there_was_before() {
    let root = tempfile::tempdir().unwrap();
    assert_eq!(on_a(root.path()), None);
    write(root.path(), "etc/sriov-operator/pci/0000:01:00.0", FILE);
    assert_eq!(on_a(root.path()), shaped(4, 9000, 1500));
    let state = r#"{"metadata":{"name":"n"},
        "status":{"interfaces":[{"pciAddress":"0000:01:00.0","mtu":4000}]}}"#;
    write(root.path(), "tmp/sno-initial-node-state.json", state);
    assert_eq!(on_a(root.path()), shaped(4, 9000, 4000));
    write(root.path(), "tmp/sno-initial-node-state.json", &state[..70]);
    assert_eq!(on_a(root.path()), shaped(4, 9000, 1500), "what is cut off counts for nothing");
}

#[test]
fn vfs_that_it_was_to_leave_alone_are_not_its_own() {
    let root = tempfile::tempdir().unwrap();
    let external = FILE.replace("\"numVfs\"", "\"externallyManaged\":true,\"numVfs\"");
    write(root.path(), "etc/sriov-operator/pci/0000:01:00.0", &external);
    assert_eq!(on_a(root.path()), shaped(0, 9000, 1500));
}

#[test]
fn a_file_that_is_cut_off_is_damaged_wherever_it_is_cut() {
    let root = tempfile::tempdir().unwrap();
    for length in 0..FILE.len() {
        write(root.path(), "etc/sriov-operator/pci/0000:01:00.0", &FILE[..length]);
        let found = on_a(root.path());
        assert!(matches!(found, Some(Inherited::Damaged { .. })), "{length}: {found:?}");
    }
    write(root.path(), "etc/sriov-operator/pci/0000:01:00.0", &FILE.replace("01:00", "02:00"));
    assert!(matches!(on_a(root.path()), Some(Inherited::Damaged { .. })), "another PF's file");
}

#[test]
fn the_daemon_is_known_by_its_binary() {
    for binary in [
        "/usr/bin/sriov-network-config-daemon",
        "/var/lib/sriov/sriov-network-config-daemon",
        "/usr/bin/sriov-network-config-daemon (deleted)",
    ] {
        assert!(is_daemon(Path::new(binary)), "{binary}");
    }
    for binary in ["/usr/bin/vim", "/usr/bin/sriov-network-config-daemon-2", "/", ""] {
        assert!(!is_daemon(Path::new(binary)), "{binary}");
    }
}
