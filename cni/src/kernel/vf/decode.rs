//! Reading IFLA_VFINFO_LIST: the list and its entries; what stands in an entry.
//!
//! netlink-packet-route reads it too, but takes "the driver does not say" (-1) for "off" and
//! cannot skip the VFs that nobody asked for.

use std::collections::BTreeMap;

use conf::{Guid, LinkState, Mac, OnOff, VfIndex, VlanId, VlanProto, VlanQos};
use netlink_packet_core::parse_u32;

use super::VfConfig;
use crate::kernel::Cause;
use crate::kernel::link::decode::{HEADER, attributes};
use crate::kernel::netlink::malformed;

// include/uapi/linux/if_link.h
const IFLA_NUM_VF: u16 = 21;
const IFLA_VFINFO_LIST: u16 = 22;
const IFLA_VF_INFO: u16 = 1;
const IFLA_VF_MAC: u16 = 1;
const IFLA_VF_VLAN: u16 = 2;
const IFLA_VF_SPOOFCHK: u16 = 4;
const IFLA_VF_LINK_STATE: u16 = 5;
const IFLA_VF_RATE: u16 = 6;
const IFLA_VF_RSS_QUERY_EN: u16 = 7;
const IFLA_VF_TRUST: u16 = 9;
const IFLA_VF_IB_NODE_GUID: u16 = 10;
const IFLA_VF_IB_PORT_GUID: u16 = 11;
const IFLA_VF_VLAN_LIST: u16 = 12;
const IFLA_VF_VLAN_INFO: u16 = 1;

/// The most that the kernel tells of a VF without statistics, in octets: everything, with GUIDs.
const MOST: u64 = 236;

/// What an RTM_NEWLINK says of the VFs that were wanted.
#[derive(Debug)]
pub(super) struct Listed<T> {
    pub(super) found: BTreeMap<VfIndex, T>,
    /// Whether all VFs that the link has were told of; otherwise more than the attribute holds.
    pub(super) complete: bool,
}

/// The VFs in the payload of an RTM_NEWLINK whose index is `wanted`.
pub(super) fn vfs(
    payload: &[u8],
    wanted: impl Fn(VfIndex) -> bool,
) -> Result<Listed<VfConfig>, Cause> {
    let read = |index, entry: &[u8]| wanted(index).then(|| config(index, entry)).transpose();
    entries(payload, MOST, read)
}

/// What `read` makes of the entries in the payload of an RTM_NEWLINK, each of which takes `most`
/// octets at most; `None` is left out.
///
/// A list that outgrows the 16 bits of its length is told with a length that has wrapped round
/// (`nla_nest_end`): its beginning can be read, its rest looks like attributes of the link.
pub(super) fn entries<T>(
    payload: &[u8],
    most: u64,
    read: impl Fn(VfIndex, &[u8]) -> Result<Option<T>, Cause>,
) -> Result<Listed<T>, Cause> {
    let mut announced = 0;
    for attribute in attributes(payload.get(HEADER..).unwrap_or_default()) {
        match attribute {
            Ok(found) if found.kind() == IFLA_NUM_VF => {
                announced = parse_u32(found.value()).map_err(malformed)?;
            }
            Ok(found) if found.kind() == IFLA_VFINFO_LIST => {
                return list(found.value(), announced, most, read);
            }
            Ok(_) => {}
            Err(_) if overflows(announced, most) => {
                return Ok(Listed { found: BTreeMap::new(), complete: false });
            }
            Err(error) => return Err(malformed(error)),
        }
    }
    // A driver without ndo_get_vf_config tells of none.
    Ok(Listed { found: BTreeMap::new(), complete: true })
}

fn list<T>(
    octets: &[u8],
    announced: u32,
    most: u64,
    read: impl Fn(VfIndex, &[u8]) -> Result<Option<T>, Cause>,
) -> Result<Listed<T>, Cause> {
    let mut found = BTreeMap::new();
    let mut told = 0;
    for entry in attributes(octets) {
        let entry = match entry {
            Ok(entry) if entry.kind() == IFLA_VF_INFO => entry,
            Ok(_) => continue,
            Err(_) if overflows(announced, most) => break,
            Err(error) => return Err(malformed(error)),
        };
        told += 1;
        let index = index(entry.value())?;
        if let Some(read) = read(index, entry.value())? {
            found.insert(index, read);
        }
    }
    Ok(Listed { found, complete: told >= announced || !overflows(announced, most) })
}

/// Whether so many VFs of `most` octets can be too many for one attribute.
fn overflows(vfs: u32, most: u64) -> bool {
    u64::from(vfs) * most > u64::from(u16::MAX)
}

