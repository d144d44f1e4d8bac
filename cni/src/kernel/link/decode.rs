//! Reading RTM_NEWLINK.
//!
//! Only what railhead needs is decoded, attribute by attribute: netlink-packet-route refuses a
//! whole message for one attribute that it cannot read, and one odd link would hide all others.

use conf::Mac;
use netlink_packet_core::{DecodeError, NlaBuffer, NlasIterator, parse_string, parse_u32};
use netlink_packet_route::link::{LinkFlags, LinkHeader, LinkLayerType};

use super::{Hardware, Link, LinkSettings, XdpMode};
use crate::kernel::Cause;
use crate::kernel::netlink::malformed;

/// Octets of `struct ifinfomsg`.
pub(in crate::kernel) const HEADER: usize = 16;

// include/uapi/linux/if_link.h
const IFLA_ADDRESS: u16 = 1;
const IFLA_IFNAME: u16 = 3;
const IFLA_MTU: u16 = 4;
const IFLA_QDISC: u16 = 6;
const IFLA_MASTER: u16 = 10;
const IFLA_LINKINFO: u16 = 18;
const IFLA_PROMISCUITY: u16 = 30;
const IFLA_PHYS_SWITCH_ID: u16 = 36;
const IFLA_PHYS_PORT_NAME: u16 = 38;
const IFLA_XDP: u16 = 43;
const IFLA_MIN_MTU: u16 = 50;
const IFLA_MAX_MTU: u16 = 51;
const IFLA_PROP_LIST: u16 = 52;
const IFLA_ALT_IFNAME: u16 = 53;
const IFLA_PERM_ADDRESS: u16 = 54;
const IFLA_PARENT_DEV_NAME: u16 = 56;
const IFLA_PARENT_DEV_BUS_NAME: u16 = 57;
const IFLA_INFO_KIND: u16 = 1;

/// Reads the payload of an RTM_NEWLINK.
pub(in crate::kernel) fn link(payload: &[u8]) -> Result<Link, Cause> {
    let header = LinkHeader::parse(payload).map_err(malformed)?;
    let mut link = bare(&header);
    for attribute in attributes(payload.get(HEADER..).unwrap_or_default()) {
        apply(&mut link, &attribute.map_err(malformed)?).map_err(malformed)?;
    }
    if link.name.is_empty() {
        return Err(Cause::Malformed(format!("link {} has no name", link.index)));
    }
    Ok(link)
}

/// The index of the link that an RTM_NEWLINK is about.
pub(in crate::kernel) fn index(payload: &[u8]) -> Result<u32, Cause> {
    Ok(LinkHeader::parse(payload).map_err(malformed)?.index)
}

/// The attributes of a message or of another attribute.
pub(in crate::kernel) fn attributes(
    octets: &[u8],
) -> impl Iterator<Item = Result<NlaBuffer<&[u8]>, DecodeError>> {
    NlasIterator::new(octets)
}

fn bare(header: &LinkHeader) -> Link {
    let running = LinkFlags::Running | LinkFlags::LowerUp;
    Link {
        index: header.index,
        name: String::new(),
        altnames: Vec::new(),
        mac: None,
        permanent_mac: None,
        hardware: match header.link_layer_type {
            LinkLayerType::Ether => Hardware::Ethernet,
            LinkLayerType::Infiniband => Hardware::InfiniBand,
            LinkLayerType::Loopback => Hardware::Loopback,
            other => Hardware::Other(u16::from(other)),
        },
        mtu: 0,
        min_mtu: 0,
        max_mtu: 0,
        up: header.flags.contains(LinkFlags::Up),
        carrier: header.flags.contains(running),
        promisc: header.flags.contains(LinkFlags::Promisc),
        allmulti: header.flags.contains(LinkFlags::Allmulti),
        promiscuity: 0,
        parent_device: None,
        parent_bus: None,
        port: None,
        switch: None,
        master: None,
        kind: None,
        qdisc: None,
        settings: LinkSettings::of_flags(header.flags.bits()),
        xdp: Vec::new(),
    }
}

fn apply(link: &mut Link, attribute: &NlaBuffer<&[u8]>) -> Result<(), DecodeError> {
    let value = attribute.value();
    match attribute.kind() {
        IFLA_ADDRESS => link.mac = Mac::from_slice(value),
        IFLA_PERM_ADDRESS => link.permanent_mac = Mac::from_slice(value),
        IFLA_IFNAME => link.name = text(value),
        IFLA_MTU => link.mtu = parse_u32(value)?,
        IFLA_MIN_MTU => link.min_mtu = parse_u32(value)?,
        IFLA_MAX_MTU => link.max_mtu = parse_u32(value)?,
        IFLA_MASTER => link.master = Some(parse_u32(value)?),
        IFLA_PROMISCUITY => link.promiscuity = parse_u32(value)?,
        IFLA_PARENT_DEV_NAME => link.parent_device = Some(text(value)),
        IFLA_PARENT_DEV_BUS_NAME => link.parent_bus = Some(text(value)),
        IFLA_PHYS_PORT_NAME => link.port = Some(text(value)),
        IFLA_PHYS_SWITCH_ID => {
            link.switch = Some(value.iter().map(|octet| format!("{octet:02x}")).collect());
        }
        IFLA_PROP_LIST => link.altnames = texts(value, IFLA_ALT_IFNAME)?,
        IFLA_QDISC => link.qdisc = Some(text(value)),
        IFLA_LINKINFO => link.kind = texts(value, IFLA_INFO_KIND)?.pop(),
        IFLA_XDP => link.xdp = XdpMode::attached(value)?,
        kind => link.settings.read(kind, value)?,
    }
    Ok(())
}

/// All texts of one kind in a nested attribute.
fn texts(nested: &[u8], kind: u16) -> Result<Vec<String>, DecodeError> {
    attributes(nested)
        .filter(|attribute| attribute.as_ref().map_or(true, |found| found.kind() == kind))
        .map(|attribute| attribute.map(|found| text(found.value())))
        .collect()
}

/// A text; the kernel takes any octets for a name, so what is not UTF-8 is marked as such.
pub(super) fn text(value: &[u8]) -> String {
    parse_string(value).unwrap_or_else(|_| {
        String::from_utf8_lossy(value.strip_suffix(&[0]).unwrap_or(value)).into_owned()
    })
}
