//! Addresses: usable when the verb returns.

use std::net::{Ipv6Addr, SocketAddr, UdpSocket};

use cni::kernel::netlink::Route;
use cni::kernel::{Change, Errno};
use ipnetwork::IpNetwork;

use crate::bed::{ip, ip_json, isolated, link};

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
            assert_eq!(route.add_address(va, network).unwrap(), Change::Changed);
            assert!(usable(&network.ip().to_string()), "{text}");
            assert_eq!(route.add_address(va, network).unwrap(), Change::Same);
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
            assert_eq!(route.add_address(va, network(text)).unwrap(), Change::Changed);
        }
        let shown = ip_json("addr show va").remove(0);
        for address in shown["addr_info"].as_array().unwrap() {
            assert!(address.get("broadcast").is_none(), "{address}");
        }
    });
}

#[test]
fn the_same_address_in_another_network_is_not_the_same() {
    isolated(|| {
        let mut route = Route::open().unwrap();
        let va = va(&mut route);
        let address: Ipv6Addr = "2001:db8::3".parse().unwrap();
        let [narrow, wide] = [64, 48].map(|prefix| IpNetwork::new(address.into(), prefix).unwrap());
        assert_eq!(route.add_address(va, narrow).unwrap(), Change::Changed);
        let error = route.add_address(va, wide).unwrap_err();
        assert!(error.is(Errno::EEXIST), "{error}");
        assert!(error.to_string().starts_with("add va: address 2001:db8::3/48: "), "{error}");
    });
}
