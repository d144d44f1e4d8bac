//! Many verbs at once.

use std::thread;
use std::time::Duration;

use serde_json::json;

use super::fake_ipam::FakeIpam;
use super::{Bed, assert_forgotten};
use crate::guest::Test;
use crate::guest::cni::{Call, Reply};
use crate::guest::pod::Pod;
use crate::guest::program::Program;
use crate::guest::trace::Trace;
use crate::guest::transcript::{log, silently};
use crate::guest::vf_state::{VfState, assert_unchanged};
use crate::guest::wait::{PATIENCE, wait_for};

pub(super) const TESTS: &[Test] = &[
    ("sriov::of_many_adds_one_wins", of_many_adds_one_wins),
    ("sriov::nobody_waits_for_another_pod", nobody_waits_for_another_pod),
];

/// What an ADD may ask the kernel to wait for in one go, in milliseconds, before it sees who has the VF. It would ask
/// for 20,000 where it hopes to get the VF.
const A_GLANCE: u32 = 5;

fn of_many_adds_one_wins() {
    let bed = Bed::new(4);
    let before: Vec<VfState> = bed.vfs.iter().map(VfState::of).collect();
    two_for_one_vf(&bed);
    sixty_four_for_four(&bed);
    two_vfs_for_one_interface(&bed);
    for (vf, before) in bed.vfs.iter().zip(&before) {
        assert_unchanged(before, &VfState::of(vf));
    }
    assert_forgotten();
}

fn two_for_one_vf(bed: &Bed) {
    let before = VfState::of(&bed.vfs[0]);
    let pods = ["pod0", "pod1"].map(Pod::new);
    for round in 0..10 {
        let container = |number: usize| format!("c{number}-{round}");
        let replies = all_at_once(2, |number| {
            let config = bed.config(0, json!({"vlan": 100 + number}));
            Call::add("sriov", &container(number), &pods[number], &config).run()
        });
        let winner = only_winner(&replies);
        let loser = 1 - winner;
        assert_eq!(bed.vfs[0].info()["vlan_list"][0]["vlan"], json!(100 + winner));
        let error = replies[loser].clone().error(11);
        assert!(error.to_string().contains(&container(winner)), "{error}");
        for number in [loser, winner] {
            let config = bed.config(0, json!({}));
            Call::del("sriov", &container(number), &pods[number], &config).run().ok();
        }
        assert_unchanged(&before, &VfState::of(&bed.vfs[0]));
    }
}

/// Sixteen for each VF. Those that come too late get another chance never: none of them waits.
fn sixty_four_for_four(bed: &Bed) {
    let pods: Vec<Pod> = (0..64).map(|number| Pod::new(&format!("pod{number}"))).collect();
    let config = |number: usize| bed.config(number % 4, json!({"vlan": 100 + number}));
    let replies = all_at_once(64, |number| {
        silently(|| {
            let container = format!("c{number}");
            Call::add("sriov", &container, &pods[number], &config(number)).run()
        })
    });
    for vf in 0..4 {
        let ours: Vec<Reply> = replies.iter().skip(vf).step_by(4).cloned().collect();
        let winner = vf + 4 * only_winner(&ours);
        assert_eq!(bed.vfs[vf].info()["vlan_list"][0]["vlan"], json!(100 + winner));
        assert_eq!(pods[winner].links(), ["net1"]);
    }
    for reply in replies.iter().filter(|reply| reply.output.status != 0) {
        let error = reply.clone().error(11);
        assert!(error.to_string().contains("of container c"), "the holder is named: {error}");
    }
    let mut took: Vec<Duration> = replies.iter().map(|reply| reply.output.took).collect();
    took.sort();
    log(format!("64 ADDs at once: half within {:?}, all within {:?}", took[31], took[63]));
    all_at_once(64, |number| {
        silently(|| {
            let container = format!("c{number}");
            Call::del("sriov", &container, &pods[number], &config(number)).run().ok()
        })
    });
}

