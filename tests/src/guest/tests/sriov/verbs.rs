//! CHECK, STATUS, GC; and what a verb costs.

use serde_json::{Value, json};

use super::{Bed, assert_forgotten};
use crate::guest::Test;
use crate::guest::cni::Call;
use crate::guest::pod::Pod;
use crate::guest::program::run;
use crate::guest::trace::Trace;
use crate::guest::transcript::log;

pub(super) const TESTS: &[Test] = &[
    ("sriov::check_status_and_gc", check_status_and_gc),
    ("sriov::requests_do_not_grow_with_vfs", requests_do_not_grow_with_vfs),
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
        (in_pod("ip link set net1 mtu 1400"), "MTU", in_pod("ip link set net1 mtu 1500")),
    ] {
        run(&harm).ok();
        let error = check().error(999);
        assert!(error.to_string().contains(named), "{named:?} was expected in {error}");
        run(&repair).ok();
        // Taking an interface down or its address away takes routes with it.
        run(&in_pod("ip route replace 10.78.0.0/16 via 10.77.0.1")).ok();
        assert_eq!(check().ok(), Value::Null, "after {repair}");
    }
    // What a later plugin of the chain adds is no business of ours.
    pod.run("ip addr add 10.77.0.99/24 dev net1").ok();
    check().ok();
    Call::del("sriov", "c1", &pod, &config).run().ok();
    check().error(999);
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
    gc(json!({"cni.dev/valid-attachments": [{"containerID": "c0", "ifname": "net1"}]}));
    assert_eq!(pods[0].links(), ["net1"], "it is valid");
    assert!(pods[1].links().is_empty(), "it is not");
    assert_eq!(pods[2].links(), ["net1"], "it is of another network");
    for (number, pod) in pods.iter().enumerate() {
        let config = bed.config(number, json!({}));
        Call::del("sriov", &format!("c{number}"), pod, &config).run().ok();
    }
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

/// The number of netlink requests, forks and fsyncs of ADD and DEL, with one VF and with seven.
fn requests_do_not_grow_with_vfs() {
    let mut counts = Vec::new();
    for vfs in [1, 7] {
        let bed = Bed::new(vfs);
        let pod = Pod::new("pod1");
        let config = bed.config(0, json!({"vlan": 100, "spoofchk": "off", "trust": "on"}));
        // The first verb after a boot makes the directories.
        Call::new("sriov", "STATUS", "unused", &config).run().ok();
        Call::add("sriov", "c0", &pod, &config).run().ok();
        Call::del("sriov", "c0", &pod, &config).run().ok();
        for (verb, call) in [
            ("add", Call::add("sriov", "c1", &pod, &config)),
            ("del", Call::del("sriov", "c1", &pod, &config)),
        ] {
            let trace = Trace::new(verb)
                .only("sendto,sendmsg,execve,fork,vfork,clone,clone3,fsync,fdatasync,msync");
            call.under(&trace.command()).run().ok();
            for line in trace.lines() {
                let new_process = line.starts_with("fork")
                    || line.starts_with("vfork")
                    || (line.starts_with("clone") && !line.contains("CLONE_THREAD"));
                assert!(!new_process && !line.contains("sync("), "{verb}: {line}");
            }
            assert_eq!(trace.calls("execve").len(), 1, "{verb}");
            counts.push((verb, trace.calls("sendto").len() + trace.calls("sendmsg").len()));
        }
    }
    log(format!("requests: {counts:?}"));
    assert_eq!(counts[..2], counts[2..], "with 1 VF, with 7 VFs");
    assert!(counts.iter().all(|(_, count)| *count <= 24), "{counts:?}");
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
    drop(std::fs::remove_dir_all("/var/run/k8s.cni.cncf.io"));
}
