//! A pod's VF among the work of other plugins: its first interface is theirs, and they come after ours in a chain.

mod beside;
mod dhcp;

use std::fs;

use serde_json::{Value, json};

use super::{Bed, assert_forgotten};
use crate::guest::Test;
use crate::guest::cni::{self, Call};
use crate::guest::host::{FORWARDING, read, write};
use crate::guest::pod::Pod;
use crate::guest::program::{Output, Program, run};
use crate::guest::vf_state::{VfState, assert_unchanged};

pub(super) const TESTS: &[Test] = &[
    ("sriov::a_default_route_beside_eth0s", a_default_route_beside_eth0s),
    ("sriov::chains_with_the_reference_plugins", chains_with_the_reference_plugins),
    ("sriov::addresses_by_dhcp", dhcp::addresses_by_dhcp),
    ("sriov::beside_macvlan_and_host_device", beside::beside_macvlan_and_host_device),
];

/// Addresses of both families by `host-local`, with default routes, out of the networks that begin with these words.
fn host_local(v4: &str, v6: &str) -> Value {
    json!({
        "type": "host-local",
        "ranges": [[{"subnet": format!("{v4}.0/24")}], [{"subnet": format!("{v6}::/64")}]],
        "routes": [{"dst": "0.0.0.0/0"}, {"dst": "::/0"}],
    })
}

/// All routes of the pod by an interface, main table, as `ip` prints them; next hops each on a line of its own.
fn routes(pod: &Pod, interface: &str) -> Vec<String> {
    let mut found = Vec::new();
    for family in ["-4", "-6"] {
        let shown = pod.run(&format!("ip {family} -j route show")).ok().json();
        for route in shown.as_array().expect("a list") {
            let alone = std::slice::from_ref(route);
            let hops = route["nexthops"].as_array().map_or(alone, Vec::as_slice);
            for hop in hops.iter().filter(|hop| hop["dev"] == interface) {
                found.push(format!("{} via {}", route["dst"], hop["gateway"]));
            }
        }
    }
    found.sort();
    found
}

/// The gateways of the default routes of a family, the one that counts first.
fn default_gateways(pod: &Pod, family: &str) -> Vec<Value> {
    let shown = pod.run(&format!("ip {family} -j route show default")).ok().json();
    let routes = shown.as_array().expect("a list").clone();
    let hops = |route: Value| match route["nexthops"].as_array() {
        Some(hops) => hops.clone(),
        None => vec![route],
    };
    routes.into_iter().flat_map(hops).map(|hop| hop["gateway"].clone()).collect()
}