/// A runtime must not ask so. Should it do, the record of one VF does not take the place of the other's.
fn two_vfs_for_one_interface(bed: &Bed) {
    let pod = Pod::new("pod1");
    for _ in 0..5 {
        let replies = all_at_once(2, |number| {
            let config = bed.config(number, json!({"vlan": 100 + number}));
            Call::add("sriov", "c1", &pod, &config).run()
        });
        let winner = only_winner(&replies);
        assert_eq!(
            replies[winner].document["interfaces"][0]["pciID"],
            json!(bed.vfs[winner].address)
        );
        assert_eq!(bed.vfs[winner].netdev(), None);
        bed.vfs[1 - winner].wait_for_netdev();
        Call::del("sriov", "c1", &pod, &bed.config(0, json!({}))).run().ok();
        assert!(pod.links().is_empty());
        assert_forgotten();
    }
}

/// The number of the one ADD that succeeded.
#[track_caller]
fn only_winner(replies: &[Reply]) -> usize {
    let winners: Vec<usize> =
        (0..replies.len()).filter(|number| replies[*number].output.status == 0).collect();
    assert_eq!(winners.len(), 1, "{replies:?}");
    winners[0]
}

/// What `call` gives for each number, in order, each on a thread of its own.
fn all_at_once<T: Send>(count: usize, call: impl Fn(usize) -> T + Sync) -> Vec<T> {
    thread::scope(|scope| {
        let calls: Vec<_> = (0..count)
            .map(|number| {
                let call = &call;
                scope.spawn(move || call(number))
            })
            .collect();
        calls.into_iter().map(|call| call.join().expect("a call")).collect()
    })
}

fn nobody_waits_for_another_pod() {
    let bed = Bed::new(2);
    let before: Vec<VfState> = bed.vfs.iter().map(VfState::of).collect();
    while_an_ipam_thinks(&bed);
    while_the_kernel_works(&bed);
    while_an_ipam_hears_of_the_end(&bed);
    while_a_dead_pods_ipam_would_not_answer(&bed);
    for (vf, before) in bed.vfs.iter().zip(&before) {
        assert_unchanged(before, &VfState::of(vf));
    }
    assert_forgotten();
}

/// What others can and cannot do while pod `first` gets VF 0 and has not got it yet.
#[track_caller]
fn others_go_on(bed: &Bed) {
    let others = ["second", "third"].map(Pod::new);
    let config = bed.config(0, json!({"vlan": 200}));
    let trace = Trace::new("refused").only("poll");
    let refused = Call::add("sriov", "second", &others[0], &config).under(&trace.command());
    let error = refused.run().error(11);
    let waits = waits(&trace);
    assert!(!waits.is_empty() && waits.iter().all(|wait| *wait <= A_GLANCE), "{waits:?}");
    assert!(waits.iter().sum::<u32>() <= 10 * A_GLANCE, "{waits:?}");
    assert!(error["msg"].to_string().contains("container first"), "{error}");
    Call::del("sriov", "second", &others[0], &config).run().ok();
    let config = bed.config(1, json!({"vlan": 200}));
    Call::add("sriov", "third", &others[1], &config).run().ok();
    assert_eq!(others[1].links(), ["net1"]);
    Call::new("sriov", "STATUS", "unused", &config).run().ok();
    Call::del("sriov", "third", &others[1], &config).run().ok();
}

/// How long it asked the kernel to wait, each time that it did, in milliseconds.
#[track_caller]
fn waits(trace: &Trace) -> Vec<u32> {
    let limit = |line: &String| {
        let (_, rest) = line.split_once("], ")?;
        let (_, limit) = rest.split_once(", ")?;
        limit.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
    };
    // At its start Rust's runtime looks at the three standard files, for no event.
    let polls = trace.calls("poll").into_iter().filter(|line| line.contains("POLLIN"));
    polls.map(|line| limit(&line).unwrap_or_else(|| panic!("{line}"))).collect()
}

fn while_an_ipam_thinks(bed: &Bed) {
    let ipam = FakeIpam::waiting_in("thinking", "ADD");
    let first = Pod::new("first");
    let config = bed.config(0, json!({"vlan": 100, "ipam": {"type": "thinking"}}));
    let mut adding = Call::add("sriov", "first", &first, &config).into_program().start();
    ipam.wait_until_begun();
    others_go_on(bed);
    assert!(adding.is_alive());
    // The runtime gave up on the ADD without killing it: its DEL waits, and finds a whole attachment.
    let mut leaving = Call::del("sriov", "first", &first, &config).into_program().start();
    let waits = format!("/proc/{}/task", leaving.pid());
    wait_for("DEL to wait for the lock", || {
        std::fs::read_dir(&waits).is_ok_and(|tasks| tasks.count() > 1).then_some(())
    });
    assert!(leaving.is_alive());
    ipam.go_on();
    adding.finish(PATIENCE).ok();
    leaving.finish(PATIENCE).ok();
    assert!(first.links().is_empty());
    assert_eq!(ipam.calls(), ["ADD first", "DEL first"]);
    assert_forgotten();
}

