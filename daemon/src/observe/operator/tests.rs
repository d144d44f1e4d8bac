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
        assert!(is_its_binary(Path::new(binary)), "{binary}");
    }
    for binary in ["/usr/bin/vim", "/usr/bin/sriov-network-config-daemon-2", "/", ""] {
        assert!(!is_its_binary(Path::new(binary)), "{binary}");
    }
}

/// Whoever runs a binary of that name, as another user, in a container or without the right.
#[test]
fn only_the_machines_root_is_the_daemon() {
    const ALL: &str = "000001ffffffffff";
    for (users, uid, capabilities, expected) in [
        (&*first_users(), "0\t0\t0\t0", ALL, true),
        (&*first_users(), "0\t0\t0\t0", "0000000000200000", true),
        (&*first_users(), "1000\t0\t0\t0", ALL, true),
        (&*first_users(), "0\t0\t0\t0", "00000000a80425fb", false),
        (&*first_users(), "1000\t1000\t1000\t1000", "0000000000000000", false),
        (&*first_users(), "1000\t1000\t1000\t1000", ALL, false),
        (&*first_users(), "0\t1000\t0\t0", ALL, false),
        ("user:[4026532581]", "0\t0\t0\t0", ALL, false),
    ] {
        let proc = tempfile::tempdir().unwrap();
        let link = |from: &str, to: &str| {
            std::os::unix::fs::symlink(to, proc.path().join(from)).unwrap();
        };
        link("exe", "/usr/bin/sriov-network-config-daemon");
        assert!(!is_daemon(proc.path()), "nothing else is known of it");
        fs::create_dir(proc.path().join("ns")).unwrap();
        link("ns/user", users);
        // As much of /proc/PID/status as every kernel writes.
        let status = format!(
            "Name:\tx\nState:\tS (sleeping)\nTgid:\t7\nPid:\t7\nPPid:\t1\nTracerPid:\t0\nUid:\t{uid}\n\
             Gid:\t0\t0\t0\t0\nFDSize:\t64\nGroups:\t \nThreads:\t1\nSigQ:\t0/9\nSigPnd:\t0\nShdPnd:\t0\n\
             SigBlk:\t0\nSigIgn:\t0\nSigCgt:\t0\nCapInh:\t{ALL}\nCapPrm:\t{ALL}\nCapEff:\t{capabilities}\n"
        );
        write(proc.path(), "status", &status);
        assert_eq!(is_daemon(proc.path()), expected, "{users} {uid} {capabilities}");
    }
}

#[test]
fn what_is_known_of_a_process_is_read_from_the_kernel() {
    let own = Path::new("/proc/self");
    let status = Status::from_file(own.join("status")).unwrap();
    let is_first = fs::read_link(own.join("ns/user")).unwrap() == Path::new(&first_users());
    assert_eq!(is_roots(own), is_first && is_privileged(&status));
    assert!(!is_daemon(own));
}