fn a_default_route_beside_eth0s() {
    // The plugins that make a gateway switch it on, for good.
    let forwarding = FORWARDING.map(|file| (file, read(file)));
    let bed = Bed::new(1);
    let path = format!("{}:{}", cni::BIN, cni::REFERENCE);
    for first in ["ptp", "bridge"] {
        let pod = Pod::bare("pod1");
        let eth0 = json!({
            "cniVersion": "1.0.0", "name": "first", "type": first, "isGateway": true, "bridge": "cni0",
            "ipam": host_local("10.244.0", "fd00:244"),
        });
        let first_plugin = |verb: &str| {
            let call = Call::new(&format!("../reference/{first}"), verb, "c1", &eth0);
            call.env("CNI_IFNAME", "eth0")
                .env("CNI_PATH", cni::REFERENCE)
                .env("CNI_NETNS", pod.path())
                .run()
                .ok();
        };
        first_plugin("ADD");
        let before =
            (routes(&pod, "eth0"), default_gateways(&pod, "-4"), default_gateways(&pod, "-6"));
        assert!(before.0.len() >= 4 && before.1.len() == 1 && before.2.len() == 1, "{before:?}");
        let (eth0_v4, eth0_v6) = (before.1[0].clone(), before.2[0].clone());

        for ipam in ["host-local", "nv-ipam"] {
            let ipam = match ipam {
                "nv-ipam" => json!({"type": "nv-ipam", "poolName": "blue"}),
                _ => host_local("10.79.0", "fd79"),
            };
            let vf_before = VfState::of(&bed.vfs[0]);
            let config = bed.config(0, json!({"cniVersion": "1.0.0", "ipam": ipam}));
            let call = |verb: &str, config: &Value| {
                Call::new("sriov", verb, "c1", config)
                    .env("CNI_PATH", &*path)
                    .env("CNI_NETNS", pod.path())
                    .run()
            };
            let added = call("ADD", &config);
            let result = added.clone().ok();
            if ipam["type"] == "host-local" {
                for (family, gateways) in [
                    ("-4", [json!("10.79.0.1"), eth0_v4.clone()]),
                    ("-6", [eth0_v6.clone(), json!("fd79::1")]),
                ] {
                    let mut found = default_gateways(&pod, family);
                    if family == "-6" {
                        found.sort_by_key(|gateway| *gateway != eth0_v6);
                    }
                    assert_eq!(found, gateways, "{first} {family}");
                }
                for words in [
                    "net1 has a default route via 10.79.0.1, and so has eth0",
                    "connections are spread",
                ] {
                    assert!(added.output.stderr.contains(words), "{words}: {}", added.output);
                }
            }
            let mut checked = config.clone();
            checked["prevResult"] = result;
            call("CHECK", &checked).ok();
            // The way of eth0 is no way of net1.
            if ipam["type"] == "host-local" {
                pod.run("ip route del default via 10.79.0.1 dev net1").ok();
                assert!(
                    call("CHECK", &checked).error(102)["msg"].to_string().contains("0.0.0.0/0")
                );
            }
            call("DEL", &config).ok();
            assert_unchanged(&vf_before, &VfState::of(&bed.vfs[0]));
            let after =
                (routes(&pod, "eth0"), default_gateways(&pod, "-4"), default_gateways(&pod, "-6"));
            assert_eq!(after, before, "{first}: eth0 is as it was");
        }
        // An ADD that fails after its routes were given takes none of the others with it.
        let ipam = json!({
            "type": "static",
            "addresses": [{"address": "10.79.0.7/24", "gateway": "10.79.0.1"}, {"address": "fd79::7/64", "gateway": "fd79::1"}],
            "routes": [{"dst": "0.0.0.0/0"}, {"dst": "::/0"}, {"dst": "10.99.0.0/16", "gw": "192.0.2.1"}],
        });
        let config = bed.config(0, json!({"cniVersion": "1.0.0", "ipam": ipam}));
        let call = Call::new("sriov", "ADD", "c1", &config)
            .env("CNI_PATH", &*path)
            .env("CNI_NETNS", pod.path());
        let refused = call.run();
        assert!(
            refused.output.status == 1 && refused.output.stdout.contains("10.99.0.0/16"),
            "{}",
            refused.output
        );
        assert_eq!(routes(&pod, "eth0"), before.0, "{first}: undone, and eth0 is as it was");
        assert_forgotten();
        first_plugin("DEL");
        drop(pod);
        if first == "bridge" {
            run("ip link del cni0").ok();
        }
    }
    for (file, before) in forwarding {
        write(file, &before);
    }
}

/// Where cnitool looks for networks.
const NETWORKS: &str = "/tmp/networks";

fn cnitool(verb: &str, network: &str, pod: &Pod) -> Output {
    Program::new(&format!("cnitool {verb} {network} {}", pod.path()))
        .env("NETCONFPATH", NETWORKS)
        .env("CNI_PATH", format!("{}:{}", cni::BIN, cni::REFERENCE))
        .env("CNI_IFNAME", "net1")
        .run()
}

