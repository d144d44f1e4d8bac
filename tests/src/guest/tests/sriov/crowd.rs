//! Many verbs at once.

use std::thread;

use serde_json::json;

use super::{Bed, assert_forgotten};
use crate::guest::Test;
use crate::guest::cni::Call;
use crate::guest::host::put;
use crate::guest::pod::Pod;
use crate::guest::program::run;
use crate::guest::vf_state::{VfState, assert_unchanged};
use crate::guest::wait::{PATIENCE, wait_for};

pub(super) const TESTS: &[Test] = &[
    ("sriov::seven_vfs_at_once", seven_vfs_at_once),
    ("sriov::of_two_adds_one_wins", of_two_adds_one_wins),
    ("sriov::a_vf_is_free_before_its_ipam_has_heard", a_vf_is_free_before_its_ipam_has_heard),
];

/// Rounds of ADD and DEL on each VF.
const ROUNDS: usize = 10;

fn seven_vfs_at_once() {
    let bed = Bed::new(7);
    let before: Vec<VfState> = bed.vfs.iter().map(VfState::of).collect();
    thread::scope(|scope| {
        for number in 0..bed.vfs.len() {
            let bed = &bed;
            scope.spawn(move || {
                let pod = Pod::new(&format!("pod{number}"));
                for round in 0..ROUNDS {
                    let container = format!("c{number}-{round}");
                    let vlan = 100 + number;
                    let mac = format!("02:00:00:00:{round:02x}:{number:02x}");
                    let config =
                        bed.config(number, json!({"vlan": vlan, "mac": mac, "trust": "on"}));
                    let result = Call::add("sriov", &container, &pod, &config).run().ok();
                    assert_eq!(result["interfaces"][0]["mac"], json!(mac));
                    assert_eq!(bed.vfs[number].info()["vlan_list"][0]["vlan"], json!(vlan));
                    assert_eq!(pod.links(), ["net1"]);
                    Call::del("sriov", &container, &pod, &config).run().ok();
                }
            });
        }
    });
    for (vf, before) in bed.vfs.iter().zip(&before) {
        assert_unchanged(before, &VfState::of(vf));
    }
    assert_forgotten();
}

fn of_two_adds_one_wins() {
    let bed = Bed::new(1);
    let before = VfState::of(&bed.vfs[0]);
    let pods = ["pod0", "pod1"].map(Pod::new);
    for round in 0..10 {
        let replies: Vec<_> = thread::scope(|scope| {
            let calls: Vec<_> = (0..2)
                .map(|number| {
                    let (bed, pod) = (&bed, &pods[number]);
                    let config = bed.config(0, json!({"vlan": 100 + number}));
                    let container = format!("c{number}-{round}");
                    scope.spawn(move || Call::add("sriov", &container, pod, &config).run())
                })
                .collect();
            calls.into_iter().map(|call| call.join().expect("a call")).collect()
        });
        let winners = replies.iter().filter(|reply| reply.output.status == 0).count();
        assert_eq!(winners, 1, "round {round}: {replies:?}");
        for (number, reply) in replies.into_iter().enumerate() {
            let container = format!("c{number}-{round}");
            if reply.output.status == 0 {
                assert_eq!(bed.vfs[0].info()["vlan_list"][0]["vlan"], json!(100 + number));
            } else {
                let error = reply.error(11);
                assert!(error.to_string().contains(&format!("c{}-{round}", 1 - number)), "{error}");
            }
            Call::del("sriov", &container, &pods[number], &bed.config(0, json!({}))).run().ok();
        }
        assert_unchanged(&before, &VfState::of(&bed.vfs[0]));
    }
    assert_forgotten();
}

/// The IPAM of a pod that goes takes its time, and the VF goes to the next pod meanwhile.
fn a_vf_is_free_before_its_ipam_has_heard() {
    let bed = Bed::new(1);
    let vf = &bed.vfs[0];
    let before = VfState::of(vf);
    let pods = ["pod0", "pod1"].map(Pod::new);
    // DEL ends when the test says so.
    let script = "#!/bin/sh
cat >/dev/null
[ $CNI_COMMAND = ADD ] && echo '{\"cniVersion\":\"1.1.0\",\"ips\":[{\"address\":\"10.79.0.2/24\"}]}'
[ $CNI_COMMAND = DEL ] && touch /tmp/slow-begun && while [ ! -e /tmp/slow-go ]; do sleep 0.1; done
exit 0
";
    put("/opt/cni/bin/slow", script);
    run("chmod 755 /opt/cni/bin/slow").ok();
    let old = bed.config(0, json!({"vlan": 100, "ipam": {"type": "slow"}}));
    let new = bed.config(0, json!({"vlan": 200}));
    Call::add("sriov", "old", &pods[0], &old).run().ok();
    let leaving = Call::del("sriov", "old", &pods[0], &old).into_program().start();
    wait_for("the IPAM's DEL", || std::path::Path::new("/tmp/slow-begun").exists().then_some(()));
    Call::add("sriov", "new", &pods[1], &new).run().ok();
    assert_eq!(vf.info()["vlan_list"][0]["vlan"], 200);
    put("/tmp/slow-go", "");
    leaving.finish(PATIENCE).ok();
    assert_eq!(vf.info()["vlan_list"][0]["vlan"], 200, "the DEL of the old pod leaves it alone");
    assert_eq!(pods[1].links(), ["net1"]);
    // A late second DEL of the old pod does, too.
    Call::del("sriov", "old", &pods[0], &old).run().ok();
    assert_eq!(pods[1].links(), ["net1"]);
    Call::del("sriov", "new", &pods[1], &new).run().ok();
    assert_unchanged(&before, &VfState::of(vf));
    assert_forgotten();
    for path in ["/opt/cni/bin/slow", "/tmp/slow-begun", "/tmp/slow-go"] {
        drop(std::fs::remove_file(path));
    }
}
