//! CHECK, STATUS, GC, and the runtime that calls them.

use serde_json::{Value, json};

use super::fake_ipam::FakeIpam;
use super::{Bed, assert_forgotten};
use crate::guest::Test;
use crate::guest::cni::{BIN, Call};
use crate::guest::host::put;
use crate::guest::pod::Pod;
use crate::guest::program::{Program, run};
use crate::guest::railhead::railhead;
use crate::guest::vf_state::{VfState, assert_unchanged};

pub(super) const TESTS: &[Test] = &[
    ("sriov::check_status_and_gc", check_status_and_gc),
    ("sriov::cnitool_calls_every_verb", cnitool_calls_every_verb),
];

fn check_status_and_gc() {
    let bed = Bed::new(3);
    check_names_what_differs(&bed);
    gc_frees_what_is_not_valid(&bed);
    status_of_a_working_node(&bed);
    device_information_is_written_once(&bed);
}

fn check_names_what_differs(bed: &Bed) {
    let pod = Pod::new("pod1");
    let mut config = bed.config(0, json!({"vlan": 100, "trust": "on"}));
    let result = Call::add("sriov", "c1", &pod, &config).run().ok();
    let mac = result["interfaces"][0]["mac"].as_str().expect("a MAC").to_owned();
    config["prevResult"] = result;
    let check = || Call::check("sriov", "c1", &pod, &config).run();
    assert_eq!(check().ok(), Value::Null);
    let vf = format!("ip link set {} vf 0", bed.pf.name);
    let in_pod = |line: &str| format!("ip netns exec pod1 {line}");
    for (harm, named, repair) in [
        (in_pod("ip link set net1 down"), "is down", in_pod("ip link set net1 up")),
        (format!("{vf} vlan 7"), "vlan 100", format!("{vf} vlan 100")),
        (format!("{vf} trust off"), "trust on", format!("{vf} trust on")),
        (
            in_pod("ip addr del 10.77.0.2/24 dev net1"),
            "10.77.0.2/24",
            in_pod("ip addr add 10.77.0.2/24 dev net1"),
        ),
        (
            in_pod("ip route replace 10.78.0.0/16 via 10.77.0.9"),
            "10.78.0.0/16",
            in_pod("ip route replace 10.78.0.0/16 via 10.77.0.1"),
        ),
        (
            in_pod("ip link set net1 address 02:99:99:99:99:99"),
            "MAC 02:99:99:99:99:99",
            in_pod(&format!("ip link set net1 address {mac}")),
        ),
        (
            in_pod("ip link set net1 name net2"),
            "net1 in the container",
            in_pod("ip link set net2 name net1 up"),
        ),
    ] {
        run(&harm).ok();
        let error = check().error(102);
        assert!(error.to_string().contains(named), "{named:?} was expected in {error}");
        run(&repair).ok();
        // Taking an interface down or its address away takes routes with it.
        run(&in_pod("ip route replace 10.78.0.0/16 via 10.77.0.1")).ok();
        assert_eq!(check().ok(), Value::Null, "after {repair}");
    }
    // What a later plugin of the chain adds or sets is no business of ours.
    pod.run("ip link set net1 mtu 1400").ok();
    pod.run("ip addr add 10.77.0.99/24 dev net1").ok();
    pod.run("ip link add link net1 name net1.5 type vlan id 5").ok();
    check().ok();
    // Another namespace, with an interface of that name.
    let other = Pod::new("other");
    other.run("ip link add net1 type dummy").ok();
    let elsewhere = Call::check("sriov", "c1", &other, &config).run().error(102);
    assert!(elsewhere.to_string().contains("/run/netns/other is not the namespace"), "{elsewhere}");
    let without = Call::check("sriov", "c1", &pod, &bed.config(0, json!({}))).run().error(7);
    assert!(without.to_string().contains("prevResult"), "{without}");
    drop(other);
    Call::del("sriov", "c1", &pod, &config).run().ok();
    check().error(102);
}

