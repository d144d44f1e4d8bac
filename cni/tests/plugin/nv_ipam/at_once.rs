//! Many at once: not one after the other as fast as they start, but all of them waiting at the
//! store's lock when it opens.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::process::{Child, Output};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::store::held;
use super::{add, address, call};
use crate::bed::{Call, block, isolated, save};

/// Starts all of `calls`, and lets them go when each waits for the store.
fn all_at_once(calls: Vec<Call>) -> Vec<Output> {
    let lock = File::options().read(true).write(true).open("/run/railhead/store/lock").unwrap();
    lock.lock().unwrap();
    let count = calls.len();
    let children: Vec<Child> = calls.into_iter().map(Call::start).collect();
    let deadline = Instant::now() + Duration::from_secs(120);
    while waiters(&lock) < count {
        assert!(Instant::now() < deadline, "{} of {count} wait for the lock", waiters(&lock));
        thread::yield_now();
    }
    lock.unlock().unwrap();
    children.into_iter().map(|child| child.wait_with_output().unwrap()).collect()
}

/// How many processes wait for a lock of the file (proc_locks(5): `->` before the lock).
fn waiters(file: &File) -> usize {
    let inode = format!(":{} ", file.metadata().unwrap().ino());
    let locks = fs::read_to_string("/proc/locks").unwrap();
    locks.lines().filter(|line| line.contains(" -> FLOCK") && line.contains(&inode)).count()
}

/// The result of each, which succeeded.
fn results(outputs: &[Output]) -> Vec<Value> {
    let result = |output: &Output| {
        assert!(output.status.success(), "{output:?}");
        serde_json::from_slice(&output.stdout).unwrap()
    };
    outputs.iter().map(result).collect()
}

/// The /16 of the pool `blue`.
pub(super) fn large_block() {
    save(&json!({
        "pool": "ippool/blue", "first": "10.77.0.1", "last": "10.77.255.254",
        "network": "10.77.0.0/16",
    }));
}

#[test]
fn five_hundred_adds_get_as_many_addresses() {
    isolated(|| {
        large_block();
        add("first");
        let calls = (0..500).map(|number| call("ADD", &format!("c{number}"), json!({}))).collect();
        let added: BTreeSet<String> = results(&all_at_once(calls)).iter().map(address).collect();
        assert_eq!(added.len(), 500);
        assert_eq!(held().len(), 501);
    });
}

#[test]
fn a_hundred_of_the_same_add_get_the_same_result() {
    isolated(|| {
        large_block();
        add("first");
        let calls = (0..100).map(|_| call("ADD", "same", json!({}))).collect();
        let results = results(&all_at_once(calls));
        assert!(results.iter().all(|result| *result == results[0]), "{results:?}");
        assert_eq!(held()["same"], [address(&results[0])]);
    });
}

/// A runtime that lost patience calls DEL while its ADD is still at work, and ADD again: whatever
/// the order, one DEL at the end leaves nothing.
#[test]
fn adds_and_dels_of_one_container_leave_one_address_or_none() {
    isolated(|| {
        block(9);
        add("first");
        let verbs = ["ADD", "DEL", "ADD", "DEL", "ADD", "DEL", "ADD", "DEL"];
        for _ in 0..10 {
            let calls = verbs.iter().map(|verb| call(verb, "same", json!({}))).collect();
            let outputs = all_at_once(calls);
            assert!(outputs.iter().all(|output| output.status.success()), "{outputs:?}");
            let left = held().remove("same").unwrap_or_default();
            assert!(left.len() <= 1, "{left:?}");
            call("DEL", "same", json!({})).run().ok();
            assert_eq!(held().len(), 1);
        }
    });
}

/// A node full of pods with many networks: 2048 addresses by 2048 processes, some at a time.
#[test]
fn a_hundred_and_twenty_eight_pods_in_sixteen_networks() {
    const NETWORKS: usize = 16;
    const PODS: usize = 128;
    isolated(|| {
        for network in 0..NETWORKS {
            save(&json!({
                "pool": format!("ippool/n{network}"), "network": format!("10.{network}.0.0/24"),
                "first": format!("10.{network}.0.1"), "last": format!("10.{network}.0.128"),
            }));
        }
        let verb = |verb: &str, pod: usize, network: usize| {
            let ipam = json!({"type": "nv-ipam", "poolName": format!("n{network}")});
            call(verb, &format!("pod{pod}"), json!({"ipam": ipam, "name": format!("n{network}")}))
                .env("CNI_IFNAME", &format!("net{network}"))
        };
        let each_pod = |work: &(dyn Fn(usize) + Sync)| {
            thread::scope(|scope| {
                for first in 0..8 {
                    scope.spawn(move || (first..PODS).step_by(8).for_each(work));
                }
            });
        };
        each_pod(&|pod| {
            for network in 0..NETWORKS {
                verb("ADD", pod, network).run().ok();
            }
        });
        let leased: Vec<String> = held().into_values().flatten().collect();
        let distinct: BTreeSet<&String> = leased.iter().collect();
        // Each block is full to the last address, so each was given to one.
        assert_eq!((leased.len(), distinct.len()), (PODS * NETWORKS, PODS * NETWORKS));
        verb("ADD", PODS, 0).run().error(11);
        each_pod(&|pod| {
            for network in 0..NETWORKS {
                verb("DEL", pod, network).run().ok();
            }
        });
        assert!(held().is_empty());
    });
}
