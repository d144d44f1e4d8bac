//! Cards that are taken out and put back under a running daemon, as far as the kernel is concerned.

use std::path::Path;

use super::{FIRST, first_pass, put_policy, put_policy_by_address};
use crate::guest::Test;
use crate::guest::host::{pf, pfs, write};
use crate::guest::pod::Pod;
use crate::guest::program::run;
use crate::guest::railhead::{Daemon, railhead, settings};
use crate::guest::wait::wait_for;

pub(super) const TESTS: &[Test] = &[
    ("daemon::unplug::a_card_goes_with_the_vf_of_a_pod_and_comes_back", a_card_goes),
    ("daemon::unplug::a_card_goes_in_the_middle_of_an_apply", a_card_goes_in_the_middle),
];

fn unplug() {
    write(&format!("/sys/bus/pci/devices/{FIRST}/remove"), "1");
    assert_eq!(pfs().len(), 1);
}

/// The new network interface gets its name of udev.
fn plug() {
    write("/sys/bus/pci/rescan", "1");
    let name = wait_for("the PF's network interface", || {
        let name = pf(0).name;
        (!name.is_empty()).then_some(name)
    });
    run(&format!("ip link set {name} down")).ok();
    run(&format!("ip link set {name} name enp1s0")).ok();
}

fn the_daemon_tells_it_is_gone() {
    wait_for("the daemon to tell", || {
        let status = railhead("status -o json").json();
        let net = status["policies"].as_array()?.iter().find(|policy| policy["name"] == "net")?;
        (net["state"] == "failed").then_some(())?;
        let journal = format!("/run/railhead/journal/{FIRST}.json");
        (!Path::new(&journal).exists()).then_some(())
    });
}

fn the_daemon_is_content(num_vfs: u16) {
    wait_for("the daemon to be content", || {
        (pf(0).num_vfs() == num_vfs && railhead("plan --exit-code").status == 0).then_some(())
    });
}

fn a_card_goes() {
    settings("nodeName: node-a\n");
    let mut daemon = Daemon::start();
    put_policy_by_address(1);
    put_policy("other", "enp2s0", 1, "");
    the_daemon_is_content(1);
    let pod = Pod::new("pod");
    run(&format!("ip link set {} netns pod", pf(0).vfs()[0].wait_for_netdev())).ok();
    let other = pf(1).vfs()[0].wait_for_netdev();
    let before = crate::guest::host::link(&other)["ifindex"].clone();

    unplug();
    the_daemon_tells_it_is_gone();
    assert!(pod.links().is_empty(), "the VF went with its card");
    assert!(daemon.is_alive());
    assert_eq!(crate::guest::host::link(&other)["ifindex"], before, "the other card is none of it");

    plug();
    the_daemon_is_content(1);
    drop(pod);
    super::drop_policy("other");
    super::drop_and_wait("net");
    daemon.stop().ok();
}

/// Whatever the daemon is at when the card goes fails, and is told; it comes to rest, and begins anew with the new card.
fn a_card_goes_in_the_middle() {
    settings("nodeName: node-a\n");
    let mut daemon = Daemon::start();
    first_pass();
    put_policy_by_address(2);
    wait_for("the daemon to be at it", || {
        (pf(0).attribute("sriov_drivers_autoprobe") == "0").then_some(())
    });
    unplug();
    the_daemon_tells_it_is_gone();
    assert!(daemon.is_alive());
    plug();
    the_daemon_is_content(2);
    super::drop_and_wait("net");
    let printed = daemon.stop().ok();
    assert!(!printed.stderr.contains("defect"), "{printed}");
}
