//! What shows that the host uses a link, apart from what the link itself tells: addresses with where
//! they came from, what filters its frames, and what stands on it unseen.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::net::IpAddr;
use std::path::Path;

use netlink_packet_core::{NLM_F_ECHO, Parseable, parse_string};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::address::{
    AddressAttribute, AddressFlags, AddressMessage, AddressProtocol, AddressScope,
};
use netlink_packet_route::tc::{TcHandle, TcMessage};

use super::link::decode::attributes;
use super::netlink::{Route, malformed};
use super::{Cause, Errno, Error, procfs};

/// Octets of `struct tcmsg`, and the attribute with a queueing discipline's kind
/// (include/uapi/linux/rtnetlink.h).
const TC_HEADER: usize = 20;
const TCA_KIND: u16 = 1;

/// The multicast addresses that whoever speaks IPv4 or IPv6 on an Ethernet link listens to: those
/// of 224.0.0.1 and of ff02::1.
const ALL_NODES: [&str; 2] = ["01005e000001", "333300000001"];

/// An address of a link, and where it came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// The link.
    pub index: u32,
    /// The address.
    pub ip: IpAddr,
    /// It reaches no farther than the link.
    pub link_local: bool,
    /// It was made of a prefix that a router announces (SLAAC).
    pub announced: bool,
}

impl Route {
    /// The addresses of one link, or of all.
    pub fn standing_addresses(&mut self, index: Option<u32>) -> Result<Vec<Standing>, Error> {
        let mut message = AddressMessage::default();
        message.header.index = index.unwrap_or_default();
        let found = self.dump(&RouteNetlinkMessage::GetAddress(message), |payload| {
            let found = AddressMessage::parse(payload).map_err(malformed)?;
            Ok(standing(&found).filter(|found| index.is_none_or(|index| found.index == index)))
        });
        found.map_err(|cause| Error::new("list", "addresses", cause))
    }

    /// What has programs look at the frames of a link (`clsact`, `ingress`); `None` for nothing,
    /// also where the link is gone.
    pub fn ingress(&mut self, index: u32) -> Result<Option<String>, Error> {
        let mut message = TcMessage::default();
        message.header.index = i32::try_from(index).unwrap_or(i32::MAX);
        message.header.parent = TcHandle::INGRESS;
        let message = RouteNetlinkMessage::GetQueueDiscipline(message);
        // Without an echo nobody hears of it but those who listen to all changes. Where there was
        // one and none is any more, there is an acknowledgement and nothing else.
        match self.ask_if_any(message, NLM_F_ECHO, kind) {
            Err(Cause::Errno {
                errno: Errno::ENOENT | Errno::ENODEV | Errno::EINVAL | Errno::EOPNOTSUPP,
                ..
            }) => Ok(None),
            Err(cause) => Err(self.failed(index, "list", "traffic control", cause)),
            Ok(kind) => Ok(kind),
        }
    }
}

/// The kind of a queueing discipline.
fn kind(payload: &[u8]) -> Result<String, Cause> {
    for attribute in attributes(payload.get(TC_HEADER..).unwrap_or_default()) {
        let attribute = attribute.map_err(malformed)?;
        if attribute.kind() == TCA_KIND {
            return parse_string(attribute.value()).map_err(malformed);
        }
    }
    Err(Cause::Malformed("a queueing discipline without a kind".to_owned()))
}

