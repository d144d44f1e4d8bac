//! `apply --confirm`: whatever becomes of the one who applied, what nobody confirms is undone.

use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use super::{assert_in_force, drop_and_wait, drop_policy, first_pass, put_policy, undo};
use crate::guest::host::{link, pf, put, read};
use crate::guest::pod::Pod;
use crate::guest::program::{Output, Program, Running, run};
use crate::guest::railhead::{Daemon, policy, railhead};
use crate::guest::trace::Trace;
use crate::guest::wait::wait_for;
use crate::guest::{Test, hand};

pub(super) const TESTS: &[Test] = &[
    ("daemon::trial::what_nobody_confirms_is_undone", what_nobody_confirms_is_undone),
    ("daemon::trial::an_undo_goes_on_past_what_is_in_its_way", past_what_is_in_its_way),
    ("daemon::trial::nobody_need_survive_for_the_undo", nobody_need_survive),
    ("daemon::trial::no_boot_brings_it_back", no_boot_brings_it_back),
];

const RECORD: &str = "/var/lib/railhead/trial.json";

/// One VF on the first PF is in force.
fn in_force() {
    put_policy("net", "enp1s0", 1, "");
    railhead("apply").ok();
}

/// The same, and one VF on the second PF, to be tried.
fn put_set() {
    put("/root/set/net.yaml", &policy("net", "enp1s0", 1, ""));
    put("/root/set/new.yaml", &policy("new", "enp2s0", 1, ""));
}

/// The set, applied for that many seconds by a process that has done so and waits by now.
fn tried_for(seconds: u64) -> Running {
    put_set();
    let tried = Program::new(&format!("railhead apply -f /root/set --confirm {seconds}s")).start();
    wait_for("the new VF, and the time to begin", || {
        let record = std::fs::read(RECORD).ok()?;
        let record: Value = serde_json::from_slice(&record).ok()?;
        // Until the work is done there is time for that too.
        let time = record["until"].as_u64()? - record["since"].as_u64()?;
        (time < seconds + 130).then_some(())
    });
    assert_eq!(pf(1).num_vfs(), 1);
    tried
}

fn assert_undone() {
    assert_eq!((pf(0).num_vfs(), pf(1).num_vfs()), (1, 0));
    assert!(!Path::new(RECORD).exists(), "{}", read(RECORD));
    assert!(!Path::new("/etc/railhead/objects/new.yaml").exists(), "the files are those before");
    assert_in_force();
}

fn ends(tried: Running) -> Output {
    tried.finish(Duration::from_secs(60))
}

/// A pod has the VF that was there before: whatever is tried and undone beside it, it notices nothing.
fn what_nobody_confirms_is_undone() {
    in_force();
    let netdev = pf(0).vfs()[0].wait_for_netdev();
    let index = link(&netdev)["ifindex"].clone();
    let pod = Pod::bare("pod");
    run(&format!("ip link set {netdev} netns pod")).ok();

    let set = [policy("net", "enp1s0", 1, ""), policy("new", "enp2s0", 1, "")].join("---\n");
    let told = Program::new("railhead apply -f - --confirm 1s").input(set).run().failed_with(1);
    assert!(told.stderr.contains("enp2s0: create 1 VF"), "{told}");
    assert!(told.stderr.contains("not confirmed in time"), "{told}");
    assert!(told.stderr.contains("undone: the objects before are in force"), "{told}");
    assert_undone();
    for signal in ["HUP", "INT", "TERM"] {
        let tried = tried_for(600);
        tried.signal(signal);
        ends(tried).failed_with(1);
        assert_undone();
    }

    let tried = tried_for(600);
    for refused in ["apply -f /root/set", "apply --confirm 1m", "pause"] {
        let refused = railhead(refused).failed_with(1);
        assert!(refused.stderr.contains("`railhead confirm` keeps them"), "{refused}");
    }
    assert_eq!(railhead("status -o json").ok().json()["trial"]["state"], "waiting");
    railhead("apply").ok();
    railhead("confirm").ok();
    let kept = ends(tried).ok();
    assert!(kept.stderr.contains("confirmed: these objects stay"), "{kept}");
    assert_eq!(pf(1).num_vfs(), 1);
    railhead("confirm").failed_with(1);
    let same = railhead("apply -f /root/set --confirm 1m").ok();
    assert!(same.stderr.contains("nothing is on trial"), "{same}");

    assert_eq!(pod.link(&netdev)["ifindex"], index);
    drop(pod);
    pf(0).vfs()[0].wait_for_netdev();
    drop_policy("new");
    undo("net");
}

