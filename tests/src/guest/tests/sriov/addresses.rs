//! Addresses and routes in the pod, and what its neighbours hear of them.

use serde_json::{Value, json};

use super::fake_ipam::FakeIpam;
use super::{Bed, attached};
use crate::guest::Test;
use crate::guest::cni::Call;
use crate::guest::pod::Pod;
use crate::guest::wait::wait_for;

pub(super) const TESTS: &[Test] = &[("sriov::addresses_and_neighbours", addresses_and_neighbours)];

fn addresses_and_neighbours() {
    let bed = Bed::new(2);
    routes_have_all_they_ask_for(&bed);
    ipv6_is_usable_on_return(&bed);
    settings_are_of_one_interface(&bed);
    neighbours_hear_at_once(&bed);
}

/// A result as older IPAM plugins write it: with versions, without interfaces, with several addresses.
fn routes_have_all_they_ask_for(bed: &Bed) {
    let _ipam = FakeIpam::answering(
        "old-ipam",
        r#"{"cniVersion":"0.4.0","dns":{"nameservers":["10.79.0.53"]},
            "ips":[{"version":"4","address":"10.79.0.2/24","gateway":"10.79.0.1"},{"version":"4","address":"10.80.0.2/24"}],
            "routes":[{"dst":"0.0.0.0/0"},{"dst":"10.81.0.0/16","gw":"10.80.0.1"}]}"#,
    );
    let config = bed.config(0, json!({"cniVersion": "0.4.0", "ipam": {"type": "old-ipam"}}));
    attached(&bed.vfs[0], &config, |pod, result| {
        assert_eq!(pod.addresses("net1"), ["10.79.0.2/24", "10.80.0.2/24"]);
        let route =
            |to: &str| pod.run(&format!("ip -j route show {to}")).ok().json()[0]["gateway"].clone();
        assert_eq!(
            (route("default"), route("10.81.0.0/16")),
            (json!("10.79.0.1"), json!("10.80.0.1"))
        );
        assert_eq!(
            result["ips"][1],
            json!({"version": "4", "interface": 0, "address": "10.80.0.2/24"})
        );
        assert_eq!(result["dns"]["nameservers"], json!(["10.79.0.53"]));
    });

    let _ipam = FakeIpam::answering(
        "new-ipam",
        r#"{"cniVersion":"1.1.0","ips":[{"address":"10.79.0.2/24","gateway":"10.79.0.1"}],
            "routes":[{"dst":"10.82.0.0/16","mtu":1400,"advmss":1300,"priority":50,"table":1000},{"dst":"10.83.0.0/16","gw":"10.79.0.9","priority":7},
                      {"dst":"10.79.9.9/32","scope":253}]}"#,
    );
    attached(&bed.vfs[0], &bed.config(0, json!({"ipam": {"type": "new-ipam"}})), |pod, _| {
        let routes = pod.run("ip -j -d route show table all proto boot").ok().json();
        let mut routes: Vec<Value> = routes.as_array().expect("a list").clone();
        routes.retain(|route| route["dev"] == "net1");
        routes.sort_by_key(|route| route["dst"].to_string());
        let fields = |route: &Value| {
            ["dst", "gateway", "metric", "table", "scope"].map(|field| {
                route[field].as_str().map_or_else(|| route[field].to_string(), str::to_owned)
            })
        };
        assert_eq!(
            fields(&routes[0]),
            ["10.79.9.9", "null", "null", "main", "link"].map(str::to_owned)
        );
        assert_eq!(
            fields(&routes[1]),
            ["10.82.0.0/16", "10.79.0.1", "50", "1000", "global"].map(str::to_owned)
        );
        assert_eq!(routes[1]["metrics"], json!([{"mtu": 1400, "advmss": 1300}]));
        assert_eq!(
            fields(&routes[2]),
            ["10.83.0.0/16", "10.79.0.9", "7", "main", "global"].map(str::to_owned)
        );
    });
}

const DUAL: &str = r#"{"cniVersion":"1.1.0","ips":[{"address":"fd77::2/64","gateway":"fd77::1"},{"address":"10.79.0.2/24","gateway":"10.79.0.1"}],
    "routes":[{"dst":"::/0"},{"dst":"0.0.0.0/0"},{"dst":"fd78::/64","mtu":1400,"advmss":1300,"priority":50,"table":100}]}"#;

