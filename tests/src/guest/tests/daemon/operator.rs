//! The SR-IOV Network Operator: railhead keeps out of its way, and takes over what it left.

use std::fs;

use super::{assert_in_force, drivers, drop_policy, mtu, put_policy, undo};
use crate::guest::Test;
use crate::guest::host::{Pf, pf, put, read};
use crate::guest::program::{Program, Running, run};
use crate::guest::railhead::{Daemon, railhead};
use crate::guest::user::user;
use crate::guest::wait::wait_for;

pub(super) const TESTS: &[Test] = &[
    ("daemon::operator::is_taken_over_with_no_vf_made_anew", is_taken_over),
    ("daemon::operator::files_that_are_cut_off_give_no_right", files_that_are_cut_off),
    ("daemon::operator::that_still_runs_is_left_alone", that_still_runs),
    ("daemon::operator::is_not_what_a_user_calls_so", is_not_what_a_user_calls_so),
];

const FILES: &str = "/etc/sriov-operator";

/// A PF as that operator leaves it: two VFs with pinned MACs, one of them for user space.
fn shaped_pf() -> Pf {
    let pf = pf(0);
    let vfs = pf.make_vfs(2);
    for (vf, netdev) in vfs.iter().map(|vf| (vf, vf.wait_for_netdev())) {
        let mac = super::own_mac(vf);
        run(&format!("ip link set enp1s0 vf {} mac {mac}", vf.index)).ok();
        run(&format!("ip link set {netdev} mtu 1500")).ok();
    }
    vfs[1].bind("vfio-pci");
    fs::write(format!("/sys/bus/pci/devices/{}/driver_override", vfs[1].address), "\n")
        .expect("clear an override");
    run("ip link set enp1s0 mtu 4000").ok();
    run("ip link set enp1s0 up").ok();
    put(&format!("{FILES}/pci/0000:01:00.0"), FILE);
    pf
}

const FILE: &str = r#"{"pciAddress":"0000:01:00.0","numVfs":2,"mtu":4000,"name":"enp1s0","linkType":"eth","vfGroups":[{"resourceName":"net","deviceType":"netdevice","vfRange":"0-0","policyName":"net"},{"resourceName":"vms","deviceType":"vfio-pci","vfRange":"1-1","policyName":"vms"}],"externallyManaged":false}"#;

fn policies() {
    put_policy("net", "enp1s0#0-0", 2, "  mtu: 4000\n");
    put_policy("vms", "enp1s0#1-1", 2, "  deviceType: vfio-pci\n");
}

fn clean_up() {
    fs::remove_dir_all(FILES).expect("remove the operator's files");
    run("ip link set enp1s0 down").ok();
}

fn is_taken_over() {
    let pf = shaped_pf();
    put(
        "/tmp/sno-initial-node-state.json",
        r#"{"metadata":{"name":"a"},"status":{"interfaces":[{"pciAddress":"0000:01:00.0","mtu":1500}]}}"#,
    );
    let netdev = pf.vfs()[0].wait_for_netdev();
    let before = (read(&format!("/sys/class/net/{netdev}/ifindex")), super::own_mac(&pf.vfs()[0]));
    railhead("apply").ok();
    assert_eq!(pf.num_vfs(), 2, "no policy asks, so nobody touches it");

    policies();
    let plan = railhead("plan").ok();
    let takes = "take over 2 VFs and MTU 4000 (was 1500) from the SR-IOV Network Operator";
    assert!(plan.stdout.contains(takes), "{plan}");
    assert!(!plan.stdout.contains("create"), "{plan}");
    railhead("apply").ok();
    assert_in_force();
    let after = (read(&format!("/sys/class/net/{netdev}/ifindex")), super::own_mac(&pf.vfs()[0]));
    assert_eq!(after, before, "the same VFs as before");
    assert_eq!(drivers(&pf), ["igbvf", "vfio-pci"]);

    drop_policy("vms");
    undo("net");
    assert_eq!((pf.num_vfs(), mtu("enp1s0")), (0, 1500), "as that operator would have left it");
    assert_eq!(read(&format!("{FILES}/pci/0000:01:00.0")), FILE, "its files are its own");
    fs::remove_file("/tmp/sno-initial-node-state.json").expect("remove its checkpoint");
    clean_up();
}

