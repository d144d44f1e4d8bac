//! The units themselves: their order, their sandbox, and that all the work can be done in it.

use std::fs;
use std::path::Path;

use serde_json::json;

use super::{Service, attach, config, property, wait_until_home};
use crate::guest::Test;
use crate::guest::cni::Call;
use crate::guest::host::{link, pf, put, read};
use crate::guest::pod::Pod;
use crate::guest::program::run;
use crate::guest::railhead::{forget_as_a_boot_does, policy, railhead, wait_until_in_force};

pub(super) const TESTS: &[Test] = &[
    ("systemd::units::vfs_come_before_the_network", before_the_network),
    ("systemd::units::all_work_is_done_inside_the_sandbox", inside_the_sandbox),
    ("systemd::units::a_restart_keeps_vfs_and_attachments", a_restart_keeps_all),
    ("systemd::units::boot_does_its_work_inside_its_own_sandbox", boot_inside_its_sandbox),
];

/// When something began or ended, in microseconds of this boot.
fn moment(unit: &str, what: &str) -> u64 {
    let text = property(unit, &format!("{what}TimestampMonotonic"));
    text.parse().unwrap_or_else(|_| panic!("{what} of {unit}: {text:?}"))
}

fn before_the_network() {
    assert_eq!(property("railhead-boot", "Result"), "success");
    let done = moment("railhead-boot", "ActiveEnter");
    assert!(done > 0 && moment("systemd-udevd", "ActiveEnter") < done);
    for later in ["NetworkManager.service", "systemd-networkd.service", "railhead.service"] {
        let began = moment(later, "InactiveExit");
        assert!(done < began, "{later} began at {began} and railhead-boot ended at {done}");
    }
}

/// A line of `/proc/PID/status`.
fn status(pid: &str, key: &str) -> String {
    let text = read(&format!("/proc/{pid}/status"));
    let line = text.lines().find_map(|line| line.strip_prefix(&format!("{key}:")));
    line.unwrap_or_else(|| panic!("{key} in {text}")).trim().to_owned()
}

/// What the kernel and systemd say when a sandbox is in the way.
fn assert_nothing_was_refused(unit: &str) {
    let log = run(&format!("journalctl -b -o cat -u {unit}")).ok().stdout;
    for words in ["Read-only file system", "Permission denied", "Operation not permitted"] {
        assert!(!log.contains(words), "{log}");
    }
}

fn inside_the_sandbox() {
    let service = Service::start();
    let pid = service.pid();
    assert_eq!((status(&pid, "NoNewPrivs"), status(&pid, "Seccomp")), ("1".into(), "2".into()));
    // NET_ADMIN, SYS_MODULE, SYS_PTRACE, SYS_ADMIN, and one that reads or overrides owners.
    let bounding = u64::from_str_radix(&status(&pid, "CapBnd"), 16).expect("a number");
    assert_eq!(bounding & !(1 << 1 | 1 << 2), 1 << 12 | 1 << 16 | 1 << 19 | 1 << 21);
    let mounts = read(&format!("/proc/{pid}/mountinfo"));
    let root = mounts.lines().find(|line| line.split(' ').nth(4) == Some("/"));
    assert!(root.is_some_and(|line| line.contains(" ro,")), "{mounts}");

    let vfs = service.shape(&pf(0), 2, "  mtu: 4000\n  deviceType: netdevice\n");
    assert_eq!(vfs.len(), 2);
    put(
        "/etc/railhead/objects/pool.yaml",
        "apiVersion: nv-ipam.nvidia.com/v1alpha1\nkind: IPPool\nmetadata: {name: blue}\n\
         spec: {subnet: 10.77.0.0/24, perNodeBlockSize: 100, gateway: 10.77.0.1}\n",
    );
    // Objects by way of the daemon, and VFs for user space with their module.
    put("/root/set/net.yaml", &policy("net", &pf(0).name, 2, "  deviceType: vfio-pci\n"));
    railhead("apply -f /root/set").ok();
    assert_eq!(pf(0).vfs()[0].driver().as_deref(), Some("vfio-pci"));
    // All that the daemon writes.
    for path in [
        "/run/railhead/daemon.sock",
        "/run/railhead/metrics.sock",
        "/run/railhead/daemon.lock",
        "/run/railhead/journal",
        "/run/railhead/vfs",
        "/run/railhead/vf",
        "/var/lib/railhead/objects",
        "/var/lib/railhead/last-good.json",
        "/var/lib/railhead/last-good-settings.json",
        "/etc/railhead/objects",
    ] {
        assert!(Path::new(path).exists(), "{path}");
    }
    assert_nothing_was_refused("railhead");
    service.undo();
    fs::remove_dir_all("/root/set").expect("remove a set");
}

fn a_restart_keeps_all() {
    let service = Service::start();
    let vfs = service.shape(&pf(0), 2, "");
    let home = vfs[0].wait_for_netdev();
    let other = vfs[1].wait_for_netdev();
    let pod = Pod::new("pod1");
    let config = config(&vfs[0], json!({}));
    attach(&vfs[0], &pod, &config);
    let before = (link(&other)["ifindex"].clone(), pod.link("net1")["ifindex"].clone());
    let first = service.pid();
    run("systemctl restart railhead").ok();
    assert_ne!(service.pid(), first);
    wait_until_in_force();
    // As a crash would end it.
    run("systemctl kill -s KILL railhead").ok();
    crate::guest::wait::wait_for("systemd to start it again", || {
        let pid = property("railhead", "MainPID");
        (pid != "0" && pid != first && property("railhead", "ActiveState") == "active")
            .then_some(())
    });
    wait_until_in_force();
    let after = (link(&other)["ifindex"].clone(), pod.link("net1")["ifindex"].clone());
    assert_eq!(after, before);
    Call::del("sriov", "c1", &pod, &config).run().ok();
    wait_until_home(&vfs[0], &home);
    service.undo();
}

fn boot_inside_its_sandbox() {
    let service = Service::start();
    service.shape(&pf(0), 2, "");
    run("systemctl stop railhead").ok();
    pf(0).remove_vfs();
    forget_as_a_boot_does();
    run("systemd-tmpfiles --create /usr/lib/tmpfiles.d/railhead.conf").ok();
    run("systemctl restart railhead-boot").ok();
    assert_eq!((property("railhead-boot", "Result"), pf(0).num_vfs()), ("success".into(), 2));
    assert_nothing_was_refused("railhead-boot");
    run("systemctl start railhead").ok();
    service.undo();
}