/// Which VF an entry tells of: every attribute begins with the number; the first is the MAC.
fn index(entry: &[u8]) -> Result<VfIndex, Cause> {
    let first = attributes(entry).next().transpose().map_err(malformed)?;
    let number = first.and_then(|attribute| words::<1>(attribute.value()));
    number
        .and_then(|[number]| u16::try_from(number).ok())
        .map(VfIndex)
        .ok_or_else(|| Cause::Malformed("a VF without a number".to_owned()))
}

fn config(index: VfIndex, entry: &[u8]) -> Result<VfConfig, Cause> {
    let mut config = VfConfig::unset(index);
    for attribute in attributes(entry) {
        let attribute = attribute.map_err(malformed)?;
        apply(&mut config, attribute.kind(), attribute.value()).ok_or_else(|| {
            let kind = attribute.kind();
            Cause::Malformed(format!("VF {index}: attribute {kind}: {:?}", attribute.value()))
        })?;
    }
    Ok(config)
}

/// `None`: the value is none that this attribute can have.
fn apply(config: &mut VfConfig, kind: u16, value: &[u8]) -> Option<()> {
    match kind {
        IFLA_VF_MAC => config.mac = Mac::from_slice(value.get(4..10)?)?,
        IFLA_VF_VLAN => {
            let [_, vlan, qos] = words(value)?;
            config.vlan = VlanId::try_from(i64::from(vlan)).ok()?;
            config.qos = VlanQos::try_from(i64::from(qos)).ok()?;
        }
        IFLA_VF_VLAN_LIST => config.proto = vlan_proto(value)?,
        IFLA_VF_RATE => {
            let [_, least, most] = words(value)?;
            (config.min_tx_rate, config.max_tx_rate) = (least, most);
        }
        IFLA_VF_SPOOFCHK => config.spoofchk = switch(value)?,
        IFLA_VF_TRUST => config.trust = switch(value)?,
        IFLA_VF_RSS_QUERY_EN => config.rss_query = switch(value)?,
        IFLA_VF_LINK_STATE => {
            let [_, state] = words(value)?;
            config.link_state = match state {
                0 => Some(LinkState::Auto),
                1 => Some(LinkState::Enable),
                2 => Some(LinkState::Disable),
                _ => None,
            };
        }
        IFLA_VF_IB_NODE_GUID => config.node_guid = Some(guid(value)?),
        IFLA_VF_IB_PORT_GUID => config.port_guid = Some(guid(value)?),
        _ => {}
    }
    Some(())
}

/// The protocol of the outermost tag.
fn vlan_proto(list: &[u8]) -> Option<VlanProto> {
    let tag = attributes(list).map_while(Result::ok).find(|tag| tag.kind() == IFLA_VF_VLAN_INFO);
    let octets = tag?.value().get(12..14)?.try_into().ok()?;
    match u16::from_be_bytes(octets) {
        0x8100 => Some(VlanProto::Q),
        0x88a8 => Some(VlanProto::Ad),
        _ => None,
    }
}

/// A switch, which the kernel sets to -1 before it asks the driver.
fn switch(value: &[u8]) -> Option<Option<OnOff>> {
    let [_, setting] = words(value)?;
    Some((setting != u32::MAX).then(|| OnOff::from(setting != 0)))
}

/// `struct ifla_vf_guid`: the VF's number, padding, the GUID as a number in host order.
fn guid(value: &[u8]) -> Option<Guid> {
    let number = u64::from_ne_bytes(value.get(8..16)?.try_into().ok()?);
    Some(Guid::new(number.to_be_bytes()))
}

/// The first `N` 32-bit numbers.
fn words<const N: usize>(value: &[u8]) -> Option<[u32; N]> {
    let mut numbers = [0; N];
    for (number, octets) in numbers.iter_mut().zip(value.get(..N * 4)?.chunks_exact(4)) {
        *number = u32::from_ne_bytes(octets.try_into().ok()?);
    }
    Some(numbers)
}

impl VfConfig {
    /// A VF of which nothing is known yet.
    pub(crate) fn unset(index: VfIndex) -> Self {
        Self {
            index,
            mac: Mac::ZERO,
            vlan: VlanId::UNTAGGED,
            qos: VlanQos::LEAST,
            proto: VlanProto::default(),
            min_tx_rate: 0,
            max_tx_rate: 0,
            spoofchk: None,
            trust: None,
            link_state: None,
            rss_query: None,
            node_guid: None,
            port_guid: None,
        }
    }
}

#[cfg(test)]
mod tests;