/// ADD, CHECK and DEL of whole chains: what comes after changes what ours made, and is no fault of it.
fn chains_with_the_reference_plugins() {
    let bed = Bed::new(1);
    let statics = json!({
        "type": "static",
        "addresses": [{"address": "10.79.0.7/24", "gateway": "10.79.0.1"}, {"address": "fd79::7/64", "gateway": "fd79::1"}],
        "routes": [{"dst": "10.0.0.0/8"}, {"dst": "0.0.0.0/0"}, {"dst": "fd00::/16"}],
    });
    let ipams =
        [statics, host_local("10.79.0", "fd79"), json!({"type": "nv-ipam", "poolName": "blue"})];
    let after = [
        json!({"type": "sbr"}),
        json!({"type": "vrf", "vrfname": "red"}),
        json!({"type": "tuning", "mtu": 1400}),
        json!({"type": "tuning", "mac": "02:11:22:33:44:55", "sysctl": {"net.ipv4.conf.IFNAME.arp_filter": "1"}}),
    ];
    fs::create_dir_all(NETWORKS).expect("make a directory");
    // Each pair of a version, an IPAM and a later plugin.
    let versions = ["0.4.0", "1.0.0", "1.1.0"];
    for (number, ipam) in ipams.iter().enumerate() {
        for (other, later) in after.iter().enumerate() {
            let version = versions[(number + other) % versions.len()];
            let name = format!("{} with {} and {later}", version, ipam["type"]);
            let list = json!({"cniVersion": version, "name": "chain", "plugins": [
                {"type": "sriov", "deviceID": bed.vfs[0].address, "ipam": ipam}, later,
            ]});
            fs::write(format!("{NETWORKS}/chain.conflist"), list.to_string())
                .expect("write a network");
            let before = VfState::of(&bed.vfs[0]);
            let pod = Pod::new("pod1");
            let eth0 = routes(&pod, "eth0");
            for verb in ["add", "check", "del"] {
                let output = cnitool(verb, "chain", &pod);
                assert_eq!(output.status, 0, "{name}: {output}");
            }
            assert_eq!(routes(&pod, "eth0"), eth0, "{name}");
            drop(pod);
            assert_unchanged(&before, &VfState::of(&bed.vfs[0]));
            assert_forgotten();
        }
    }
    one_that_refuses(&bed);
    fs::remove_dir_all(NETWORKS).expect("remove the networks");
    port_of_a_bond(&bed);
}

/// `bandwidth` wants a veth. The runtime calls DEL then, and all is as before.
fn one_that_refuses(bed: &Bed) {
    let list = json!({"cniVersion": "1.0.0", "name": "chain", "plugins": [
        {"type": "sriov", "deviceID": bed.vfs[0].address, "ipam": {"type": "nv-ipam", "poolName": "blue"}},
        {"type": "bandwidth", "ingressRate": 80_000_000, "ingressBurst": 80_000_000},
    ]});
    fs::write(format!("{NETWORKS}/chain.conflist"), list.to_string()).expect("write a network");
    let before = VfState::of(&bed.vfs[0]);
    let pod = Pod::new("pod1");
    let output = cnitool("add", "chain", &pod);
    assert!(output.status != 0 && output.stderr.contains("bandwidth"), "{output}");
    cnitool("del", "chain", &pod).ok();
    assert_unchanged(&before, &VfState::of(&bed.vfs[0]));
    assert_forgotten();
}

/// A bond gives its ports one MAC.
fn port_of_a_bond(bed: &Bed) {
    let before = VfState::of(&bed.vfs[0]);
    let pod = Pod::new("pod1");
    let mut config = bed.config(0, json!({"ipam": {}}));
    let result = Call::add("sriov", "c1", &pod, &config).run().ok();
    for line in [
        "ip link add bond0 address 02:11:22:33:44:66 type bond mode active-backup",
        "ip link set net1 down",
        "ip link set net1 master bond0",
        "ip link set bond0 up",
    ] {
        pod.run(line).ok();
    }
    config["prevResult"] = result;
    Call::check("sriov", "c1", &pod, &config).run().ok();
    pod.run("ip link set net1 nomaster").ok();
    pod.run("ip link set net1 address 02:11:22:33:44:77").ok();
    pod.run("ip link set net1 up").ok();
    let error = Call::check("sriov", "c1", &pod, &config).run().error(102);
    assert!(error["msg"].to_string().contains("MAC"), "{error}");
    Call::del("sriov", "c1", &pod, &config).run().ok();
    assert_unchanged(&before, &VfState::of(&bed.vfs[0]));
    assert_forgotten();
}
