//! The daemon as a service: its socket, its lock, its rest.

use std::thread::sleep;
use std::time::Duration;

use super::{drop_and_wait, put_policy};
use crate::guest::Test;
use crate::guest::host::{pf, put};
use crate::guest::program::run;
use crate::guest::railhead::{Daemon, policy, railhead, settings, wait_until_in_force};
use crate::guest::trace::Trace;

pub(super) const TESTS: &[Test] = &[
    ("daemon::service::apply_goes_through_the_daemon", apply_goes_through_the_daemon),
    ("daemon::service::a_second_daemon_yields", a_second_daemon_yields),
    ("daemon::service::a_restart_disturbs_nothing", a_restart_disturbs_nothing),
    ("daemon::service::idle_it_does_nothing", idle_it_does_nothing),
    ("daemon::service::a_typo_takes_nothing_away", a_typo_takes_nothing_away),
];

fn apply_goes_through_the_daemon() {
    let daemon = Daemon::start();
    put("/root/set/net.yaml", &policy("net", "enp1s0", 2, ""));
    let applied = railhead("apply -f /root/set").ok();
    assert!(applied.stdout.contains("in force"), "{applied}");
    assert_eq!(pf(0).num_vfs(), 2);
    let status = railhead("status -o json").ok().json();
    assert_eq!(status["daemon"]["pid"], daemon.pid());
    assert_eq!(status["pfs"][0]["state"], "inForce");
    put("/root/none/nothing.yaml", "");
    railhead("apply -f /root/none").ok();
    assert_eq!(pf(0).num_vfs(), 0);
    daemon.stop().ok();
}

fn a_second_daemon_yields() {
    let daemon = Daemon::start();
    let second = railhead("daemon").failed_with(1);
    let says = format!("the railhead daemon (process {})", daemon.pid());
    assert!(second.stderr.contains(&says), "{second}");
    daemon.stop().ok();
    Daemon::start().stop().ok();
}

fn a_restart_disturbs_nothing() {
    put_policy("net", "enp1s0", 2, "");
    railhead("apply").ok();
    let state = || -> Vec<String> {
        let links = run("ip -j link").ok().json();
        let links = links.as_array().expect("an array").iter();
        links
            .map(|link| format!("{} {} {}", link["ifname"], link["ifindex"], link["address"]))
            .collect()
    };
    let before = state();
    for _ in 0..5 {
        let daemon = Daemon::start();
        super::first_pass();
        daemon.stop().ok();
        // Killed, it leaves its socket and its lock file behind.
        drop(Daemon::start());
    }
    Daemon::start().stop().ok();
    assert_eq!(state(), before);
    super::undo("net");
}

/// No fork, no write, no look at anything: all it does is wait, also where metrics are served and were asked for.
fn idle_it_does_nothing() {
    put_policy("net", "enp1s0", 2, "");
    settings("nodeName: node-a\nmetrics: {listen: \"127.0.0.1:9810\"}\n");
    let daemon = Daemon::start();
    wait_until_in_force();
    railhead("metrics").ok();
    // The daemon looks once more after its own work; its helper threads end after ten seconds.
    sleep(Duration::from_secs(12));
    let trace = Trace::new("idle");
    let strace = trace.attach(daemon.pid());
    sleep(Duration::from_secs(8));
    strace.signal("INT");
    strace.finish(Duration::from_secs(10));
    // A far timer of tokio's comes near in a few steps, each of which looks at the clock.
    let waits = ["clock_gettime(", "epoll_wait(", "epoll_pwait(", "<..."];
    let (waiting, others): (Vec<String>, Vec<String>) =
        trace.lines().into_iter().partition(|line| waits.iter().any(|call| line.starts_with(call)));
    assert_eq!(others, Vec::<String>::new());
    assert!(waiting.len() < 20, "{waiting:?}");
    drop_and_wait("net");
    daemon.stop().ok();
}

fn a_typo_takes_nothing_away() {
    let daemon = Daemon::start();
    put_policy("net", "enp1s0", 2, "");
    railhead("apply").ok();
    put("/etc/railhead/objects/net.yaml", "kind: [SriovNetworkNodePolicy\n");
    let told = railhead("apply").failed_with(1);
    assert!(told.stderr.contains("net.yaml:1:7"), "{told}");
    assert_eq!(pf(0).num_vfs(), 2);
    put_policy("net", "enp1s0", 2, "");
    railhead("apply").ok();
    drop_and_wait("net");
    daemon.stop().ok();
}
