//! Routes, read back by `ip -j`.

use cni::kernel::netlink::Route;
use cni::kernel::route::IpRoute;
use cni::kernel::{Change, Errno};
use ipnetwork::IpNetwork;
use serde_json::{Value, json};

use crate::bed::{ip, ip_json, isolated, link};

fn network(text: &str) -> IpNetwork {
    text.parse().unwrap()
}

/// A veth with addresses of both families.
fn va(route: &mut Route) -> u32 {
    ip("link add va type veth peer name vb");
    ip("link set vb up");
    ip("link set va up");
    ip("addr add 10.1.0.2/24 dev va");
    ip("addr add 2001:db8::2/64 dev va nodad");
    link(route, "va").index
}

/// Another, in another network.
fn vc(route: &mut Route) -> u32 {
    ip("link add vc type veth peer name vd");
    ip("link set vc up");
    ip("link set vd up");
    ip("addr add 10.2.0.2/24 dev vc");
    link(route, "vc").index
}

fn shown(words: &str) -> Value {
    let mut found = ip_json(words);
    assert_eq!(found.len(), 1, "{words}: {found:?}");
    found.remove(0)
}

#[test]
fn every_attribute_reaches_the_kernel() {
    isolated(|| {
        let mut route = Route::open().unwrap();
        let va = va(&mut route);
        let wanted = IpRoute {
            gateway: "10.1.0.1".parse().ok(),
            source: "10.1.0.2".parse().ok(),
            table: Some(1000),
            priority: Some(50),
            mtu: Some(1400),
            advmss: Some(1300),
            ..IpRoute::new(network("192.168.0.0/16"), va)
        };
        assert_eq!(route.add_route(&wanted).unwrap(), Change::Changed);
        assert_eq!(route.add_route(&wanted).unwrap(), Change::Same);
        let shown = shown("route show table 1000");
        for (key, value) in [
            ("dst", json!("192.168.0.0/16")),
            ("gateway", json!("10.1.0.1")),
            ("dev", json!("va")),
            ("prefsrc", json!("10.1.0.2")),
            ("metric", json!(50)),
        ] {
            assert_eq!(shown[key], value, "{key} of {shown}");
        }
        assert_eq!(shown["metrics"][0]["mtu"], 1400, "{shown}");
        assert_eq!(shown["metrics"][0]["advmss"], 1300, "{shown}");
        let found = route.routes(va).unwrap();
        let found = found.iter().find(|found| found.table == Some(1000)).unwrap();
        assert!(found.satisfies(&wanted));
        assert_eq!(found.scope, Some(0));
    });
}

#[test]
fn every_attribute_of_ipv6_reaches_the_kernel() {
    isolated(|| {
        let mut route = Route::open().unwrap();
        let va = va(&mut route);
        let wanted = IpRoute {
            gateway: "2001:db8::1".parse().ok(),
            table: Some(1000),
            priority: Some(50),
            mtu: Some(1400),
            advmss: Some(1300),
            scope: Some(0),
            ..IpRoute::new(network("2001:db8:1::/48"), va)
        };
        assert_eq!(route.add_route(&wanted).unwrap(), Change::Changed);
        assert_eq!(route.add_route(&wanted).unwrap(), Change::Same);
        let shown = shown("-6 route show table 1000");
        assert_eq!(shown["dst"], "2001:db8:1::/48");
        assert_eq!((&shown["gateway"], &shown["metric"]), (&json!("2001:db8::1"), &json!(50)));
        assert_eq!(shown["metrics"][0]["mtu"], 1400, "{shown}");
    });
}

#[test]
fn without_a_gateway_the_scope_is_the_link() {
    isolated(|| {
        let mut route = Route::open().unwrap();
        let va = va(&mut route);
        let wanted = IpRoute::new(network("10.9.0.0/16"), va);
        assert_eq!(route.add_route(&wanted).unwrap(), Change::Changed);
        assert_eq!(shown("route show 10.9.0.0/16")["scope"], "link");
        let global = IpRoute { scope: Some(0), ..IpRoute::new(network("10.10.0.0/16"), va) };
        assert_eq!(route.add_route(&global).unwrap(), Change::Changed);
        assert_eq!(shown("route show 10.10.0.0/16")["scope"], "global");
    });
}

#[test]
fn default_routes_of_both_families() {
    isolated(|| {
        let mut route = Route::open().unwrap();
        let va = va(&mut route);
        for (to, gateway) in [("0.0.0.0/0", "10.1.0.1"), ("::/0", "2001:db8::1")] {
            let wanted = IpRoute { gateway: gateway.parse().ok(), ..IpRoute::new(network(to), va) };
            assert_eq!(route.add_route(&wanted).unwrap(), Change::Changed);
        }
        ip("route add 10.20.0.0/16 via 10.1.0.1");
        ip("route add default via 10.1.0.9 table 77");
        ip("route add 128.0.0.0/1 via 10.1.0.8");
        ip("route add blackhole default table 78");
        let mut found: Vec<_> = route.default_routes().unwrap();
        found.sort_by_key(|found| (found.destination.is_ipv6(), found.gateway));
        let found: Vec<_> = found
            .iter()
            .map(|found| (found.gateway.unwrap().to_string(), found.is_main()))
            .collect();
        let found: Vec<_> = found.iter().map(|(gateway, main)| (gateway.as_str(), *main)).collect();
        assert_eq!(
            found,
            [("10.1.0.1", true), ("10.1.0.8", true), ("10.1.0.9", false), ("2001:db8::1", true)]
        );
    });
}