/// VFs that nobody can be shown to own are kept, whatever happens.
fn files_that_are_cut_off() {
    let pf = shaped_pf();
    put(&format!("{FILES}/pci/0000:01:00.0"), &FILE[..90]);
    policies();
    let told = railhead("apply").ok();
    assert!(told.stderr.contains(&format!("{FILES}/pci/0000:01:00.0")), "{told}");
    assert!(told.stderr.contains("counts as somebody else's"), "{told}");
    drop_policy("vms");
    undo("net");
    assert_eq!((pf.num_vfs(), mtu("enp1s0")), (2, 4000));
    assert_eq!(drivers(&pf), ["igbvf", "vfio-pci"]);
    pf.remove_vfs();
    run("ip link set enp1s0 mtu 1500").ok();
    clean_up();
}

fn that_still_runs() {
    fs::create_dir_all("/tmp/operator").expect("make a directory");
    let binary = "/tmp/operator/sriov-network-config-daemon";
    fs::copy("/bin/busybox", binary).expect("copy a program");
    let mut reader = Program::new(&format!("tail -f /dev/null -c 0 {binary}")).start();
    put_policy("net", "enp1s0", 1, "");
    let plan = railhead("plan").ok();
    assert!(plan.stdout.contains("create 1 VF"), "an argument is no daemon: {plan}");
    assert!(reader.is_alive());
    drop(reader);

    // As busybox does: the first argument is the applet, when the program's name is none.
    let operator =
        Program::new("bash -c").arg(format!("exec -a tail {binary} -f /dev/null")).start();
    wait_for("the other operator", || {
        let runs = fs::read_link(format!("/proc/{}/exe", operator.pid()));
        runs.is_ok_and(|path| path.as_os_str() == binary).then_some(())
    });
    let refused = railhead("apply").failed_with(1);
    let says = format!(
        "the SR-IOV Network Operator's daemon runs on this node (process {})",
        operator.pid()
    );
    assert!(refused.stdout.contains(&says), "{refused}");
    assert_eq!(pf(0).num_vfs(), 0);

    let daemon = Daemon::start();
    super::first_pass();
    assert_eq!(pf(0).num_vfs(), 0);
    drop(operator);
    wait_for("the daemon to act now", || (pf(0).num_vfs() == 1).then_some(()));
    super::drop_and_wait("net");
    daemon.stop().ok();
    fs::remove_dir_all("/tmp/operator").expect("remove a directory");
}

/// A user runs a binary called as that operator's daemon: as they are, as root in a user namespace of theirs, and there
/// with namespaces for mounts and the network, as a container has them.
fn is_not_what_a_user_calls_so() {
    fs::create_dir_all("/tmp/operator").expect("make a directory");
    let binary = "/tmp/operator/sriov-network-config-daemon";
    fs::copy("/bin/busybox", binary).expect("copy a program");
    put_policy("net", "enp1s0", 1, "");
    let ways = ["bash -c", "unshare -r bash -c", "unshare -r -m -n bash -c"];
    let running: Vec<Running> = ways
        .iter()
        .map(|way| user(way).arg(format!("exec -a tail {binary} -f /dev/null")).start())
        .collect();
    wait_for("three processes", || {
        let processes = fs::read_dir("/proc").ok()?.flatten();
        let programs = processes.filter_map(|entry| fs::read_link(entry.path().join("exe")).ok());
        (programs.filter(|program| program.as_os_str() == binary).count() == 3).then_some(())
    });
    let plan = railhead("plan").ok();
    assert!(plan.stdout.contains("create 1 VF") && !plan.stdout.contains("Operator"), "{plan}");
    let doctor = railhead("doctor");
    assert!(!doctor.stdout.contains("Operator's daemon runs"), "{doctor}");
    let daemon = Daemon::start();
    wait_for("the daemon to act", || (pf(0).num_vfs() == 1).then_some(()));
    super::drop_and_wait("net");
    daemon.stop().ok();
    drop(running);
    fs::remove_dir_all("/tmp/operator").expect("remove a directory");
}
