//! Telling the neighbours which MAC address an IP address has now.
//!
//! An address that was another VF's a moment ago is still in their caches. A gratuitous ARP
//! (RFC 5227 section 3) or an unsolicited neighbour advertisement (RFC 4861 section 7.2.6) makes
//! them look again; nobody answers either, so that nobody knows whether they have been heard.
//!
//! A packet socket can send any ARP, but to close one takes a grace period of RCU, some 10 to 20
//! milliseconds (`packet_release`, net/packet/af_packet.c). So the kernel is had to ask for the
//! address as it asks for any neighbour ([`Route::announce`]): the question, from the address for
//! the address, is a gratuitous ARP. Where the kernel would ask from another address, there is
//! the socket ([`Announcer`]).

use std::io::IoSlice;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddrV6};
use std::os::fd::{AsRawFd, OwnedFd};

use conf::Mac;
use netlink_packet_core::{NLM_F_CREATE, NLM_F_REPLACE};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::neighbour::{NeighbourAttribute, NeighbourFlags, NeighbourMessage};
use nix::sys::socket::{
    AddressFamily, ControlMessage, MsgFlags, SockFlag, SockProtocol, SockType, SockaddrIn6,
    sendmsg, setsockopt, socket, sockopt::Ipv6MulticastHops,
};

use super::netlink::Route;
use super::netns::{self, Netns};
use super::{Cause, Errno, Error};

impl Route {
    /// Sends one gratuitous ARP for an address that the link has, as the only one of its network,
    /// or as the first: the kernel asks from that one. Nothing is sent while the link is down.
    pub fn announce(&mut self, index: u32, address: Ipv4Addr) -> Result<(), Error> {
        let mut message = NeighbourMessage::default();
        message.header.family = netlink_packet_route::AddressFamily::Inet;
        message.header.ifindex = index;
        message.header.flags = NeighbourFlags::Use;
        message.attributes = vec![NeighbourAttribute::Destination(address.into())];
        let question = RouteNetlinkMessage::NewNeighbour(message.clone());
        // It would be asked twice more, and stay as a neighbour that does not answer.
        let no_more = RouteNetlinkMessage::DelNeighbour(message);
        self.change(question, NLM_F_CREATE | NLM_F_REPLACE)
            .and_then(|()| self.change(no_more, 0))
            .map_err(|cause| self.failed(index, "announce", address, cause))
    }
}

/// A socket for announcements through one link, of addresses of one family.
#[derive(Debug)]
pub struct Announcer {
    index: u32,
    mac: Mac,
    socket: OwnedFd,
}

impl Announcer {
    /// For addresses of the family of `like`, through the link with this index in `netns`, whose
    /// address is `mac`.
    pub fn open_in(netns: &Netns, index: u32, mac: Mac, like: IpAddr) -> Result<Self, Error> {
        let (name, open): (_, fn() -> Result<OwnedFd, Errno>) = match like {
            IpAddr::V4(_) => ("a socket for ARP", open_arp),
            IpAddr::V6(_) => ("a socket for ICMPv6", open_icmp6),
        };
        match netns::enter(netns, open)? {
            Ok(socket) => Ok(Self { index, mac, socket }),
            Err(errno) => Err(Error::new("open", name, errno)),
        }
    }

    /// Sends one gratuitous ARP (IPv4) or one unsolicited neighbour advertisement (IPv6). The link
    /// must be up (ENETDOWN), and an IPv6 address be one that it has (EINVAL).
    pub fn announce(&mut self, address: IpAddr) -> Result<(), Error> {
        let sent = match address {
            IpAddr::V4(address) => self.send_arp(address),
            IpAddr::V6(address) => self.send_advertisement(address),
        };
        sent.map_err(|errno| {
            let object = format!("{address} at {} on link {}", self.mac, self.index);
            Error::new("announce", object, Cause::from(errno))
        })
    }

    fn send_arp(&self, address: Ipv4Addr) -> Result<(), Errno> {
        let packet = arp_request(self.mac, address);
        let broadcast = libc::sockaddr_ll {
            sll_family: u16::try_from(libc::AF_PACKET).map_err(|_too_big| Errno::EINVAL)?,
            sll_protocol: ETH_P_ARP.to_be(),
            sll_ifindex: i32::try_from(self.index).map_err(|_too_big| Errno::ENODEV)?,
            sll_hatype: 0,
            sll_pkttype: 0,
            sll_halen: 6,
            sll_addr: [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0],
        };
        let length = libc::socklen_t::try_from(size_of_val(&broadcast));
        #[expect(unsafe_code, reason = "nix cannot make a link-layer address")]
        // SAFETY: packet and address are read, for the lengths given, and outlive the call.
        let sent = unsafe {
            libc::sendto(
                self.socket.as_raw_fd(),
                packet.as_ptr().cast(),
                packet.len(),
                libc::MSG_DONTWAIT,
                (&raw const broadcast).cast(),
                length.map_err(|_too_big| Errno::EINVAL)?,
            )
        };
        Errno::result(sent).map(|_sent| ())
    }

    fn send_advertisement(&self, address: Ipv6Addr) -> Result<(), Errno> {
        let packet = advertisement(self.mac, address);
        // The source address and the outgoing link are said with the packet: without, the kernel
        // would choose both by its routes.
        let from = libc::in6_pktinfo {
            ipi6_addr: libc::in6_addr { s6_addr: address.octets() },
            ipi6_ifindex: self.index,
        };
        let to = SockaddrIn6::from(SocketAddrV6::new(ALL_NODES, 0, 0, self.index));
        sendmsg(
            self.socket.as_raw_fd(),
            &[IoSlice::new(&packet)],
            &[ControlMessage::Ipv6PacketInfo(&from)],
            MsgFlags::MSG_DONTWAIT,
            Some(&to),
        )
        .map(|_sent| ())
    }
}

/// All nodes of the link.
const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);

/// EtherType of ARP.
const ETH_P_ARP: u16 = 0x0806;

/// Receives nothing: a packet socket without protocol.
fn open_arp() -> Result<OwnedFd, Errno> {
    socket(AddressFamily::Packet, SockType::Datagram, SockFlag::SOCK_CLOEXEC, None)
}

/// The kernel fills in the checksum of ICMPv6 (RFC 3542 section 3.1). Receivers drop neighbour
/// discovery that came over a router: its hop limit must be 255 (RFC 4861 section 7.1.2).
fn open_icmp6() -> Result<OwnedFd, Errno> {
    let icmp6 = Some(SockProtocol::IcmpV6);
    let socket = socket(AddressFamily::Inet6, SockType::Raw, SockFlag::SOCK_CLOEXEC, icmp6)?;
    setsockopt(&socket, Ipv6MulticastHops, &255)?;
    Ok(socket)
}

/// An ARP request for one's own address: RFC 826's fields in order.
fn arp_request(mac: Mac, address: Ipv4Addr) -> Vec<u8> {
    let mut packet = vec![0, 1, 8, 0, 6, 4, 0, 1]; // Ethernet, IPv4, their lengths, request
    packet.extend(mac.octets());
    packet.extend(address.octets());
    packet.extend([0; 6]);
    packet.extend(address.octets());
    packet
}

/// A neighbour advertisement that overrides what is cached, with the target's link-layer address.
fn advertisement(mac: Mac, address: Ipv6Addr) -> Vec<u8> {
    let mut packet = vec![136, 0, 0, 0, 0x20, 0, 0, 0]; // type, code, checksum, override
    packet.extend(address.octets());
    packet.extend([2, 1]); // target link-layer address, of 8 octets
    packet.extend(mac.octets());
    packet
}