fn gc_frees_what_is_not_valid(bed: &Bed) {
    let pods = ["pod0", "pod1", "pod2"].map(Pod::new);
    for (number, pod) in pods.iter().enumerate() {
        let mut config = bed.config(number, json!({"vlan": 100}));
        if number == 2 {
            config["name"] = json!("red");
        }
        Call::add("sriov", &format!("c{number}"), pod, &config).run().ok();
    }
    let gc = |keys: Value| {
        let mut config = bed.config(0, keys);
        config.as_object_mut().expect("an object").remove("deviceID");
        Call::new("sriov", "GC", "unused", &config).run().ok();
    };
    gc(json!({}));
    assert!(pods.iter().all(|pod| pod.links() == ["net1"]), "without a list nothing is freed");
    let all =
        json!([{"containerID": "c0", "ifname": "net1"}, {"containerID": "c1", "ifname": "net1"}]);
    gc(json!({"cni.dev/valid-attachments": all}));
    assert!(pods.iter().all(|pod| pod.links() == ["net1"]), "all are valid");
    let ipam = FakeIpam::running("hearing", "exit 0");
    let c0 = json!([{"containerID": "c0", "ifname": "net1"}]);
    gc(json!({"cni.dev/valid-attachments": c0, "ipam": {"type": "hearing"}}));
    assert_eq!(ipam.calls(), ["GC "], "GC is handed on, without a container");
    assert_eq!(pods[0].links(), ["net1"], "it is valid");
    assert!(pods[1].links().is_empty(), "it is not");
    assert_eq!(pods[2].links(), ["net1"], "it is of another network");
    // Valid is valid: its namespace may be on its way, or its DEL.
    let [kept, rest @ ..] = pods;
    drop(kept);
    gc(json!({"cni.dev/valid-attachments": c0}));
    let attached = railhead("attachments -o json").ok().stdout;
    assert!(attached.contains("\"c0\""), "{attached}");
    for number in 0..3 {
        let config = bed.config(number, json!({}));
        Call::new("sriov", "DEL", &format!("c{number}"), &config).run().ok();
    }
    drop(rest);
    assert_forgotten();
}

fn status_of_a_working_node(bed: &Bed) {
    let status = |keys: Value| Call::new("sriov", "STATUS", "unused", &bed.config(0, keys)).run();
    assert_eq!(status(json!({})).ok(), Value::Null);
    assert_eq!(status(json!({"deviceID": null})).ok(), Value::Null);
    status(json!({"ipam": {"type": "nowhere"}})).error(50);
    status(json!({"ipam": {"type": "nv-ipam", "poolName": "green"}})).error(50);
    status(json!({"cniVersion": "1.0.0"})).error(1);
}

fn device_information_is_written_once(bed: &Bed) {
    let pod = Pod::new("pod1");
    let path = "/var/run/k8s.cni.cncf.io/devinfo/cni/ns-net-c1_net1";
    let config = bed.config(0, json!({"runtimeConfig": {"CNIDeviceInfoFile": path}}));
    Call::add("sriov", "c1", &pod, &config).run().ok();
    let written: Value = serde_json::from_str(&crate::guest::host::read(path)).expect("JSON");
    assert_eq!(written["type"], "pci");
    assert_eq!(written["pci"]["pci-address"], json!(bed.vfs[0].address));
    assert_eq!(written["pci"]["pf-pci-address"], json!(bed.pf.address));
    Call::del("sriov", "c1", &pod, &config).run().ok();
    assert!(!std::path::Path::new(path).exists());
    crate::guest::host::put(path, "theirs");
    Call::add("sriov", "c1", &pod, &config).run().ok();
    Call::del("sriov", "c1", &pod, &config).run().ok();
    assert_eq!(crate::guest::host::read(path), "theirs");
    std::fs::remove_dir_all("/var/run/k8s.cni.cncf.io").expect("remove device information");
}

/// The reference runtime: a list, capabilities, the result that it kept; and a DEL that is not given a namespace.
fn cnitool_calls_every_verb() {
    let bed = Bed::new(1);
    let before = VfState::of(&bed.vfs[0]);
    put("/root/lists/blue.conflist", LIST);
    let pod = Pod::new("pod1");
    let arguments = json!({"deviceID": bed.vfs[0].address, "mac": "02:11:22:33:44:55", "ips": ["10.77.0.20/24"]});
    let cnitool = |verb: &str, arguments: &Value| {
        Program::new(&format!("cnitool {verb} blue {}", pod.path()))
            .env("NETCONFPATH", "/root/lists")
            .env("CNI_PATH", BIN)
            .env("CNI_IFNAME", "net1")
            .env("CAP_ARGS", arguments.to_string())
            .run()
            .ok()
    };
    let result = cnitool("add", &arguments).json();
    assert_eq!(result["interfaces"][0]["mac"], "02:11:22:33:44:55");
    assert_eq!(result["interfaces"][0]["pciID"], json!(bed.vfs[0].address));
    assert_eq!(pod.addresses("net1"), ["10.77.0.20/24"]);
    assert_eq!(cnitool("check", &arguments).stdout, "");
    assert_eq!(cnitool("status", &arguments).stdout, "");
    cnitool("del", &json!({}));
    assert_unchanged(&before, &VfState::of(&bed.vfs[0]));
    assert_forgotten();
    // It sends a DEL for each attachment that nobody says is valid, and GC then.
    cnitool("add", &arguments);
    cnitool("gc", &json!({}));
    cnitool("del", &json!({}));
    assert_unchanged(&before, &VfState::of(&bed.vfs[0]));
    assert_forgotten();
    std::fs::remove_dir_all("/root/lists").expect("remove the list");
}

const LIST: &str = r#"{
  "cniVersion": "1.1.0", "name": "blue",
  "plugins": [{
    "type": "sriov", "vlan": 100, "trust": "on",
    "capabilities": {"deviceID": true, "mac": true, "ips": true},
    "ipam": {"type": "nv-ipam", "poolName": "blue"}
  }]
}"#;