fn while_the_kernel_works(bed: &Bed) {
    let first = Pod::new("first");
    let config = bed.config(0, json!({"vlan": 100}));
    // The fifth request sets the attributes of the VF.
    let trace = Trace::new("slow").only("sendto").inject("sendto:delay_enter=15s:when=5");
    let adding = Call::add("sriov", "first", &first, &config).under(&trace.command());
    let mut adding = adding.into_program().start();
    let lock = format!("/run/railhead/vf/{}.lock", bed.vfs[0].address);
    wait_for("the ADD to have the lock", || {
        std::fs::read_to_string(&lock).is_ok_and(|text| text.contains("first")).then_some(())
    });
    others_go_on(bed);
    assert!(adding.is_alive());
    adding.finish(PATIENCE).ok();
    Call::del("sriov", "first", &first, &config).run().ok();
}

/// The IPAM of a pod that goes takes its time, and the VF goes to the next pod meanwhile.
fn while_an_ipam_hears_of_the_end(bed: &Bed) {
    let ipam = FakeIpam::waiting_in("parting", "DEL");
    let pods = ["old", "new"].map(Pod::new);
    let vf = &bed.vfs[0];
    let old = bed.config(0, json!({"vlan": 100, "ipam": {"type": "parting"}}));
    let new = bed.config(0, json!({"vlan": 1234}));
    Call::add("sriov", "old", &pods[0], &old).run().ok();
    let leaving = Call::del("sriov", "old", &pods[0], &old).into_program().start();
    ipam.wait_until_begun();
    Call::add("sriov", "new", &pods[1], &new).run().ok();
    assert_eq!(vf.info()["vlan_list"][0]["vlan"], 1234);
    ipam.go_on();
    leaving.finish(PATIENCE).ok();
    assert_eq!(vf.info()["vlan_list"][0]["vlan"], 1234, "the old pod's DEL leaves it alone");
    // A late second DEL of the old pod does, too. Its IPAM hears of it, as of any DEL without a record.
    let again = Call::del("sriov", "old", &pods[0], &old).into_program().start();
    ipam.wait_until_begun();
    ipam.go_on();
    again.finish(PATIENCE).ok();
    assert_eq!(pods[1].links(), ["net1"]);
    Call::del("sriov", "new", &pods[1], &new).run().ok();
}

/// No DEL came for a pod that died. The next one gets its VF, and does not even ask that IPAM.
fn while_a_dead_pods_ipam_would_not_answer(bed: &Bed) {
    let ipam = FakeIpam::waiting_in("mute", "DEL");
    let config = bed.config(0, json!({"vlan": 100, "ipam": {"type": "mute"}}));
    let own = bed.config(0, json!({"vlan": 200}));
    // The late DEL tells it, or `railhead`, which looks for attachments without a namespace.
    let late = Call::new("sriov", "DEL", "dead", &config).into_program();
    for teller in [late, Program::new("railhead apply")] {
        let (dead, next) = (Pod::new("dead"), Pod::new("next"));
        Call::add("sriov", "dead", &dead, &config).run().ok();
        drop(dead);
        Call::add("sriov", "next", &next, &own).run().ok();
        assert_eq!(ipam.calls(), ["ADD dead"]);
        // Not even while somebody is at work on what was its VF: it is about the IPAM alone.
        let lock = format!("/run/railhead/vf/{}.lock", bed.vfs[0].address);
        let holder = std::fs::File::open(&lock).expect("the lock");
        holder.lock().expect("the VF's lock");
        let telling = teller.start();
        ipam.wait_until_begun();
        ipam.go_on();
        telling.finish(PATIENCE).ok();
        drop(holder);
        assert_eq!(ipam.calls(), ["DEL dead"]);
        assert_eq!(bed.vfs[0].info()["vlan_list"][0]["vlan"], 200);
        Call::del("sriov", "next", &next, &own).run().ok();
        assert_forgotten();
    }
}
