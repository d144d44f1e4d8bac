//! What the kernel tells of an interface over netlink, attribute by attribute and not decoded: of what no program
//! knows a name for, too.

use std::os::fd::AsRawFd;

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, recv, sendto, socket,
};

// include/uapi/linux/netlink.h, rtnetlink.h, genetlink.h, ethtool_netlink.h
/// NLM_F_REQUEST and NLM_F_ACK: what has nothing to say at least says so.
const REQUEST: u16 = 1 | 4;
const NLMSG_ERROR: u16 = 2;
const NLA_F_NESTED: u16 = 1 << 15;
const NLA_TYPE_MASK: u16 = 0x3fff;
const RTM_GETLINK: u16 = 18;
const IFLA_IFNAME: u16 = 3;
const GENL_ID_CTRL: u16 = 16;
const CTRL_CMD_GETFAMILY: u8 = 3;
const CTRL_ATTR_FAMILY_ID: u16 = 1;
const CTRL_ATTR_FAMILY_NAME: u16 = 2;
const CTRL_ATTR_OPS: u16 = 6;
const CTRL_ATTR_OP_ID: u16 = 1;
const ETHTOOL_A_HEADER: u16 = 1;
const ETHTOOL_A_HEADER_DEV_NAME: u16 = 2;

/// Octets of `struct nlmsghdr`, of `struct ifinfomsg`, of `struct genlmsghdr`.
const HEADER: usize = 16;
const LINK_HEADER: usize = 16;
const GENERIC_HEADER: usize = 4;

/// Attributes by kind.
pub(super) type Attributes = Vec<(u16, Vec<u8>)>;

/// The flags of an interface of the calling thread's namespace, and its attributes.
#[track_caller]
pub(super) fn link(name: &str) -> (u32, Attributes) {
    let body = [vec![0; LINK_HEADER], attribute(IFLA_IFNAME, &text(name))].concat();
    let answer = ask(SockProtocol::NetlinkRoute, RTM_GETLINK, &body);
    let answer = answer.unwrap_or_else(|errno| panic!("ask for link {name}: {errno}"));
    let flags = answer[8..12].try_into().expect("four octets");
    (u32::from_ne_bytes(flags), attributes(&answer[LINK_HEADER..]))
}

/// The kernel's number of the family `ethtool`, and the numbers of its commands.
#[track_caller]
pub(super) fn ethtool_family() -> (u16, Vec<u8>) {
    let body = generic(CTRL_CMD_GETFAMILY, &attribute(CTRL_ATTR_FAMILY_NAME, &text("ethtool")));
    let answer = ask(SockProtocol::NetlinkGeneric, GENL_ID_CTRL, &body).expect("the family");
    let answer = attributes(&answer[GENERIC_HEADER..]);
    let of_kind = |kind: u16| {
        let found = answer.iter().find(|(own, _)| *own == kind);
        found.map(|(_, value)| value.clone()).expect("an attribute")
    };
    let family = of_kind(CTRL_ATTR_FAMILY_ID);
    let operations = attributes(&of_kind(CTRL_ATTR_OPS));
    let commands = operations.iter().flat_map(|(_, operation)| attributes(operation));
    let commands = commands.filter(|(kind, _)| *kind == CTRL_ATTR_OP_ID).map(|(_, id)| id[0]);
    (u16::from_ne_bytes([family[0], family[1]]), commands.collect())
}

/// What a GET of the family `ethtool` is answered with.
pub(super) fn ethtool(family: u16, command: u8, name: &str) -> Result<Attributes, Errno> {
    let device = attribute(ETHTOOL_A_HEADER_DEV_NAME, &text(name));
    let body = generic(command, &attribute(ETHTOOL_A_HEADER | NLA_F_NESTED, &device));
    let answer = ask(SockProtocol::NetlinkGeneric, family, &body)?;
    let mut answer = attributes(answer.get(GENERIC_HEADER..).unwrap_or_default());
    answer.retain(|(kind, _)| *kind != ETHTOOL_A_HEADER);
    Ok(answer)
}

/// The attributes in these octets.
pub(super) fn attributes(mut octets: &[u8]) -> Attributes {
    let mut found = Vec::new();
    while let [a, b, c, d, ..] = *octets {
        let length = usize::from(u16::from_ne_bytes([a, b]));
        let kind = u16::from_ne_bytes([c, d]) & NLA_TYPE_MASK;
        let Some(value) = octets.get(4..length) else { break };
        found.push((kind, value.to_vec()));
        octets = octets.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    found
}

fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
    let length = u16::try_from(4 + value.len()).expect("a short attribute");
    let mut octets = [length.to_ne_bytes(), kind.to_ne_bytes()].concat();
    octets.extend(value);
    octets.resize(octets.len().next_multiple_of(4), 0);
    octets
}

fn text(value: &str) -> Vec<u8> {
    [value.as_bytes(), &[0]].concat()
}

fn generic(command: u8, attributes: &[u8]) -> Vec<u8> {
    [&[command, 1, 0, 0], attributes].concat()
}

/// One request with one answer, which comes without its header.
fn ask(protocol: SockProtocol, kind: u16, body: &[u8]) -> Result<Vec<u8>, Errno> {
    let socket = socket(AddressFamily::Netlink, SockType::Raw, SockFlag::SOCK_CLOEXEC, protocol)?;
    let length = u32::try_from(HEADER + body.len()).expect("a short message");
    let mut message = length.to_ne_bytes().to_vec();
    message.extend([kind.to_ne_bytes(), REQUEST.to_ne_bytes()].concat());
    message.extend([[1, 0, 0, 0], [0; 4]].concat());
    message.extend(body);
    sendto(socket.as_raw_fd(), &message, &NetlinkAddr::new(0, 0), MsgFlags::empty())?;
    let mut answer = vec![0; 64 * 1024];
    let received = recv(socket.as_raw_fd(), &mut answer, MsgFlags::empty())?;
    answer.truncate(received);
    let field = |at: usize| i32::from_ne_bytes(answer[at..at + 4].try_into().expect("a header"));
    if u16::from_ne_bytes([answer[4], answer[5]]) == NLMSG_ERROR {
        return match field(HEADER) {
            0 => Ok(Vec::new()),
            errno => Err(Errno::from_raw(-errno)),
        };
    }
    let length = usize::try_from(field(0)).expect("a length");
    Ok(answer[HEADER..length].to_vec())
}
