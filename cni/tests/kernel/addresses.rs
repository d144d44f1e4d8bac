//! Addresses: usable when the verb returns.

use std::net::{Ipv6Addr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use cni::kernel::address::Dad;
use cni::kernel::netlink::Route;
use cni::kernel::netns::enter;
use cni::kernel::{Cause, Change, Errno};
use ipnetwork::IpNetwork;

use crate::bed::{ip, ip_in, ip_json, isolated, link, other_netns};

fn network(text: &str) -> IpNetwork {
    text.parse().unwrap()
}

/// Whether a program can use the address right now.
fn usable(text: &str) -> bool {
    UdpSocket::bind(SocketAddr::new(text.parse().unwrap(), 0)).is_ok()
}

/// A veth with carrier and without its own link-local address, whose detection would be in the
/// way.
fn va(route: &mut Route) -> u32 {
    ip("link add va type veth peer name vb");
    ip("link set va addrgenmode none");
    ip("link set vb up");
    ip("link set va up");
    link(route, "va").index
}

#[test]
fn both_families_are_usable_at_once() {
    isolated(|| {
        let mut route = Route::open().unwrap();
        let va = va(&mut route);
        for text in ["10.1.2.3/24", "2001:db8::3/64"] {
            let network = network(text);
            assert_eq!(route.add_address(va, network, Dad::Skip).unwrap(), Change::Changed);
            assert!(usable(&network.ip().to_string()), "{text}");
            assert_eq!(route.add_address(va, network, Dad::Skip).unwrap(), Change::Same);
        }
        let shown = ip_json("addr show va").remove(0);
        let info = shown["addr_info"].as_array().unwrap();
        assert_eq!(info.len(), 2);
        assert_eq!((&info[0]["local"], &info[0]["prefixlen"]), (&"10.1.2.3".into(), &24.into()));
        assert_eq!(info[0]["broadcast"], "10.1.2.255");
        assert_eq!((&info[1]["local"], &info[1]["prefixlen"]), (&"2001:db8::3".into(), &64.into()));
        assert_eq!(info[1]["nodad"], true);
        let found: Vec<_> =
            route.addresses(va).unwrap().into_iter().map(|found| found.network).collect();
        assert_eq!(found, [network("10.1.2.3/24"), network("2001:db8::3/64")]);
    });
}

#[test]
fn a_network_without_broadcast_address_gets_none() {
    isolated(|| {
        let mut route = Route::open().unwrap();
        let va = va(&mut route);
        for text in ["10.0.0.1/31", "10.0.0.5/32"] {
            assert_eq!(route.add_address(va, network(text), Dad::Skip).unwrap(), Change::Changed);
        }
        let shown = ip_json("addr show va").remove(0);
        for address in shown["addr_info"].as_array().unwrap() {
            assert!(address.get("broadcast").is_none(), "{address}");
        }
    });
}

#[test]
fn detection_is_waited_for() {
    isolated(|| {
        let mut route = Route::open().unwrap();
        let va = va(&mut route);
        assert_eq!(
            route.add_address(va, network("2001:db8::3/64"), Dad::Full).unwrap(),
            Change::Changed
        );
        assert!(route.addresses(va).unwrap()[0].tentative);
        assert!(!usable("2001:db8::3"));
        let error = route.wait_addresses_usable(va, Instant::now()).unwrap_err();
        assert!(matches!(error.cause, Cause::Deadline(_)), "{error}");
        route.wait_addresses_usable(va, Instant::now() + Duration::from_secs(30)).unwrap();
        assert!(usable("2001:db8::3"));
    });
}

#[test]
fn an_address_that_another_host_has_is_an_error() {
    isolated(|| {
        let peer = other_netns();
        let mut route = Route::open().unwrap();
        let va = va(&mut route);
        enter(&peer, || ()).unwrap();
        let mut moving = Route::open().unwrap();
        let vb = link(&mut moving, "vb").index;
        let moved = moving.move_and_rename(vb, &peer, &"vb".parse().unwrap()).unwrap();
        assert!(matches!(moved, cni::kernel::link::Moved::Renamed));
        ip_in(&peer, "link set vb up");
        ip_in(&peer, "addr add 2001:db8::3/64 dev vb nodad");
        assert_eq!(
            route.add_address(va, network("2001:db8::3/64"), Dad::Full).unwrap(),
            Change::Changed
        );
        let deadline = Instant::now() + Duration::from_secs(30);
        let error = route.wait_addresses_usable(va, deadline).unwrap_err();
        assert!(error.is(Errno::EADDRINUSE), "{error}");
        let expected = "use va: address 2001:db8::3/64: Address already in use";
        assert_eq!(error.to_string(), expected);
    });
}

#[test]
fn an_optimistic_address_is_usable_while_it_is_looked_at() {
    isolated(|| {
        let mut route = Route::open().unwrap();
        let va = va(&mut route);
        std::fs::write("/proc/sys/net/ipv6/conf/va/optimistic_dad", "1").unwrap();
        assert_eq!(
            route.add_address(va, network("2001:db8::3/64"), Dad::Optimistic).unwrap(),
            Change::Changed
        );
        assert!(!route.addresses(va).unwrap()[0].tentative);
        assert!(usable("2001:db8::3"));
    });
}

#[test]
fn addresses_are_removed_once() {
    isolated(|| {
        let mut route = Route::open().unwrap();
        let va = va(&mut route);
        for text in ["10.1.2.3/24", "2001:db8::3/64"] {
            let network = network(text);
            assert_eq!(route.add_address(va, network, Dad::Skip).unwrap(), Change::Changed);
            assert_eq!(route.remove_address(va, network).unwrap(), Change::Changed);
            assert_eq!(route.remove_address(va, network).unwrap(), Change::Same);
        }
        assert!(route.addresses(va).unwrap().is_empty());
    });
}

#[test]
fn the_same_address_in_another_network_is_not_the_same() {
    isolated(|| {
        let mut route = Route::open().unwrap();
        let va = va(&mut route);
        let address: Ipv6Addr = "2001:db8::3".parse().unwrap();
        let [narrow, wide] = [64, 48].map(|prefix| IpNetwork::new(address.into(), prefix).unwrap());
        assert_eq!(route.add_address(va, narrow, Dad::Skip).unwrap(), Change::Changed);
        let error = route.add_address(va, wide, Dad::Skip).unwrap_err();
        assert!(error.is(Errno::EEXIST), "{error}");
        assert!(error.to_string().starts_with("add va: address 2001:db8::3/48: "), "{error}");
    });
}
