//! What shows that the host uses a link, and what does not.

use std::process::Command;

use cni::in_use::Tables;
use cni::kernel::netlink::Route;
use cni::kernel::sysfs::Sysfs;

use nix::sys::socket::{AddressFamily, SockFlag, SockProtocol, SockType, socket};

use crate::bed::{ip, ip_in, isolated, link, other_netns};

/// A veth that is up, with what comes by itself.
fn bed() -> Route {
    ip("link add va type veth peer name vb");
    ip("link set vb up");
    ip("link set va up");
    Route::open().unwrap()
}

/// The sign, looked for as a plugin does and as the daemon does.
#[track_caller]
fn sign(route: &mut Route) -> Option<String> {
    let sysfs = Sysfs::at("/sys");
    let va = link(route, "va");
    let one = Tables::of_one(route, &va).unwrap();
    let all = Tables::of_all(route).unwrap();
    let [one, all] = [one, all].map(|tables| tables.sign(route, &sysfs, &va).unwrap());
    assert_eq!(one, all);
    one.map(|sign| sign.to_string())
}

fn tc(words: &str) {
    let status = Command::new("tc").args(words.split(' ')).status().unwrap();
    assert!(status.success(), "tc {words}");
}

#[test]
fn what_comes_by_itself_is_no_sign() {
    isolated(|| {
        let mut route = bed();
        assert_eq!(sign(&mut route), None);
        // As the kernel makes it of a router's prefix; as a program does that listens to routers.
        ip("addr add 2001:db8:1::7/64 dev va mngtmpaddr nodad");
        ip("addr add 2001:db8:2::7/64 dev va valid_lft 900 preferred_lft 600 nodad");
        ip("-6 route add 2001:db8:9::/64 dev va proto ra");
        assert_eq!(sign(&mut route), None);
        // lldpd opens a packet socket on every interface, and listens to its own address there.
        let protocol = SockProtocol::EthAll;
        let _socket =
            socket(AddressFamily::Packet, SockType::Raw, SockFlag::empty(), protocol).unwrap();
        ip("maddr add 01:80:c2:00:00:0e dev va");
        assert_eq!(sign(&mut route), None);
        ip("link set va down");
        assert_eq!(sign(&mut route), None);
    });
}

#[test]
fn what_somebody_sets_up_is_a_sign_until_it_goes() {
    for (set_up, take_off, words) in [
        ("addr add 198.51.100.7/24 dev va", "addr flush dev va", "address 198.51.100.7"),
        ("addr add 2001:db8::7/64 dev va nodad", "addr flush dev va scope global", "2001:db8::7"),
        (
            "addr add 2001:db8::7/128 dev va valid_lft 900 preferred_lft 600 nodad",
            "addr flush dev va scope global",
            "2001:db8::7",
        ),
        ("route add 198.51.100.0/24 dev va", "route del 198.51.100.0/24", "198.51.100.0/24"),
        ("-6 route add 2001:db8:9::/64 dev va", "-6 route del 2001:db8:9::/64", "2001:db8:9::/64"),
        ("route add default dev va table 77", "route flush table 77", "default route"),
        ("link add link va name mv0 type macvlan", "link del mv0", "mv0 stands on it"),
    ] {
        isolated(|| {
            let mut route = bed();
            assert_eq!(sign(&mut route), None);
            ip(set_up);
            let found = sign(&mut route).unwrap_or_default();
            assert!(found.contains(words), "{found:?} after ip {set_up}");
            ip(take_off);
            assert_eq!(sign(&mut route), None, "after ip {take_off}");
        });
    }
}

#[test]
fn a_port_is_of_its_master() {
    isolated(|| {
        let mut route = bed();
        ip("link add br0 type bridge");
        ip("link set va master br0");
        assert_eq!(sign(&mut route).as_deref(), Some("port of br0"));
    });
}

/// Nothing in this namespace leads to it, but what it listens to.
#[test]
fn what_stands_on_it_in_another_namespace() {
    isolated(|| {
        let mut route = bed();
        let other = other_netns();
        ip("link add link va name mv0 type macvlan mode bridge");
        let netns = format!("/proc/{}/fd/{}", std::process::id(), {
            use std::os::fd::{AsFd, AsRawFd};
            other.as_fd().as_raw_fd()
        });
        ip(&format!("link set mv0 netns {netns}"));
        ip_in(&other, "link set mv0 up");
        let found = sign(&mut route).unwrap_or_default();
        assert!(found.contains("in another namespace stands on it"), "{found:?}");
        ip_in(&other, "link del mv0");
        assert_eq!(sign(&mut route), None);
    });
}

#[test]
fn traffic_control() {
    isolated(|| {
        let mut route = bed();
        for (kind, at) in [("clsact", ""), ("ingress", ""), ("pfifo", "root"), ("tbf", "root")] {
            let what = match kind {
                "tbf" => "tbf rate 1mbit burst 32kbit latency 50ms".to_owned(),
                kind => kind.to_owned(),
            };
            let at = if at.is_empty() { String::new() } else { format!("{at} ") };
            tc(&format!("qdisc add dev va {at}{what}"));
            let found = sign(&mut route).unwrap_or_default();
            assert!(found.contains(kind), "{found:?}");
            let at = if at.is_empty() { kind } else { "root" };
            tc(&format!("qdisc del dev va {at}"));
            assert_eq!(sign(&mut route), None, "without {kind}");
        }
    });
}