/// In a pod where IPv6 is off, as some runtimes make them.
fn ipv6_is_usable_on_return(bed: &Bed) {
    let _ipam = FakeIpam::answering("dual", DUAL);
    let config = bed.config(0, json!({"ipam": {"type": "dual"}}));
    let pod = Pod::new("pod1");
    for interface in ["all", "default"] {
        pod.run(&format!("sysctl -w net.ipv6.conf.{interface}.disable_ipv6=1")).ok();
    }
    Call::add("sriov", "c1", &pod, &config).run().ok();
    let link = pod.link("net1");
    let addresses = link["addr_info"].as_array().expect("a list");
    let ours = addresses.iter().find(|address| address["local"] == "fd77::2").expect("fd77::2");
    assert_eq!((&ours["tentative"], &ours["dadfailed"]), (&Value::Null, &Value::Null), "{ours}");
    assert!(pod.reaches("fd77::2"), "by its loopback");
    for (family, gateway) in [("-6", "fd77::1"), ("-4", "10.79.0.1")] {
        let route = pod.run(&format!("ip {family} -j route show default")).ok().json();
        assert_eq!(route[0]["gateway"], gateway, "{route}");
    }
    let route = pod.run("ip -6 -j route show table 100").ok().json()[0].clone();
    assert_eq!((&route["gateway"], &route["metric"]), (&json!("fd77::1"), &json!(50)), "{route}");
    assert_eq!(route["metrics"][0], json!({"mtu": 1400, "advmss": 1300}), "{route}");
    Call::del("sriov", "c1", &pod, &config).run().ok();
}

fn settings_are_of_one_interface(bed: &Bed) {
    attached(&bed.vfs[0], &bed.config(0, json!({})), |pod, _| {
        for (interface, expected) in [("net1", "1"), ("lo", "0"), ("default", "0"), ("all", "0")] {
            for key in [
                format!("ipv4/conf/{interface}/arp_notify"),
                format!("ipv6/conf/{interface}/ndisc_notify"),
            ] {
                let value = pod.run(&format!("cat /proc/sys/net/{key}")).ok().stdout;
                assert_eq!(value.trim(), expected, "{key}");
            }
        }
    });
}

/// Whoever had the address before is in their caches. The pod has another way out, with all its routes.
fn neighbours_hear_at_once(bed: &Bed) {
    let _ipam = FakeIpam::answering("dual", DUAL);
    let neighbour = Pod::new("neighbour");
    let config = bed.config(1, json!({"ipam": {}}));
    Call::add("sriov", "c2", &neighbour, &config).run().ok();
    for line in [
        "ip addr add 10.79.0.7/24 dev net1",
        "ip addr add fd77::7/64 dev net1 nodad",
        "ip neigh replace 10.79.0.2 lladdr 02:de:ad:00:00:01 dev net1 nud stale",
        "ip neigh replace fd77::2 lladdr 02:de:ad:00:00:01 dev net1 nud stale",
    ] {
        neighbour.run(line).ok();
    }
    let carrier = "/sys/class/net/net1/carrier";
    wait_for("the neighbour's carrier", || {
        (neighbour.run(&format!("cat {carrier}")).stdout.trim() == "1").then_some(())
    });

    let pod = Pod::new("pod1");
    for line in [
        "ip link add other type dummy",
        "ip link set other up",
        "ip addr add 10.79.0.200/16 dev other",
        "ip -6 route add ff00::/8 dev other table local metric 1",
        "ip -6 addr add fd77::200/48 dev other nodad",
    ] {
        pod.run(line).ok();
    }
    let config = bed.config(0, json!({"mac": "02:11:22:33:44:55", "ipam": {"type": "dual"}}));
    Call::add("sriov", "c1", &pod, &config).run().ok();
    for address in ["10.79.0.2", "fd77::2"] {
        wait_for(&format!("the neighbour to hear of {address}"), || {
            let entry = neighbour.run(&format!("ip -j neigh show {address} dev net1")).ok().json();
            (entry[0]["lladdr"] == "02:11:22:33:44:55").then_some(())
        });
    }
    for (container, pod) in [("c1", &pod), ("c2", &neighbour)] {
        Call::del("sriov", container, pod, &config).run().ok();
    }
    super::assert_forgotten();
}
