//! Announcements, as the neighbours receive them.

use std::net::{IpAddr, Ipv4Addr};
use std::os::fd::{AsRawFd, OwnedFd};
use std::process::Command;

use cni::kernel::Errno;
use cni::kernel::announce::Announcer;
use cni::kernel::link::Moved;
use cni::kernel::netlink::Route;
use cni::kernel::netns::{Netns, enter};
use conf::Mac;
use nix::sys::socket::{
    AddressFamily, LinkAddr, SockFlag, SockProtocol, SockType, recvfrom, setsockopt, socket,
    sockopt::ReceiveTimeout,
};
use nix::sys::time::TimeVal;

use crate::bed::{ip, ip_in, isolated, link, name, other_netns};

/// Two veths, `a0` and `a1`, whose peers `b0` and `b1` are in another namespace. All routes lead
/// through `a0`.
fn two_links() -> Netns {
    let peer = other_netns();
    let mut route = Route::open().unwrap();
    for number in 0..2 {
        let (own, others) = (format!("a{number}"), format!("b{number}"));
        ip(&format!(
            "link add {own} address 02:00:00:00:00:0{number} type veth peer name {others}"
        ));
        ip(&format!("link set {own} addrgenmode none"));
        ip(&format!("link set {own} up"));
        let index = link(&mut route, &others).index;
        let moved = route.move_and_rename(index, &peer, &name(&others)).unwrap();
        assert!(matches!(moved, Moved::Renamed));
        ip_in(&peer, &format!("link set {others} addrgenmode none"));
        ip_in(&peer, &format!("link set {others} up"));
    }
    ip("addr add 10.1.0.2/24 dev a0");
    ip("addr add 2001:db8::2/64 dev a0 nodad");
    ip("route add default dev a0");
    ip("-6 route add default dev a0");
    peer
}

/// Hears all frames in `netns`.
fn listen(netns: &Netns) -> OwnedFd {
    enter(netns, || {
        let all = Some(SockProtocol::EthAll);
        let kind = SockFlag::SOCK_CLOEXEC;
        let socket = socket(AddressFamily::Packet, SockType::Raw, kind, all).unwrap();
        setsockopt(&socket, ReceiveTimeout, &TimeVal::new(30, 0)).unwrap();
        socket
    })
    .unwrap()
}

/// The next frame of this EtherType that `wanted` takes, and the index of the link it came by.
fn next_frame(
    socket: &OwnedFd,
    ethertype: u16,
    wanted: impl Fn(&[u8]) -> bool,
) -> (usize, Vec<u8>) {
    loop {
        let mut frame = vec![0; 2048];
        let (length, from) = recvfrom::<LinkAddr>(socket.as_raw_fd(), &mut frame).unwrap();
        frame.truncate(length);
        if frame[12..14] == ethertype.to_be_bytes() && wanted(&frame[14..]) {
            return (from.unwrap().ifindex(), frame);
        }
    }
}

fn b1(peer: &Netns) -> usize {
    link(&mut Route::open_in(peer).unwrap(), "b1").index as usize
}

fn mac() -> Mac {
    "02:00:00:00:00:01".parse().unwrap()
}

fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect::<Vec<_>>().join(" ")
}

/// For 10.5.0.7, from [`mac`].
const GRATUITOUS_ARP: &str = "ff ff ff ff ff ff 02 00 00 00 00 01 08 06 \
                              00 01 08 00 06 04 00 01 \
                              02 00 00 00 00 01 0a 05 00 07 \
                              00 00 00 00 00 00 0a 05 00 07";

#[test]
fn a_gratuitous_arp_goes_out_by_its_link() {
    isolated(|| {
        let peer = two_links();
        let a1 = link(&mut Route::open().unwrap(), "a1").index;
        let socket = listen(&peer);
        let (own, address) = (Netns::current().unwrap(), "10.5.0.7".parse().unwrap());
        let mut announcer = Announcer::open_in(&own, a1, mac(), address).unwrap();
        announcer.announce(address).unwrap();
        let (index, frame) = next_frame(&socket, 0x0806, |_| true);
        assert_eq!(index, b1(&peer));
        assert_eq!(hex(&frame), GRATUITOUS_ARP);
    });
}