#[test]
fn a_route_with_several_next_hops_is_one_for_each() {
    isolated(|| {
        let mut route = Route::open().unwrap();
        let va = va(&mut route);
        let vc = vc(&mut route);
        ip("route add default nexthop via 10.1.0.1 dev va nexthop via 10.2.0.1 dev vc");
        let found = route.default_routes().unwrap();
        assert_eq!(found.iter().map(|found| found.index).collect::<Vec<_>>(), [va, vc]);
        assert!(route.routes(vc).unwrap().iter().any(|found| found.destination.prefix() == 0));
    });
}

#[test]
fn a_gateway_that_no_route_leads_to_needs_onlink() {
    isolated(|| {
        let mut route = Route::open().unwrap();
        let va = va(&mut route);
        let far = IpRoute {
            gateway: "172.16.0.1".parse().ok(),
            ..IpRoute::new(network("192.168.0.0/16"), va)
        };
        let error = route.add_route(&far).unwrap_err();
        assert!(error.is(Errno::ENETUNREACH), "{error}");
        assert_eq!(
            error.to_string(),
            "add route 192.168.0.0/16 via 172.16.0.1 dev va: \
             Network is unreachable (Nexthop has invalid gateway)"
        );
        assert_eq!(route.add_route(&IpRoute { onlink: true, ..far }).unwrap(), Change::Changed);
        let shown = shown("route show 192.168.0.0/16");
        assert_eq!(shown["flags"], json!(["onlink"]));
    });
}

/// The gateways of the routes of that family to `destination`, in the kernel's order.
fn gateways(family: &str, destination: &str) -> Vec<String> {
    let hops = |route: Value| match route.get("nexthops") {
        Some(hops) => hops.as_array().unwrap().clone(),
        None => vec![route],
    };
    let found = ip_json(&format!("{family} route show {destination}")).into_iter().flat_map(hops);
    found.map(|hop| hop["gateway"].as_str().unwrap_or("none").to_owned()).collect()
}

/// A default route by `va`, as a cluster's first network leaves it, and a second link.
fn with_a_default_route(route: &mut Route) -> u32 {
    va(route);
    let vc = vc(route);
    ip("addr add 2001:db8:2::2/64 dev vc nodad");
    ip("route add default via 10.1.0.1");
    ip("route add default via 2001:db8::1");
    vc
}

#[test]
fn a_default_route_joins_the_one_that_is_there() {
    isolated(|| {
        let mut route = Route::open().unwrap();
        let vc = with_a_default_route(&mut route);
        for (to, gateway) in [("0.0.0.0/0", "10.2.0.1"), ("::/0", "2001:db8:2::1")] {
            let wanted = IpRoute { gateway: gateway.parse().ok(), ..IpRoute::new(network(to), vc) };
            assert_eq!(route.add_route(&wanted).unwrap(), Change::Changed);
            assert_eq!(route.add_route(&wanted).unwrap(), Change::Same);
        }
        assert_eq!(gateways("-4", "default"), ["10.2.0.1", "10.1.0.1"]);
        assert_eq!(gateways("-6", "default"), ["2001:db8::1", "2001:db8:2::1"]);
        // As at the end of an attachment: the link leaves, and what was there stays.
        ip("link set vc down");
        ip("link del vc");
        assert_eq!(gateways("-4", "default"), ["10.1.0.1"]);
        assert_eq!(gateways("-6", "default"), ["2001:db8::1"]);
    });
}

#[test]
fn the_metric_decides_whose_default_route_comes_first() {
    isolated(|| {
        let mut route = Route::open().unwrap();
        let vc = with_a_default_route(&mut route);
        for (to, gateway, priority) in
            [("0.0.0.0/0", "10.2.0.1", 100), ("::/0", "2001:db8:2::1", 2000)]
        {
            let wanted = IpRoute {
                gateway: gateway.parse().ok(),
                priority: Some(priority),
                ..IpRoute::new(network(to), vc)
            };
            assert_eq!(route.add_route(&wanted).unwrap(), Change::Changed);
        }
        assert_eq!(gateways("-4", "default"), ["10.1.0.1", "10.2.0.1"]);
        assert_eq!(gateways("-6", "default"), ["2001:db8::1", "2001:db8:2::1"]);
        assert_eq!(ip_json("-6 route show default").len(), 2, "routes of their own");
    });
}

