//! A boot: what was in force comes back, before the network and without it, in a bounded time.
//!
//! What a power cut leaves is made by hand: `/run` is empty and there are no VFs, while `/etc` and
//! `/var/lib` are as they were.

use std::fs;
use std::time::Duration;

use super::markers::{addresses, markers};
use super::{
    MissingModule, admin_mac, assert_in_force, drivers, drop_and_wait, drop_policy, is_up, mtu,
    own_mac, put_policy, undo,
};
use crate::guest::Test;
use crate::guest::host::{Pf, link, netdev_of, pf, put, read, write};
use crate::guest::program::{Program, Running, run};
use crate::guest::railhead::{Daemon, forget_as_a_boot_does, object, policy, railhead, settings};
use crate::guest::trace::Trace;
use crate::guest::wait::wait_for;

pub(super) const TESTS: &[Test] = &[
    ("daemon::boot::what_was_in_force_comes_back", what_was_in_force_comes_back),
    ("daemon::boot::a_pf_that_comes_late_is_waited_for", a_pf_that_comes_late),
    ("daemon::boot::a_pf_under_another_name_is_told", a_pf_under_another_name),
    ("daemon::boot::a_module_that_is_missing_is_named", a_module_that_is_missing),
    ("daemon::boot::without_the_objects_the_last_good_ones_count", without_the_objects),
    ("daemon::boot::with_broken_settings_the_last_good_ones_count", with_broken_settings),
];

/// What a reboot takes away.
fn forget() {
    for pf in crate::guest::host::pfs() {
        if pf.num_vfs() > 0 {
            pf.remove_vfs();
        }
        run(&format!("ip link set {} down mtu 1500", pf.name)).ok();
    }
    forget_as_a_boot_does();
}

fn what_was_in_force_comes_back() {
    let (first, second) = (pf(0), pf(1));
    put_policy("net", "enp1s0#0-0", 2, "  mtu: 9000\n");
    put_policy("vms", "enp1s0#1-1", 2, "  deviceType: vfio-pci\n");
    put_policy("gone", "enp2s0", 1, "");
    railhead("apply").ok();
    let state = || -> Vec<String> {
        let macs = first.vfs().iter().map(admin_mac).collect::<Vec<_>>();
        let own = own_mac(&first.vfs()[0]);
        vec![format!("{:?} {macs:?} {own} {}", drivers(&first), mtu("enp1s0"))]
    };
    let before = state();
    forget();
    drop_policy("gone");

    let trace = Trace::new("boot").only("socket");
    run(&format!("{} {} railhead boot", trace.command(), confined())).ok();
    let sockets = trace.calls("socket");
    let local = |line: &String| line.contains("AF_NETLINK") || line.contains("AF_UNIX");
    assert!(!sockets.is_empty() && sockets.iter().all(local), "{sockets:?}");
    assert_eq!(state(), before, "as after apply");
    assert!(is_up("enp1s0"));
    // What systemd/railhead.rules goes by.
    assert_eq!(markers(), addresses(&first));
    assert_eq!(second.num_vfs(), 0, "its policy went away while the host was off");
    assert_in_force();
    let again = railhead("boot").ok();
    assert!(again.stderr.is_empty(), "nothing is left to do: {again}");
    drop_policy("vms");
    undo("net");
}

/// Runs a program with the capabilities that the unit gives, and no others.
fn confined() -> String {
    let unit = include_str!("../../../../../systemd/railhead-boot.service");
    let line = unit.lines().find_map(|line| line.strip_prefix("CapabilityBoundingSet="));
    let names = line.expect("a bounding set").to_ascii_lowercase();
    let names: Vec<_> = names.split_whitespace().map(|name| name.replace("cap_", "+")).collect();
    format!("setpriv --bounding-set -all,{} --no-new-privs", names.join(","))
}

/// Takes the driver away, so that there is no netdev, as before a module is loaded.
fn lose_driver(pf: &Pf) {
    write("/sys/bus/pci/drivers/igb/unbind", &pf.address);
}

/// Gives it back: the kernel's own name comes first, udev's later.
fn find_driver(pf: &Pf) -> String {
    write("/sys/bus/pci/drivers/igb/bind", &pf.address);
    wait_for("the PF's network interface", || netdev_of(&pf.address))
}

fn a_pf_that_comes_late() {
    let (first, late) = (pf(0), pf(1));
    put_policy("net", "enp1s0, enp2s0", 1, "");
    railhead("apply").ok();
    forget();
    lose_driver(&late);
    let waited = railhead("boot --wait 1").failed_with(1);
    assert_eq!(first.num_vfs(), 1, "what is there does not wait for ever");
    let says = "enp2s0 (0000:02:00.0) did not appear in time, and policy net asked for it";
    assert!(waited.stderr.contains(says), "{waited}");

    // The report of that boot knows one PF only; a power cut before it was written knows two.
    find_driver(&late);
    run(&format!("ip link set {} name enp2s0", netdev_of(&late.address).expect("a netdev"))).ok();
    railhead("apply").ok();
    forget();
    put("/run/udev/control", "");
    put(&format!("/run/udev/data/n{}", ifindex("enp1s0")), "");
    lose_driver(&late);
    let boot = Program::new("railhead boot --wait 300").start();
    let holder = || fs::read_to_string("/run/railhead/daemon.lock").unwrap_or_default();
    wait_for("the boot to be at it", || holder().contains("railhead boot").then_some(()));
    let early = find_driver(&late);
    assert_ne!(early, "enp2s0");
    run(&format!("ip link set {early} name enp2s0")).ok();
    // Between the two it has looked, and found the name: udev has not said yet that it stays.
    hears_of(&boot, "enp2s0");
    hears_of(&boot, "enp2s0");
    assert_eq!((first.num_vfs(), late.num_vfs()), (0, 0));
    put(&format!("/run/udev/data/n{}", ifindex("enp2s0")), "");
    boot.finish(Duration::from_secs(120)).ok();
    assert_eq!((first.num_vfs(), late.num_vfs()), (1, 1));
    fs::remove_dir_all("/run/udev").expect("remove udev's files");
    undo("net");
}

