//! Routes by next-hop objects.

use std::fs;

use cni::kernel::netlink::Route;

use crate::bed::{ip, isolated, link};

/// Two veths, each with an address and a next-hop object through it, and a group of both. In the
/// compatible mode a route tells where it leads as well as its object's id; in the other the id is
/// all there is.
fn bed(route: &mut Route, compatible: bool) -> [u32; 2] {
    let indices = [("va", "vb", 1, 1), ("vc", "vd", 2, 2)].map(|(near, far, net, id)| {
        ip(&format!("link add {near} type veth peer name {far}"));
        ip(&format!("link set {far} up"));
        ip(&format!("link set {near} up"));
        ip(&format!("addr add 10.{net}.0.2/24 dev {near}"));
        ip(&format!("nexthop add id {id} via 10.{net}.0.1 dev {near}"));
        link(route, near).index
    });
    ip("nexthop add id 10 group 1/2");
    let mode = if compatible { "1" } else { "0" };
    fs::write("/proc/sys/net/ipv4/nexthop_compat_mode", mode).unwrap();
    indices
}

/// Where the default routes lead, and by which routers.
fn defaults(route: &mut Route) -> Vec<(u32, Option<String>)> {
    let found = route.default_routes().unwrap();
    found.iter().map(|route| (route.index, route.gateway.map(|ip| ip.to_string()))).collect()
}

#[test]
fn a_route_by_an_object_or_a_group_leads_where_that_does() {
    for compatible in [true, false] {
        isolated(|| {
            let mut route = Route::open().unwrap();
            let [va, vc] = bed(&mut route, compatible);
            let by = |index, router: &str| (index, Some(router.to_owned()));
            assert_eq!(defaults(&mut route), []);
            ip("route add default nhid 2");
            assert_eq!(defaults(&mut route), [by(vc, "10.2.0.1")]);
            ip("route del default");
            ip("route add default nhid 10");
            let both = [by(va, "10.1.0.1"), by(vc, "10.2.0.1")];
            assert_eq!(defaults(&mut route), both);
            // Of one link, and to one address, likewise.
            for index in [va, vc] {
                let found = route.routes(index).unwrap();
                assert!(found.iter().any(|route| route.destination.prefix() == 0), "{found:?}");
            }
            let to = route.routes_to("198.51.100.1".parse().unwrap()).unwrap();
            assert_eq!(to.iter().map(|route| route.index).collect::<Vec<_>>(), [va, vc]);
        });
    }
}

/// A next hop of the other family is no gateway of the route's own.
#[test]
fn a_route_of_ipv6_by_an_object() {
    isolated(|| {
        let mut route = Route::open().unwrap();
        let [va, _] = bed(&mut route, false);
        ip("addr add 2001:db8::2/64 dev va nodad");
        ip("nexthop add id 3 via 2001:db8::1 dev va");
        ip("-6 route add default nhid 3");
        assert_eq!(defaults(&mut route), [(va, Some("2001:db8::1".to_owned()))]);
        ip("nexthop add id 4 dev va");
        ip("route add default nhid 4");
        assert!(defaults(&mut route).contains(&(va, None)));
    });
}

#[test]
fn objects_are_asked_for_only_where_a_route_needs_them() {
    isolated(|| {
        let mut route = Route::open().unwrap();
        let [va, _] = bed(&mut route, true);
        ip("route add default nhid 1");
        let before = route.requests();
        assert_eq!(defaults(&mut route).len(), 1);
        assert_eq!(route.requests() - before, 1);
        fs::write("/proc/sys/net/ipv4/nexthop_compat_mode", "0").unwrap();
        assert_eq!(defaults(&mut route), [(va, Some("10.1.0.1".to_owned()))]);
        assert_eq!(route.requests() - before, 3);
    });
}