#[test]
fn several_routes_of_one_link_to_one_place() {
    isolated(|| {
        let mut route = Route::open().unwrap();
        let va = va(&mut route);
        for (to, gateways_, expected) in [
            ("192.168.0.0/16", ["10.1.0.1", "10.1.0.9"], ["10.1.0.9", "10.1.0.1"]),
            ("2001:db8:7::/48", ["2001:db8::1", "2001:db8::9"], ["2001:db8::1", "2001:db8::9"]),
        ] {
            for gateway in gateways_ {
                let gateway = gateway.parse().ok();
                let wanted = IpRoute { gateway, ..IpRoute::new(network(to), va) };
                assert_eq!(route.add_route(&wanted).unwrap(), Change::Changed);
            }
            let family = if to.contains(':') { "-6" } else { "-4" };
            assert_eq!(gateways(family, to), expected);
        }
    });
}

/// What the kernel made itself, and what others did, is not added a second time.
#[test]
fn a_route_that_is_there_is_not_doubled() {
    isolated(|| {
        let mut route = Route::open().unwrap();
        let vc = with_a_default_route(&mut route);
        let va = link(&mut route, "va").index;
        ip("route add 10.9.0.0/16 via 10.1.0.1 proto static");
        ip("-6 route add 2001:db8:9::/48 via 2001:db8::1 proto static");
        for (to, gateway, priority) in [
            ("10.1.0.0/24", None, None),
            ("2001:db8::/64", None, Some(256)),
            ("10.9.0.0/16", Some("10.1.0.1"), None),
            ("2001:db8:9::/48", Some("2001:db8::1"), None),
            ("0.0.0.0/0", Some("10.1.0.1"), None),
            ("::/0", Some("2001:db8::1"), None),
        ] {
            let wanted = IpRoute {
                gateway: gateway.map(|gateway| gateway.parse().unwrap()),
                priority,
                ..IpRoute::new(network(to), va)
            };
            let before = ip_json("route show");
            assert_eq!(route.add_route(&wanted).unwrap(), Change::Same, "{to}");
            assert_eq!(ip_json("route show"), before, "{to}");
        }
        // With another metric it is another route, though the first one's is not asked for.
        for priority in [Some(100), None] {
            let gateway = "10.2.0.1".parse().ok();
            let wanted = IpRoute { gateway, priority, ..IpRoute::new(network("0.0.0.0/0"), vc) };
            assert_eq!(route.add_route(&wanted).unwrap(), Change::Changed);
        }
        assert_eq!(gateways("-4", "default"), ["10.2.0.1", "10.1.0.1", "10.2.0.1"]);
    });
}

/// The link's own network, and that of another link.
#[test]
fn a_route_to_a_network_that_is_connected() {
    isolated(|| {
        let mut route = Route::open().unwrap();
        let (va, vc) = (va(&mut route), vc(&mut route));
        for (to, index, gateway) in [
            ("10.1.0.0/24", va, Some("10.1.0.1")),
            ("10.1.0.0/24", vc, Some("10.2.0.1")),
            ("10.1.0.0/24", va, None),
            ("2001:db8::/64", va, None),
            ("2001:db8::/64", vc, None),
        ] {
            let gateway = gateway.map(|gateway| gateway.parse().unwrap());
            let wanted = IpRoute { gateway, ..IpRoute::new(network(to), index) };
            let added = route.add_route(&wanted);
            assert!(added.is_ok(), "{to} {gateway:?}: {added:?}");
            let found = route.routes(index).unwrap();
            assert!(found.iter().any(|found| found.satisfies(&wanted)), "{to}: {found:?}");
        }
    });
}

#[test]
fn host_bits_of_a_destination_do_not_matter() {
    isolated(|| {
        let mut route = Route::open().unwrap();
        let va = va(&mut route);
        let wanted = IpRoute::new(network("10.9.8.7/16"), va);
        assert_eq!(route.add_route(&wanted).unwrap(), Change::Changed);
        assert_eq!(route.add_route(&wanted).unwrap(), Change::Same);
        assert_eq!(shown("route show 10.9.0.0/16")["dst"], "10.9.0.0/16");
    });
}

#[test]
fn the_way_to_an_address_is_found_with_all_its_next_hops() {
    isolated(|| {
        let mut route = Route::open().unwrap();
        let va = va(&mut route);
        let vc = vc(&mut route);
        let mut through = |address: &str| -> Vec<u32> {
            let routes = route.routes_to(address.parse().unwrap()).unwrap();
            routes.iter().map(|route| route.index).collect()
        };
        assert_eq!(through("10.1.0.9"), [va]);
        assert_eq!(through("2001:db8::9"), [va]);
        assert_eq!(through("192.0.2.1"), [0; 0], "there is no way");
        assert_eq!(through("10.1.0.2"), [0; 0], "it is our own");
        ip("route add 192.0.2.0/24 nexthop via 10.1.0.1 nexthop via 10.2.0.1");
        ip("route add prohibit 198.51.100.0/24");
        assert_eq!(through("192.0.2.1"), [va, vc]);
        assert_eq!(through("198.51.100.1"), [0; 0]);
        // The rule decides, and not the main table alone.
        ip("route add 203.0.113.0/24 via 10.1.0.1");
        ip("route add 203.0.113.0/24 via 10.2.0.1 table 100");
        ip("rule add to 203.0.113.7 lookup 100");
        assert_eq!((through("203.0.113.6"), through("203.0.113.7")), (vec![va], vec![vc]));
    });
}
