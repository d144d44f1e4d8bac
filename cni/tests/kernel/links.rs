//! Links: reading them, and the verbs that change one.

use cni::kernel::link::Hardware;
use cni::kernel::netlink::Route;
use cni::kernel::sysfs::Sysfs;
use cni::kernel::{Change, Errno};
use conf::Mtu;

use crate::bed::{ip, ip_json, isolated, link, name};

#[test]
fn a_link_is_read_as_ip_reads_it() {
    isolated(|| {
        ip("link add va address 02:00:00:00:00:01 type veth peer name vb");
        ip("link property add dev va altname other altname a-name-longer-than-fifteen-octets");
        ip("link add br0 type bridge");
        ip("link set va mtu 1400 master br0 up");
        ip("link set va promisc on allmulticast on");
        let mut route = Route::open().unwrap();
        let va = link(&mut route, "va");
        let shown = ip_json("link show va").remove(0);
        assert_eq!(u64::from(va.index), shown["ifindex"]);
        assert_eq!((va.mtu, va.min_mtu, va.max_mtu), (1400, 68, 65535));
        assert_eq!(va.mac.unwrap().to_string(), "02:00:00:00:00:01");
        assert_eq!(va.altnames, ["other", "a-name-longer-than-fifteen-octets"]);
        assert_eq!(va.hardware, Hardware::Ethernet);
        assert_eq!(va.kind.as_deref(), Some("veth"));
        assert_eq!(va.master, Some(link(&mut route, "br0").index));
        assert!(va.up && !va.carrier, "the peer is down");
        assert!(va.promisc && va.allmulti);
        assert_eq!(u64::from(va.promiscuity), shown["promiscuity"]);
        assert_eq!((va.pci(&Sysfs::system()), va.permanent_mac), (None, None));
        assert_eq!(link(&mut route, "lo").hardware, Hardware::Loopback);
    });
}

#[test]
fn links_are_found_by_index_name_and_altname() {
    isolated(|| {
        ip("link add va type veth peer name vb");
        ip("link property add dev va altname other");
        let mut route = Route::open().unwrap();
        let va = link(&mut route, "va");
        assert_eq!(route.link_by_index(va.index).unwrap().as_ref(), Some(&va));
        assert_eq!(route.link_by_name(&name("other")).unwrap(), Some(va));
        assert_eq!(route.link_by_index(9999).unwrap(), None);
        assert_eq!(route.link_by_name(&name("nothing")).unwrap(), None);
        let names: Vec<_> = route.links().unwrap().into_iter().map(|link| link.name).collect();
        assert_eq!(names, ["lo", "vb", "va"]);
    });
}

#[test]
fn one_request_for_each_verb() {
    isolated(|| {
        ip("link add va type veth peer name vb");
        let mut route = Route::open().unwrap();
        let va = link(&mut route, "va").index;
        let before = route.requests();
        route.set_mtu(va, Mtu::try_from(1280).unwrap()).unwrap();
        route.set_mac(va, "02:00:00:00:00:99".parse().unwrap()).unwrap();
        route.set_up(va).unwrap();
        route.rename(va, &name("net1")).unwrap();
        route.set_promiscuity_off(va).unwrap();
        route.set_down(va).unwrap();
        assert_eq!(route.requests() - before, 6);
        let shown = ip_json("link show net1").remove(0);
        assert_eq!(shown["mtu"], 1280);
        assert_eq!(shown["address"], "02:00:00:00:00:99");
        assert!(!shown["flags"].as_array().unwrap().contains(&"UP".into()));
    });
}

#[test]
fn a_link_is_set_up_by_its_name_in_one_request() {
    isolated(|| {
        ip("link add va type veth peer name vb");
        let mut route = Route::open().unwrap();
        route.set_up_by_name(&name("vb")).unwrap();
        assert_eq!(route.requests(), 1);
        assert!(link(&mut route, "vb").up && !link(&mut route, "va").up);
        let error = route.set_up_by_name(&name("vc")).unwrap_err();
        assert_eq!(error.to_string(), "set vc: up: No such device");
    });
}

#[test]
fn a_link_goes_up_and_is_renamed_while_it_is_up() {
    isolated(|| {
        ip("link add va type veth peer name vb");
        ip("link set vb up");
        let mut route = Route::open().unwrap();
        let va = link(&mut route, "va").index;
        route.set_up(va).unwrap();
        route.rename(va, &name("net1")).unwrap();
        let net1 = link(&mut route, "net1");
        assert!(net1.up && net1.carrier);
    });
}

#[test]
fn promiscuity_is_taken_back() {
    isolated(|| {
        ip("link add va type veth peer name vb");
        ip("link set va promisc on allmulticast on");
        let mut route = Route::open().unwrap();
        let va = link(&mut route, "va").index;
        route.set_promiscuity_off(va).unwrap();
        let va = link(&mut route, "va");
        assert!(!va.promisc && !va.allmulti && va.promiscuity == 0);
    });
}

#[test]
fn altnames_are_added_and_removed_once() {
    isolated(|| {
        ip("link add va type veth peer name vb");
        let mut route = Route::open().unwrap();
        let va = link(&mut route, "va").index;
        assert_eq!(route.add_altname(va, "enp1s0f0v3").unwrap(), Change::Changed);
        assert_eq!(route.add_altname(va, "enp1s0f0v3").unwrap(), Change::Same);
        assert_eq!(link(&mut route, "va").altnames, ["enp1s0f0v3"]);
        let error = route.add_altname(va, "vb").unwrap_err();
        assert!(error.is(Errno::EEXIST), "{error}");
        assert!(error.to_string().starts_with("add va: altname vb: File exists"), "{error}");
        assert_eq!(route.remove_altname(va, "enp1s0f0v3").unwrap(), Change::Changed);
        assert_eq!(route.remove_altname(va, "enp1s0f0v3").unwrap(), Change::Same);
        assert!(link(&mut route, "va").altnames.is_empty());
    });
}

#[test]
fn an_error_has_the_verb_the_object_and_the_kernels_own_words() {
    isolated(|| {
        ip("link add va type veth peer name vb");
        let mut route = Route::open().unwrap();
        let va = link(&mut route, "va").index;
        // The MTU is one that conf allows and the kernel does not: a bridge port's limit.
        ip("link add mv0 link va type macvlan");
        let mv0 = link(&mut route, "mv0").index;
        let error = route.set_mtu(mv0, Mtu::try_from(9000).unwrap()).unwrap_err();
        assert!(error.is(Errno::EINVAL));
        assert!(error.to_string().starts_with("set mv0: mtu 9000: Invalid argument"), "{error}");
        assert_eq!(error.reason(), "Refused");
        let error = route.set_mac(va, "01:00:5e:00:00:01".parse().unwrap()).unwrap_err();
        assert!(error.is(Errno::EADDRNOTAVAIL), "{error}");
        let error = route.set_up(9999).unwrap_err();
        assert_eq!(error.to_string(), "set link 9999: up: No such device");
        assert_eq!(error.reason(), "NotFound");
    });
}
