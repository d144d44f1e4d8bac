//! Leases against what lives: containers that are gone without a DEL, and a store that somebody damaged.

use serde_json::{Value, json};

use crate::guest::Test;
use crate::guest::cni::Call;
use crate::guest::pod::Pod;
use crate::guest::program::{Program, run};
use crate::guest::railhead::{object, railhead};
use crate::guest::wait::wait_for;

pub(super) const TESTS: &[Test] = &[
    ("ipam::the_dead_give_back_and_the_living_keep", the_dead_give_back_and_the_living_keep),
    ("ipam::a_damaged_store_is_made_good", a_damaged_store_is_made_good),
];

/// The pool `blue`, of which this node has `.1` to `.6`, the first being the gateway.
fn pool() {
    object(
        "blue.yaml",
        "apiVersion: nv-ipam.nvidia.com/v1alpha1
kind: IPPool
metadata: {name: blue}
spec: {subnet: 10.77.0.0/29, perNodeBlockSize: 6, gateway: 10.77.0.1}
",
    );
    railhead("apply").ok();
}

fn config() -> Value {
    let ipam = json!({"type": "nv-ipam", "poolName": "blue"});
    json!({"cniVersion": "1.0.0", "name": "blue", "type": "macvlan", "ipam": ipam})
}

fn add(container: &str, pod: &Pod) -> Call {
    Call::add("nv-ipam", container, pod, &config())
}

fn address(result: &Value) -> String {
    result["ips"][0]["address"].as_str().expect("an address").to_owned()
}

/// What a plugin that delegates to nv-ipam does with the address.
fn attach(container: &str, pod: &Pod) -> String {
    let address = address(&add(container, pod).run().ok());
    pod.run("ip link add net1 up type dummy").ok();
    pod.run(&format!("ip addr add {address} dev net1")).ok();
    address
}

/// The containers that hold a lease, sorted.
fn holders() -> Vec<String> {
    let shown = railhead("ipam -o json").ok().json();
    let leases = shown["leases"].as_array().expect("leases").iter();
    let mut holders: Vec<String> =
        leases.map(|lease| lease["container"].as_str().expect("text").to_owned()).collect();
    holders.sort();
    holders
}

/// Held by a process or an open file, a namespace lives although its name is gone.
fn the_dead_give_back_and_the_living_keep() {
    pool();
    let pods = ["process", "file", "gone"].map(|name| {
        let pod = Pod::new(name);
        attach(name, &pod);
        pod
    });
    railhead("ipam verify").ok();
    let process = pods[0].program("sleep 1000").start();
    let file = Program::new("sleep 1000").after("exec 9</run/netns/file").start();
    let has_file = || std::fs::read_link(format!("/proc/{}/fd/9", file.pid())).is_ok();
    wait_for("the file to be open", || has_file().then_some(()));
    let inside = format!("/proc/{}/ns/net", process.pid());
    let host = std::fs::read_link("/proc/self/ns/net").expect("our namespace");
    let is_inside = || std::fs::read_link(&inside).is_ok_and(|netns| netns != host);
    wait_for("a process inside", || is_inside().then_some(()));

    for pod in &pods {
        run(&format!("ip netns del {}", pod.name())).ok();
    }
    railhead("apply").ok();
    assert_eq!(holders(), ["file", "process"]);
    railhead("ipam verify").ok();

    drop((process, file));
    railhead("apply").ok();
    assert!(holders().is_empty(), "{:?}", holders());
}

fn a_damaged_store_is_made_good() {
    pool();
    let (one, two, three) = (Pod::new("one"), Pod::new("two"), Pod::new("three"));
    let held = [attach("one", &one), attach("two", &two)];
    std::fs::write("/run/railhead/store/state.mdb", "damaged").expect("damage the store");

    // An attachment that was under way gets its time; nothing is given out meanwhile.
    let told = add("three", &three).run().error(11);
    let told = told["msg"].as_str().expect("a message");
    assert!(told.contains("set aside as") && told.contains("to finish"), "{told}");
    let findings = railhead("ipam verify -o json");
    assert_eq!(
        (findings.status, findings.json()["findings"][0]["reason"].clone()),
        (1, json!("NoLease"))
    );

    let given = wait_for("an address", || {
        let reply = add("three", &three).run();
        (reply.output.status == 0).then(|| address(&reply.document))
    });
    assert!(!held.contains(&given), "{given} is in use: {held:?}");
    assert_eq!(holders().len(), 3);
    railhead("ipam verify").ok();

    // The interface finds its own again, and nothing is left of it after its DEL.
    assert_eq!(address(&add("one", &one).run().ok()), held[0]);
    one.run("ip link del net1").ok();
    Call::del("nv-ipam", "one", &one, &config()).run().ok();
    // A DEL needs no ADD before it, only its namespace; and what never gets one goes with it.
    two.run("ip link del net1").ok();
    Call::del("nv-ipam", "two", &two, &config()).run().ok();
    assert_eq!(holders(), ["three"]);
    drop(three);
    railhead("apply").ok();
    assert!(holders().is_empty());
}
