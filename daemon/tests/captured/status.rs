use serde_json::json;

use crate::machine::{Machine, ip_pool, policy};

fn machine() -> Machine {
    let machine = Machine::new();
    machine.igb(1, "enp1s0", 0);
    machine.igb(2, "enp2s0", 0);
    machine
}

/// The first block of a /24, as the daemon writes it.
fn block(machine: &Machine, pool: &str, network: &str) {
    let address = |last: &str| network.replace("0/24", last);
    let range = json!({"first": address("1"), "last": address("8")});
    let content = json!({
        "version": 1, "pool": format!("ippool/{pool}"), "index": 0, "range": range,
        "network": network, "gateway": null, "default_gateway": false, "routes": [],
        "exclusions": [], "static_range": range,
    });
    let path = format!("var/lib/railhead/blocks/ippool/{pool}.json");
    machine.write(&path, &content.to_string());
}

/// Ends the spec of a pool for other nodes.
const ELSEWHERE: &str = "8, nodeSelector: {nodeSelectorTerms: [{matchExpressions: \
                         [{key: elsewhere, operator: Exists}]}]}}";

#[test]
fn policies() {
    let machine = machine();
    machine.objects("net.yaml", &policy("net", "enp1s0, enp9s0", 4, ""));
    machine.objects("none.yaml", &policy("none", "enp7s0", 4, ""));
    let ran = machine.railhead(&["status"]);
    assert_eq!(ran.code, 1);
    insta::assert_snapshot!(ran.out);
}

/// A policy in force on a host that has its VFs already would say nothing of one that lost to it.
#[test]
fn a_policy_that_lost_everything_is_not_here_and_one_that_lost_some_is_in_part() {
    let machine = machine();
    let weak = |pfs: &str| policy("weak", pfs, 4, "  priority: 90\n");
    machine.objects("strong.yaml", &policy("strong", "enp1s0", 4, "  priority: 10\n"));
    let states = || -> Vec<String> {
        let ran = machine.railhead(&["status", "-o", "json"]);
        let status: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
        let policies = status["policies"].as_array().unwrap().clone();
        policies
            .iter()
            .map(|policy| {
                let text = |field: &str| policy[field].as_str().unwrap().to_owned();
                format!("{} {} {}", text("name"), text("state"), text("reason"))
            })
            .collect()
    };
    machine.objects("weak.yaml", &weak("enp1s0"));
    assert_eq!(states(), ["strong pending Applied", "weak notHere Lost"]);
    let ran = machine.railhead(&["status"]);
    assert!(
        ran.out.contains("weak     not here   enp1s0: VFs 0-3 lost to policy strong"),
        "{}",
        ran.out
    );
    // One that has VFs elsewhere still has lost something.
    machine.objects("weak.yaml", &weak("enp1s0, enp2s0"));
    assert_eq!(states(), ["strong pending Applied", "weak pending PartlyLost"]);
    let ran = machine.railhead(&["plan"]);
    assert!(
        ran.out.contains("weak     to do   enp1s0: VFs 0-3 lost to policy strong"),
        "{}",
        ran.out
    );
}

/// VFs that somebody else made, so that a policy is in force as soon as they are there.
#[test]
fn what_is_lost_in_part_is_told_apart_and_is_no_failure() {
    let machine = Machine::new();
    machine.igb(1, "enp1s0", 4);
    machine.igb(2, "enp2s0", 4);
    let external = |name: &str, pfs: &str, priority: u8| {
        policy(name, pfs, 4, &format!("  externallyManaged: true\n  priority: {priority}\n"))
    };
    machine.objects("strong.yaml", &external("strong", "enp1s0", 10));
    machine.objects("weak.yaml", &external("weak", "enp1s0, enp2s0", 90));
    let ran = machine.railhead(&["status"]);
    assert_eq!(ran.code, 0, "{}", ran.out);
    insta::assert_snapshot!(ran.out);
    let ran = machine.railhead(&["plan", "--exit-code"]);
    assert_eq!(ran.code, 0);
    insta::assert_snapshot!("lost_in_part_planned", ran.out);
}

#[test]
fn pools_of_every_state() {
    let machine = machine();
    machine.objects("held.yaml", &ip_pool("held", "10.0.0.0/24"));
    block(&machine, "held", "10.0.0.0/24");
    machine.objects("new.yaml", &ip_pool("new", "10.0.1.0/24"));
    machine.objects("moved.yaml", &ip_pool("moved", "10.0.2.0/24"));
    block(&machine, "moved", "10.0.9.0/24");
    machine.objects("broken.yaml", &ip_pool("broken", "10.0.0.0/33"));
    block(&machine, "broken", "10.0.0.0/24");
    block(&machine, "gone", "10.0.0.0/24");
    machine.write("var/lib/railhead/blocks/ippool/damaged.json", "{");
    machine.objects("damaged.yaml", &ip_pool("damaged", "10.0.3.0/24"));
    machine.objects("other.yaml", &ip_pool("other", "10.0.4.0/24").replace("8}", ELSEWHERE));
    let ran = machine.railhead(&["status"]);
    assert_eq!(ran.code, 1, "{}", ran.err);
    insta::assert_snapshot!(ran.out);
}

