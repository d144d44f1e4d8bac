//! The layout of VF attributes, asked of the kernel itself, which needs no NIC for that: it checks
//! each attribute's size (ERANGE, EINVAL) before it finds that the loopback device has no VFs
//! (EOPNOTSUPP).

use cni::kernel::Errno;
use cni::kernel::netlink::Route;
use cni::kernel::vf::VfChange;
use conf::{LinkState, OnOff, VfIndex, VlanProto};
use netlink_packet_core::{
    DefaultNla, NLM_F_ACK, NLM_F_REQUEST, NetlinkHeader, NetlinkMessage, NetlinkPayload,
};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::link::{LinkAttribute, LinkMessage, LinkVfInfo, VfInfo};
use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_ROUTE};

use crate::bed::{ip, isolated, link, name};

const LO: u32 = 1;

fn changes() -> Vec<VfChange> {
    let none = VfChange::default();
    let guid = "00:11:22:33:44:55:66:77".parse().ok();
    let vlan = |proto| Some((100.try_into().unwrap(), 5.try_into().unwrap(), proto));
    vec![
        VfChange { mac: "02:11:22:33:44:55".parse().ok(), ..none },
        VfChange { vlan: vlan(VlanProto::Q), ..none },
        VfChange { vlan: vlan(VlanProto::Ad), ..none },
        VfChange { rate: Some((0, 100)), ..none },
        VfChange { spoofchk: Some(OnOff::On), ..none },
        VfChange { link_state: Some(LinkState::Enable), ..none },
        VfChange { trust: Some(OnOff::Off), ..none },
        VfChange { node_guid: guid, ..none },
        VfChange { port_guid: guid, ..none },
    ]
}

#[test]
fn the_kernel_accepts_the_layout_of_every_attribute() {
    isolated(|| {
        let mut route = Route::open().unwrap();
        for change in changes() {
            let error = route.set_vf(LO, VfIndex(3), &change).unwrap_err();
            assert_eq!(error.errno(), Some(Errno::EOPNOTSUPP), "{change}");
            let expected = format!("set VF 3 of lo: {change}: Operation not supported");
            assert!(error.to_string().starts_with(&expected), "{error}");
            assert_eq!(error.reason(), "NotSupported");
        }
    });
}

/// The probe would notice: what netlink-packet-route sent for a GUID before 0.34.
#[test]
fn the_kernel_refuses_a_wrong_layout() {
    isolated(|| {
        let short = VfInfo::Other(DefaultNla::new(10, vec![0; 12]));
        let mut message = LinkMessage::default();
        message.header.index = LO;
        message.attributes.push(LinkAttribute::VfInfoList(vec![LinkVfInfo(vec![short])]));
        let errno = Errno::from_raw(-send(RouteNetlinkMessage::SetLink(message)));
        assert!([Errno::ERANGE, Errno::EINVAL].contains(&errno), "{errno}");
    });
}

#[test]
fn a_change_of_nothing_asks_nothing() {
    isolated(|| {
        let mut route = Route::open().unwrap();
        route.set_vf(LO, VfIndex(0), &VfChange::default()).unwrap();
        assert_eq!(route.requests(), 0);
    });
}

#[test]
fn a_link_without_vfs_has_none() {
    isolated(|| {
        ip("link add va type veth peer name vb");
        let mut route = Route::open().unwrap();
        let va = link(&mut route, "va").index;
        assert!(route.vfs(va).unwrap().is_empty());
        assert_eq!(route.vf(va, VfIndex(0)).unwrap(), None);
        assert_eq!(route.pf_and_vf(&name("va"), VfIndex(0)).unwrap(), Some((va, None)));
        assert_eq!(route.pf_and_vf(&name("vc"), VfIndex(0)).unwrap(), None);
        let error = route.vfs(9999).unwrap_err();
        assert_eq!(error.to_string(), "read VFs of link 9999: No such device");
    });
}

/// Sends a request and returns the number in the kernel's answer.
fn send(message: RouteNetlinkMessage) -> i32 {
    let mut header = NetlinkHeader::default();
    header.flags = NLM_F_REQUEST | NLM_F_ACK;
    let mut request = NetlinkMessage::new(header, NetlinkPayload::from(message));
    request.finalize();
    let mut octets = vec![0; request.buffer_len()];
    request.serialize(&mut octets);
    let socket = Socket::new(NETLINK_ROUTE).unwrap();
    socket.connect(&SocketAddr::new(0, 0)).unwrap();
    socket.send(&octets, 0).unwrap();
    let (answer, _) = socket.recv_from_full().unwrap();
    i32::from_ne_bytes(answer[16..20].try_into().unwrap())
}