/// The same frame, by the kernel; and nothing of it stays.
#[test]
fn the_kernel_sends_a_gratuitous_arp_when_it_is_asked_for_an_own_address() {
    isolated(|| {
        let peer = two_links();
        ip("addr add 10.5.0.7/24 dev a1");
        let mut route = Route::open().unwrap();
        let a1 = link(&mut route, "a1").index;
        let socket = listen(&peer);
        for _again in 0..2 {
            route.announce(a1, Ipv4Addr::new(10, 5, 0, 7)).unwrap();
            let (index, frame) = next_frame(&socket, 0x0806, |_| true);
            assert_eq!(index, b1(&peer));
            assert_eq!(hex(&frame), GRATUITOUS_ARP);
            let neighbours = Command::new("ip").args(["neigh", "show", "dev", "a1"]).output();
            assert_eq!(String::from_utf8(neighbours.unwrap().stdout).unwrap(), "");
        }
        let error = route.announce(9999, Ipv4Addr::new(10, 5, 0, 7)).unwrap_err();
        assert!(error.is(Errno::ENODEV), "{error}");
        assert!(error.to_string().starts_with("announce link 9999: 10.5.0.7"), "{error}");
    });
}

#[test]
fn an_unsolicited_advertisement_goes_out_by_its_link() {
    isolated(|| {
        let peer = two_links();
        ip("addr add 2001:db8:5::7/64 dev a1 nodad");
        let a1 = link(&mut Route::open().unwrap(), "a1").index;
        let socket = listen(&peer);
        let (own, address) = (Netns::current().unwrap(), "2001:db8:5::7".parse().unwrap());
        let mut announcer = Announcer::open_in(&own, a1, mac(), address).unwrap();
        announcer.announce(address).unwrap();
        let is_advertisement = |packet: &[u8]| packet.get(6) == Some(&58) && packet[40] == 136;
        let (index, frame) = next_frame(&socket, 0x86dd, is_advertisement);
        assert_eq!(index, b1(&peer));
        let (ethernet, packet) = frame.split_at(14);
        assert_eq!(hex(ethernet), "33 33 00 00 00 01 02 00 00 00 00 01 86 dd");
        let (header, advertisement) = packet.split_at(40);
        assert_eq!(header[7], 255, "hop limit");
        let source = "20 01 0d b8 00 05 00 00 00 00 00 00 00 00 00 07";
        assert_eq!(hex(&header[8..24]), source);
        assert_eq!(hex(&header[24..]), "ff 02 00 00 00 00 00 00 00 00 00 00 00 00 00 01");
        assert_eq!(hex(&advertisement[..2]), "88 00");
        assert_eq!(checksum(header, advertisement), 0, "of {}", hex(&advertisement[2..4]));
        assert_eq!(
            hex(&advertisement[4..]),
            format!("20 00 00 00 {source} 02 01 02 00 00 00 00 01")
        );
    });
}

#[test]
fn what_cannot_be_announced_says_so() {
    isolated(|| {
        let _peer = two_links();
        let own = Netns::current().unwrap();
        let a1 = link(&mut Route::open().unwrap(), "a1").index;
        let open = |index, like: IpAddr| Announcer::open_in(&own, index, mac(), like).unwrap();
        let [four, six] = ["10.5.0.7", "2001:db8:5::7"].map(|text| text.parse().unwrap());
        let error = open(a1, six).announce(six).unwrap_err();
        assert!(error.is(Errno::EINVAL), "an address that it does not have: {error}");
        ip("link set a1 down");
        let error = open(a1, four).announce(four).unwrap_err();
        assert!(error.is(Errno::ENETDOWN), "{error}");
        assert!(error.to_string().starts_with("announce 10.5.0.7 at 02:00:00:00:00:01 on link "));
        assert!(open(9999, four).announce(four).unwrap_err().is(Errno::ENXIO));
    });
}

/// The checksum over the pseudo header and the message, which is 0 when the message's own is
/// right.
fn checksum(header: &[u8], message: &[u8]) -> u16 {
    let length = u32::try_from(message.len()).unwrap().to_be_bytes();
    let parts = [&header[8..40], &length, &[0, 0, 0, 58], message].concat();
    let sum: u32 =
        parts.chunks(2).map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]]))).sum();
    let folded = (sum & 0xffff) + (sum >> 16);
    !u16::try_from((folded & 0xffff) + (folded >> 16)).unwrap()
}