/// `None` when it has no address of a family that railhead knows.
fn standing(message: &AddressMessage) -> Option<Standing> {
    let (mut local, mut peer) = (None, None);
    let mut flags = AddressFlags::empty();
    let mut origin = None;
    for attribute in &message.attributes {
        match attribute {
            AddressAttribute::Local(address) => local = Some(*address),
            AddressAttribute::Address(address) => peer = Some(*address),
            AddressAttribute::Flags(found) => flags = *found,
            AddressAttribute::Protocol(found) => origin = Some(*found),
            _ => {}
        }
    }
    let ip: IpAddr = local.or(peer)?;
    let header = &message.header;
    // IFA_F_SECONDARY of an IPv6 address is IFA_F_TEMPORARY. Before Linux 5.18 the kernel does not
    // say where an address came from, and some that speak with routers themselves do not either.
    let is_dynamic = !flags.contains(AddressFlags::Permanent) && header.prefix_len == 64;
    let is_of_a_kind = flags.contains(AddressFlags::Managetempaddr)
        || flags.contains(AddressFlags::Secondary)
        || is_dynamic;
    let announced = ip.is_ipv6()
        && (is_of_a_kind || matches!(origin, Some(AddressProtocol::RouterAnnouncement)));
    Some(Standing {
        index: header.index,
        ip,
        link_local: ip.is_ipv6() && header.scope == AddressScope::Link,
        announced,
    })
}

/// The links of the calling thread's namespace that some other link stands on, in whatever
/// namespace that is, as far as both are up: what listens on the upper one makes the lower one
/// listen a second time. A VLAN or a macvlan in another namespace shows nowhere else in ours.
pub fn shared() -> Result<BTreeSet<u32>, Error> {
    let path = Path::new("/proc/thread-self/net/dev_mcast");
    let text = procfs::read(path)?.unwrap_or_default();
    Ok(String::from_utf8_lossy(&text).lines().filter_map(shared_link).collect())
}

/// `3    d0              2     0     01005e000001`: link, name, how many times, how many of those by
/// hand, address.
fn shared_link(line: &str) -> Option<u32> {
    let mut fields = line.split_ascii_whitespace();
    let index = fields.next()?.parse().ok()?;
    let times: u32 = fields.nth(1)?.parse().ok()?;
    let address = fields.nth(1)?;
    (times > 1 && ALL_NODES.contains(&address)).then_some(index)
}

/// How many packet sockets listen at each link of the calling thread's namespace. Those that listen
/// at all links at once say nothing about one.
pub fn packet_sockets() -> Result<BTreeMap<u32, u32>, Error> {
    let path = Path::new("/proc/thread-self/net/packet");
    let text = procfs::read(path)?.unwrap_or_default();
    let mut sockets = BTreeMap::new();
    for index in String::from_utf8_lossy(&text).lines().filter_map(packet_link) {
        *sockets.entry(index).or_default() += 1;
    }
    Ok(sockets)
}

/// `0000000000000000 3      3    0003   2     1 0      0      12345`: socket, references, type,
/// protocol, link, running, memory, user, inode.
fn packet_link(line: &str) -> Option<u32> {
    let index = line.split_ascii_whitespace().nth(4)?.parse().ok()?;
    (index != 0).then_some(index)
}

/// How links queue what they send unless told otherwise (`net.core.default_qdisc`).
pub fn default_qdisc() -> String {
    let value = fs::read_to_string("/proc/sys/net/core/default_qdisc").unwrap_or_default();
    value.trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_that_listens_twice_is_shared() {
        assert_eq!(shared_link("3    d0              2     0     01005e000001"), Some(3));
        assert_eq!(shared_link("12   ens1f0v1        3     0     333300000001"), Some(12));
        assert_eq!(shared_link("3    d0              1     0     01005e000001"), None);
        assert_eq!(shared_link("3    d0              2     0     0180c200000e"), None);
        assert_eq!(shared_link(""), None);
    }

    #[test]
    fn a_packet_socket_listens_at_one_link_or_at_all() {
        let head = "sk               RefCnt Type Proto  Iface R Rmem   User   Inode";
        assert_eq!(packet_link(head), None);
        assert_eq!(
            packet_link("0000000000000000 3      3    88cc   12    1 0      0      7"),
            Some(12)
        );
        assert_eq!(
            packet_link("0000000000000000 3      3    0003   0     1 0      0      7"),
            None
        );
    }
}
