//! Seven VFs that go from pod to pod, while the daemon is asked for other ones.

use std::ops::Range;
use std::thread;
use std::time::Duration;

use serde_json::json;

use super::{assert_forgotten, config};
use crate::guest::Test;
use crate::guest::cni::Call;
use crate::guest::host::{Vf, pf, read};
use crate::guest::pod::Pod;
use crate::guest::program::run;
use crate::guest::railhead::{
    Daemon, object, policy, railhead, remove_object, settings, wait_until_in_force,
};
use crate::guest::transcript::{log, silently};
use crate::guest::vf_state::{VfState, assert_unchanged};
use crate::guest::wait::wait_for;

pub(super) const TESTS: &[Test] =
    &[("sriov::seven_vfs_from_pod_to_pod", seven_vfs_from_pod_to_pod)];

/// Rounds of ADD and DEL on each VF: before the daemon is asked for other VFs, and after.
const ROUNDS: [usize; 2] = [35, 15];

fn seven_vfs_from_pod_to_pod() {
    run("ip link set enp1s0 up").ok();
    settings("nodeName: node-a\n");
    object("pool.yaml", POOL);
    object("net.yaml", &policy("net", "enp1s0", 7, ""));
    let daemon = Daemon::start();
    wait_for("seven VFs", || (pf(0).num_vfs() == 7).then_some(()));
    wait_until_in_force();
    let vfs = pf(0).vfs();
    let before: Vec<VfState> = vfs.iter().map(VfState::of).collect();
    let mut took = churn(&vfs, 0..7, ROUNDS[0]);
    for (vf, before) in vfs.iter().zip(&before) {
        assert_unchanged(before, &VfState::of(vf));
    }
    assert_forgotten();

    // One pod stays, so that there is no moment without a user.
    let resident = Pod::new("resident");
    let arguments = "IgnoreUnknown=1;K8S_POD_NAMESPACE=shop;K8S_POD_NAME=cart-0;K8S_POD_UID=u1";
    let config = config(&vfs[0], json!({"vlan": 7}));
    Call::add("sriov", "resident", &resident, &config).env("CNI_ARGS", arguments).run().ok();
    thread::scope(|scope| {
        let churning = scope.spawn(|| churn(&vfs, 1..7, ROUNDS[1]));
        object("net.yaml", &policy("net", "enp1s0", 3, "  mtu: 2000\n"));
        while !churning.is_finished() {
            let waits = railhead("apply").failed_with(1);
            assert!(waits.stdout.contains("VF 0 (pod shop/cart-0 (net1))"), "{waits}");
            assert_eq!(pf(0).num_vfs(), 7);
        }
        took.extend(churning.join().expect("the pods"));
    });
    assert_eq!(resident.links(), ["net1"]);
    Call::del("sriov", "resident", &resident, &config).run().ok();
    wait_for("the new VFs", || {
        (pf(0).num_vfs() == 3 && read("/sys/class/net/enp1s0/mtu") == "2000").then_some(())
    });
    wait_until_in_force();
    assert_forgotten();
    remove_object("net.yaml");
    wait_until_in_force();
    run("ip link set enp1s0 down").ok();
    daemon.stop().ok();
    tell(took);
}

/// More than seven pods ever have, so that addresses rest before they come round again.
const POOL: &str = "apiVersion: nv-ipam.nvidia.com/v1alpha1
kind: IPPool
metadata: {name: blue}
spec: {subnet: 10.77.0.0/24, perNodeBlockSize: 100, gateway: 10.77.0.1}
";

/// Each of the VFs goes to pod after pod, all at the same time. Gives what each ADD and DEL took.
fn churn(all: &[Vf], vfs: Range<usize>, rounds: usize) -> Vec<[Duration; 2]> {
    thread::scope(|scope| {
        let pods: Vec<_> = vfs
            .map(|vf| scope.spawn(move || silently(|| from_pod_to_pod(&all[vf], rounds))))
            .collect();
        pods.into_iter().flat_map(|pod| pod.join().expect("a pod")).collect()
    })
}

fn from_pod_to_pod(vf: &Vf, rounds: usize) -> Vec<[Duration; 2]> {
    let number = vf.index;
    let pod = Pod::new(&format!("pod{number}"));
    let one = |round: usize| {
        let container = format!("c{number}-{round}");
        let mac = format!("02:00:00:00:{round:02x}:{number:02x}");
        let config = config(vf, json!({"vlan": 100 + number, "mac": mac, "trust": "on"}));
        let add = Call::add("sriov", &container, &pod, &config).run();
        let result = add.clone().ok();
        assert_eq!(result["interfaces"][0]["mac"], json!(mac));
        if round.is_multiple_of(5) {
            assert_eq!(vf.info()["vlan_list"][0]["vlan"], json!(100 + number));
            assert_eq!(
                (pod.links(), pod.link("net1")["address"].clone()),
                (vec!["net1".to_owned()], json!(mac))
            );
        }
        let del = Call::del("sriov", &container, &pod, &config).run();
        [add.output.took, del.output.ok().took]
    };
    (0..rounds).map(one).collect()
}

fn tell(took: Vec<[Duration; 2]>) {
    for (number, verb) in ["ADD", "DEL"].into_iter().enumerate() {
        let mut took: Vec<Duration> = took.iter().map(|both| both[number]).collect();
        took.sort();
        let at = |percent: usize| took[(took.len() - 1) * percent / 100];
        log(format!(
            "{} times {verb}, seven at once: p50 {:?}, p99 {:?}",
            took.len(),
            at(50),
            at(99)
        ));
    }
}