fn past_what_is_in_its_way() {
    in_force();
    // The kernel refuses.
    let tried = tried_for(600);
    let numvfs = format!("/sys/bus/pci/devices/{}/sriov_numvfs", pf(1).address);
    let strace = Trace::new("undo").at(&numvfs).only("write").inject("write:error=EBUSY");
    let strace = strace.attach(tried.pid());
    tried.signal("INT");
    let told = ends(tried).failed_with(1);
    assert!(told.stderr.contains("Device or resource busy"), "{told}");
    assert!(told.stderr.contains("not all of it could be undone"), "{told}");
    strace.finish(Duration::from_secs(60));
    assert_eq!(pf(1).num_vfs(), 1);
    railhead("apply").ok();
    assert_undone();

    // A pod has begun to use what was tried.
    let tried = tried_for(600);
    let netdev = pf(1).vfs()[0].wait_for_netdev();
    let pod = Pod::bare("pod");
    run(&format!("ip link set {netdev} netns pod")).ok();
    tried.signal("INT");
    let told = ends(tried).failed_with(1);
    assert!(told.stderr.contains("VF 0 (another network namespace)"), "{told}");
    assert_eq!((pf(1).num_vfs(), pod.links()), (1, vec![netdev]));
    drop(pod);
    pf(1).vfs()[0].wait_for_netdev();
    railhead("apply").ok();
    assert_undone();
    undo("net");
}

fn nobody_need_survive() {
    in_force();
    // Without a daemon the next command does it.
    tried_for(3).kill();
    wait_for("the time to be over", || {
        (railhead("status -o json").json()["trial"]["state"] == "over").then_some(())
    });
    assert_eq!(pf(1).num_vfs(), 1);
    let plan = railhead("plan --exit-code").failed_with(3);
    assert!(plan.stderr.contains("were not confirmed"), "{plan}");
    railhead("confirm").failed_with(1);
    railhead("apply").ok();
    assert_undone();

    // The daemon does it by its own clock, and so does one that was started meanwhile.
    let daemon = Daemon::start();
    first_pass();
    let tried = tried_for(5);
    drop(daemon);
    tried.kill();
    let daemon = Daemon::start();
    wait_for("the daemon to undo it", || (pf(1).num_vfs() == 0).then_some(()));
    wait_for("the record to go", || (!Path::new(RECORD).exists()).then_some(()));
    assert_undone();

    // Objects that are edited where they are, without the daemon, are refused from then on.
    daemon.stop().ok();
    put_policy("new", "enp2s0", 1, "");
    railhead("apply --confirm 1s").failed_with(1);
    assert_eq!(pf(1).num_vfs(), 0);
    let daemon = Daemon::start();
    first_pass();
    assert_eq!(pf(1).num_vfs(), 0, "nor does the daemon put them in force");
    let status = railhead("status -o json").failed_with(1).json();
    assert_eq!(status["trial"]["state"], "refused");
    put_policy("new", "enp2s0", 1, "  mtu: 1500\n");
    wait_for("what was changed", || (pf(1).num_vfs() == 1).then_some(()));
    drop_policy("new");
    drop_and_wait("net");
    daemon.stop().ok();
}

fn no_boot_brings_it_back() {
    match hand::note::<String>() {
        None => {
            in_force();
            run("sync").ok();
            let _waits = tried_for(600);
            hand::cut(&"tried");
        }
        Some(_) => {
            let told = railhead("boot").ok();
            assert!(told.stderr.contains("were not confirmed"), "{told}");
            assert_undone();
            undo("net");
        }
    }
}
