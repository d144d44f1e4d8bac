//! NetworkManager and networkd: VFs for containers are none of their business, all else is.

use std::time::Duration;

use super::{Service, is_left_alone};
use crate::guest::Test;
use crate::guest::host::pf;
use crate::guest::program::{Program, run};
use crate::guest::wait::wait_for;

pub(super) const TESTS: &[Test] = &[
    ("systemd::managers::vfs_are_left_alone_from_their_first_event", from_the_first_event),
    ("systemd::managers::other_vfs_and_pfs_are_theirs", others_are_theirs),
];

fn from_the_first_event() {
    let service = Service::start();
    let monitor = Program::new("udevadm monitor --udev --property --subsystem-match=net").start();
    // It says so when it listens, in a line that comes when it ends.
    std::thread::sleep(Duration::from_secs(2));
    let vfs = service.shape(&pf(0), 3, "");
    monitor.signal("INT");
    let heard = monitor.finish(Duration::from_secs(20)).stdout;
    let events: Vec<&str> = heard
        .split("\n\n")
        .filter(|event| vfs.iter().any(|vf| event.contains(&format!("/{}/net/", vf.address))))
        .collect();
    assert!(events.len() >= vfs.len(), "{heard}");
    for event in events {
        let has = |line: &str| event.lines().any(|other| other == line);
        assert!(has("NM_UNMANAGED=1") && has("RAILHEAD_VF=1"), "{event}");
    }
    for vf in &vfs {
        let netdev = vf.wait_for_netdev();
        assert!(is_left_alone(&netdev));
        assert_eq!(state_of(&netdev), "unmanaged");
        assert_eq!(networkd(&netdev), "unmanaged");
    }
    assert!(!is_left_alone(&pf(0).name), "the PF is the host's");
    service.undo();
}

fn others_are_theirs() {
    let service = Service::start();
    let (first, second) = (pf(0), pf(1));
    service.shape(&first, 1, "");
    let vf = second.make_vfs(1).remove(0);
    vf.wait_for_netdev();
    // udev gives it another name.
    run("udevadm settle").ok();
    let strange = vf.wait_for_netdev();
    assert!(!is_left_alone(&strange));
    let with_address = || -> Vec<String> {
        let addresses = run("ip -br -4 addr").ok().stdout;
        let with = addresses.lines().filter(|line| line.contains("192.0.2.7/24"));
        with.filter_map(|line| line.split_whitespace().next().map(str::to_owned)).collect()
    };
    wait_for("networkd to configure it", || (!with_address().is_empty()).then_some(()));
    assert_eq!(with_address(), std::slice::from_ref(&strange));
    assert_ne!(networkd(&strange), "unmanaged");
    assert_ne!(state_of(&strange), "unmanaged");
    // A PF that a policy comes to want: its VFs are not the host's from then on, unless it uses them.
    service.undo();
    run("systemctl stop systemd-networkd systemd-networkd.socket").ok();
    run(&format!("ip addr flush dev {strange}")).ok();
    service.shape(&second, 1, "");
    wait_for("udev to hear of it", || is_left_alone(&strange).then_some(()));
    service.undo();
    wait_for("udev to hear of it", || (!is_left_alone(&strange)).then_some(()));
    second.remove_vfs();
    run("systemctl start systemd-networkd").ok();
}

/// What NetworkManager says of an interface.
#[track_caller]
fn state_of(netdev: &str) -> String {
    let states = run("nmcli -t -f DEVICE,STATE device").ok().stdout;
    let mut lines = states.lines().filter_map(|line| line.split_once(':'));
    let found = lines.find(|(name, _)| *name == netdev);
    found.unwrap_or_else(|| panic!("{netdev} in {states}")).1.to_owned()
}

/// What networkd says of it.
#[track_caller]
fn networkd(netdev: &str) -> String {
    let listed = run("networkctl list --no-legend --no-pager").ok().stdout;
    let mut lines = listed.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let found = lines.find(|words| words.get(1) == Some(&netdev));
    found.and_then(|words| words.last().map(|word| (*word).to_owned())).unwrap_or_default()
}