#[test]
fn a_pause_is_seen_by_whoever_looks() {
    let machine = machine();
    let pause = r#"{"version":1,"by":"eve","reason":"new firmware","since":0,"until":null}"#;
    machine.write("var/lib/railhead/pause.json", pause);
    let told = "paused by eve since 1970-01-01T00:00:00Z until `railhead resume`: new firmware";
    assert!(machine.railhead(&["status"]).out.contains(told));
    assert!(machine.railhead(&["discover"]).err.contains(told));
    machine.write("var/lib/railhead/pause.json", &pause.replace("null", "1"));
    assert!(!machine.railhead(&["status"]).out.contains("paused"), "its time is over");
}

/// What `apply` says is not in force `status` must not be silent about.
#[test]
fn a_pool_alone_decides_the_exit_status() {
    let machine = machine();
    assert_eq!(machine.railhead(&["status"]).code, 0);
    machine.objects("blue.yaml", &ip_pool("blue", "10.0.0.0/24"));
    assert_eq!(machine.railhead(&["status"]).code, 1, "it has no block yet");
    block(&machine, "blue", "10.0.0.0/24");
    assert_eq!(machine.railhead(&["status"]).code, 0);
    machine
        .write("etc/railhead/railhead.yaml", "nodeName: lab\nstandalone: {host: 32, hosts: 33}\n");
    let ran = machine.railhead(&["status"]);
    assert_eq!(ran.code, 1);
    assert!(ran.out.contains("failed"), "{}", ran.out);
}

#[test]
fn pools_that_overlap_are_named_by_every_verb() {
    let machine = machine();
    machine.objects("k.yaml", &ip_pool("k", "10.4.0.0/24"));
    machine.objects("m.yaml", &ip_pool("m", "10.4.0.0/16"));
    let told = "ippool/m and ippool/k overlap in 10.4.0.0/24";
    for verb in ["plan", "status"] {
        let ran = machine.railhead(&[verb]);
        assert!(ran.err.contains(&format!("warning: {told}")), "{verb}: {}", ran.err);
    }
    assert!(machine.railhead(&["doctor"]).out.contains(told));
    // One that does not deal to this node takes nothing from it.
    machine.objects("m.yaml", &ip_pool("m", "10.4.0.0/16").replace("8}", ELSEWHERE));
    for verb in ["plan", "status", "doctor"] {
        let ran = machine.railhead(&[verb]);
        assert!(!(ran.out + &ran.err).contains("overlap"), "{verb}");
    }
}

/// Another railhead at a step is work in progress: nothing has failed, and no VF is in use by it.
/// A plugin that holds the same lock is a user.
#[test]
fn a_step_under_way_is_to_do_and_a_plugin_is_a_user() {
    use cni::lock::{Patience, Purpose, VfLock};

    let key = ipam::AttachmentKey {
        container: "4f1e9d2c7b6a".parse().unwrap(),
        ifname: "net1".parse().unwrap(),
    };
    let machine = Machine::new();
    machine.igb(1, "enp1s0", 3);
    machine.objects("net.yaml", &policy("net", "enp1s0", 5, ""));
    // The kernel has bound VF 1 and not made its interface yet.
    std::fs::remove_dir_all(machine.path("sys/bus/pci/devices/0000:01:10.2/net")).unwrap();
    let root = ipam::Root::at(machine.root());
    let hold = |purpose| {
        VfLock::take(&root, "0000:01:10.0".parse().unwrap(), purpose, Patience::None).unwrap()
    };
    let lock = hold(Purpose::Step("VF 0: bind to its netdevice driver".to_owned()));
    let status = machine.railhead(&["status", "-o", "json"]);
    let told: serde_json::Value = serde_json::from_str(&status.out).unwrap();
    assert_eq!(told["pfs"][0]["state"], "pending", "{}", status.out);
    assert_eq!(told["pfs"][0]["usedVfs"], 0, "{}", status.out);
    assert_eq!(told["policies"][0]["state"], "pending", "{}", status.out);
    assert!(status.out.contains("being worked on: process"), "{}", status.out);
    assert_eq!(machine.railhead(&["plan"]).code, 0);
    assert_eq!(machine.railhead(&["plan", "--exit-code"]).code, 3);
    drop(lock);
    let _lock = hold(Purpose::Attach(key));
    let told: serde_json::Value =
        serde_json::from_str(&machine.railhead(&["status", "-o", "json"]).out).unwrap();
    assert_eq!(told["pfs"][0]["usedVfs"], 1);
    assert_eq!(told["pfs"][0]["state"], "waits");
}
