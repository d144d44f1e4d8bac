//! Blocks of addresses, from the pool that an admin writes to the container that gets one of them.

use serde_json::{Value, json};

use crate::guest::Test;
use crate::guest::cni::Call;
use crate::guest::host::{put, read};
use crate::guest::pod::Pod;
use crate::guest::railhead::{BLOCK, Daemon, object, railhead, remove_object, settings};
use crate::guest::wait::wait_for;

pub(super) const TESTS: &[Test] = &[
    ("daemon::pools::a_block_outlives_its_label", a_block_outlives_its_label),
    ("daemon::pools::a_block_outlives_its_pool_and_retires", a_block_outlives_its_pool_and_retires),
];

/// A pool for nodes of rack r1, the second block of which node-a had on a cluster.
const POOL: &str = "apiVersion: nv-ipam.nvidia.com/v1alpha1
kind: IPPool
metadata: {name: blue}
spec:
  subnet: 10.77.0.0/24
  perNodeBlockSize: 8
  gateway: 10.77.0.1
  nodeSelector:
    nodeSelectorTerms: [{matchExpressions: [{key: rack, operator: In, values: [r1]}]}]
status:
  allocations: [{nodeName: node-a, startIP: 10.77.0.9, endIP: 10.77.0.16}]
";

fn here(grace: u32) {
    settings(&format!("nodeName: node-a\nnodeLabels: {{rack: r1}}\nblockGraceSeconds: {grace}\n"));
}

fn config() -> Value {
    json!({
        "cniVersion": "1.0.0", "name": "net", "type": "nv-ipam",
        "ipam": {"type": "nv-ipam", "poolName": "blue"},
    })
}

/// The address that a container gets.
#[track_caller]
fn add(container: &str, pod: &Pod) -> String {
    let result = Call::add("nv-ipam", container, pod, &config()).run().ok();
    result["ips"][0]["address"].as_str().expect("an address").to_owned()
}

/// Waits until the daemon reports that of the pool.
#[track_caller]
fn wait_until(reason: &str) {
    wait_for(&format!("the pool to be {reason}"), || {
        let report = "/var/lib/railhead/objects/SriovNetworkNodeState-node-a.json";
        let report: Value = serde_json::from_str(&std::fs::read_to_string(report).ok()?).ok()?;
        let conditions = report["status"]["conditions"].as_array()?;
        let of_pool = conditions.iter().find(|one| one["type"] == "ippool.railhead.dev/blue")?;
        (of_pool["reason"] == reason).then_some(())
    });
}

/// What it had on the cluster, a label that flaps, a daemon that is killed.
fn a_block_outlives_its_label() {
    let pod = Pod::new("a");
    here(300);
    object("blue.yaml", POOL);
    let daemon = Daemon::start();
    wait_until("BlockHeld");
    assert_eq!(add("one", &pod), "10.77.0.9/24");
    settings("nodeName: node-a\n");
    wait_until("Retained");
    assert_eq!(add("two", &pod), "10.77.0.10/24");
    // Killed, and started while nobody asks for the block.
    drop(daemon);
    let noted = read(BLOCK);
    let daemon = Daemon::start();
    super::first_pass();
    assert_eq!(read(BLOCK), noted);
    assert_eq!(add("two", &pod), "10.77.0.10/24");
    here(300);
    wait_until("BlockHeld");
    assert!(!read(BLOCK).contains("leaving"));
    assert_eq!(add("three", &pod), "10.77.0.11/24");
    daemon.stop().ok();
    remove_object("blue.yaml");
}

/// After its grace a block gives out nothing more, without an event that would tell the daemon; and the pool that
/// comes back finds it as it was.
fn a_block_outlives_its_pool_and_retires() {
    let pod = Pod::new("a");
    here(1);
    put("/root/set/blue.yaml", POOL);
    put("/root/none/nothing.yaml", "");
    let daemon = Daemon::start();
    railhead("apply -f /root/set").ok();
    assert_eq!(add("one", &pod), "10.77.0.9/24");
    railhead("apply -f /root/none").ok();
    wait_for("the block to retire", || read(BLOCK).contains("\"retired\": true").then_some(()));
    let refusal = Call::add("nv-ipam", "two", &pod, &config()).run().error(11);
    assert!(
        refusal["msg"].as_str().is_some_and(|msg| msg.contains("only stays for those")),
        "{refusal}"
    );
    Call::new(
        "nv-ipam",
        "STATUS",
        "",
        &json!({
            "cniVersion": "1.1.0", "name": "net", "type": "nv-ipam",
            "ipam": {"type": "nv-ipam", "poolName": "blue"},
        }),
    )
    .run()
    .error(50);
    assert_eq!(add("one", &pod), "10.77.0.9/24", "who holds an address keeps it");
    // Without the status by now: the block is this node's all the same.
    let (spec, _) = POOL.split_once("status:").expect("a status");
    put("/root/again/blue.yaml", spec);
    railhead("apply -f /root/again").ok();
    assert_eq!(add("two", &pod), "10.77.0.10/24");
    for container in ["one", "two"] {
        Call::del("nv-ipam", container, &pod, &config()).run().ok();
    }
    daemon.stop().ok();
}