/// Has the kernel announce a netdev once more, and waits until the boot has taken that from its socket.
fn hears_of(boot: &Running, netdev: &str) {
    write(&format!("/sys/class/net/{netdev}/uevent"), "change");
    wait_for("the boot to hear of it", || {
        let files = fs::read_dir(format!("/proc/{}/fd", boot.pid())).expect("list its files");
        let files = files.flatten().filter_map(|file| fs::read_link(file.path()).ok());
        let sockets: Vec<String> = files
            .filter_map(|file| Some(file.to_str()?.strip_prefix("socket:[")?.replace(']', "")))
            .collect();
        // sk, protocol, port, groups, bytes to be read, ..., inode
        let all = read("/proc/net/netlink");
        let mut rows = all.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
        let uevents = |row: &Vec<&str>| row[1] == "15" && sockets.iter().any(|it| it == row[9]);
        let row = rows.find(uevents).expect("a boot that waits for uevents");
        (row[4] == "0").then_some(())
    });
}

fn ifindex(netdev: &str) -> String {
    read(&format!("/sys/class/net/{netdev}/ifindex"))
}

fn a_pf_under_another_name() {
    let pf = pf(1);
    put_policy("net", "enp2s0", 1, "");
    railhead("apply").ok();
    forget();
    run("ip link set enp2s0 name ens9").ok();
    let told = railhead("boot").failed_with(1);
    assert!(told.stdout.contains("enp2s0"), "the policy is not in force: {told}");
    assert!(told.stderr.contains("enp2s0 (0000:02:00.0) is called ens9 since this boot"), "{told}");
    assert_eq!(pf.num_vfs(), 0);
    // What it says to do.
    run("ip link property add dev ens9 altname enp2s0").ok();
    railhead("boot").ok();
    assert_eq!(pf.num_vfs(), 1);
    run("ip link property del dev ens9 altname enp2s0").ok();
    run("ip link set ens9 name enp2s0").ok();
    assert_eq!(link("enp2s0")["ifname"], "enp2s0");
    undo("net");
}

fn a_module_that_is_missing() {
    let pf = pf(0);
    put_policy("net", "enp1s0#0-0", 2, "");
    put_policy("vms", "enp1s0#1-1", 2, "  deviceType: vfio-pci\n");
    let missing = MissingModule::new("vfio-pci");
    let told = railhead("boot").failed_with(1);
    assert!(told.stdout.contains("load module vfio-pci"), "{told}");
    assert_eq!(drivers(&pf), ["igbvf", ""], "VFs that need no module are there");
    drop(missing);
    railhead("boot").ok();
    assert_eq!(drivers(&pf), ["igbvf", "vfio-pci"]);
    drop_policy("vms");
    undo("net");
}

fn without_the_objects() {
    put_policy("net", "enp1s0", 1, "");
    railhead("apply").ok();
    forget();
    fs::rename("/etc/railhead/objects", "/etc/railhead/elsewhere").expect("move the objects");
    put("/etc/railhead/objects", "no directory\n");
    let told = railhead("boot").failed_with(1);
    assert!(told.stderr.contains("/etc/railhead/objects: cannot be read"), "{told}");
    assert_eq!(pf(0).num_vfs(), 1, "what was last good is in force");
    fs::remove_file("/etc/railhead/objects").expect("remove the file");
    fs::rename("/etc/railhead/elsewhere", "/etc/railhead/objects").expect("move them back");
    assert_in_force();
    undo("net");
}

/// A policy for this rack only, so that a node with default settings is not meant.
fn with_broken_settings() {
    let settings_of_the_rack = || settings("nodeName: node-a\nnodeLabels: {rack: r1}\n");
    settings_of_the_rack();
    let of_the_rack =
        policy("net", "enp1s0", 1, "").replace("nodeSelector: {}", "nodeSelector: {rack: r1}");
    object("net.yaml", &of_the_rack);
    railhead("apply").ok();
    forget();
    settings("nodeLabels: {rack: r1\n");
    let says = "/etc/railhead/railhead.yaml:1:13: ";
    let told = railhead("boot").failed_with(1);
    assert!(told.stderr.contains(says), "{told}");
    assert!(told.stderr.contains("the last good settings are in force"), "{told}");
    assert_eq!(pf(0).num_vfs(), 1);

    // So does a daemon that starts with them, and whoever asks it is told.
    let daemon = Daemon::start();
    wait_for("the first pass", || {
        let status = railhead("status -o json").failed_with(1);
        assert!(status.stderr.contains(says), "{status}");
        status.json()["daemon"]["passes"].as_u64().filter(|passes| *passes > 0)
    });
    pf(0).remove_vfs();
    wait_for("the VF to be back", || (pf(0).num_vfs() == 1).then_some(()));
    let told = railhead("apply").failed_with(1);
    assert!(told.stderr.contains(says), "{told}");
    settings_of_the_rack();
    railhead("apply").ok();
    drop_and_wait("net");
    daemon.stop().ok();
}
