//! What VFs have sent and received, as the driver of their PF counts it: IFLA_VF_STATS.
//!
//! A driver without `ndo_get_vf_stats` (igb, for one) counts nothing, and the kernel says 0 for it
//! (`rtnl_fill_vfinfo`, net/core/rtnetlink.c): the two cannot be told apart.

use std::collections::BTreeMap;

use conf::VfIndex;
use netlink_packet_core::parse_u64;
use netlink_packet_route::link::LinkExtentMask;

use super::decode;
use crate::kernel::link::decode::attributes;
use crate::kernel::netlink::{Route, malformed};
use crate::kernel::{Cause, Error};

// include/uapi/linux/if_link.h
const IFLA_VF_STATS: u16 = 8;
const IFLA_VF_STATS_RX_PACKETS: u16 = 0;
const IFLA_VF_STATS_TX_PACKETS: u16 = 1;
const IFLA_VF_STATS_RX_BYTES: u16 = 2;
const IFLA_VF_STATS_TX_BYTES: u16 = 3;
const IFLA_VF_STATS_BROADCAST: u16 = 4;
const IFLA_VF_STATS_MULTICAST: u16 = 5;
const IFLA_VF_STATS_RX_DROPPED: u16 = 7;
const IFLA_VF_STATS_TX_DROPPED: u16 = 8;

/// The most that the kernel tells of a VF with statistics, in octets: everything, with GUIDs, and
/// before each counter the padding that some machines need.
const MOST: u64 = 236 + 4 + 8 * (12 + 4);

/// What one VF has sent and received since its PF's driver began to count: seen from the VF, so
/// that it received what was sent to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct VfStats {
    /// Packets received.
    pub rx_packets: u64,
    /// Packets sent.
    pub tx_packets: u64,
    /// Octets received.
    pub rx_bytes: u64,
    /// Octets sent.
    pub tx_bytes: u64,
    /// Broadcast packets received.
    pub broadcast: u64,
    /// Multicast packets received.
    pub multicast: u64,
    /// Packets for it that were dropped.
    pub rx_dropped: u64,
    /// Packets of it that were dropped.
    pub tx_dropped: u64,
}

impl Route {
    /// What all VFs of the PF with this link index have sent and received, by one request.
    pub fn vf_stats(&mut self, pf_index: u32) -> Result<BTreeMap<VfIndex, VfStats>, Error> {
        let listed = self.ask_of_vfs(pf_index, vec![LinkExtentMask::Vf], |payload| {
            decode::entries(payload, MOST, |_, entry| stats(entry))
        })?;
        if listed.complete { Ok(listed.found) } else { Err(self.too_big(pf_index)) }
    }
}

/// The counters in one entry of the list; `None` where it has none.
fn stats(entry: &[u8]) -> Result<Option<VfStats>, Cause> {
    for attribute in attributes(entry) {
        let attribute = attribute.map_err(malformed)?;
        if attribute.kind() == IFLA_VF_STATS {
            return counters(attribute.value()).map(Some);
        }
    }
    Ok(None)
}

fn counters(octets: &[u8]) -> Result<VfStats, Cause> {
    let mut stats = VfStats::default();
    for counter in attributes(octets) {
        let counter = counter.map_err(malformed)?;
        let place = match counter.kind() {
            IFLA_VF_STATS_RX_PACKETS => &mut stats.rx_packets,
            IFLA_VF_STATS_TX_PACKETS => &mut stats.tx_packets,
            IFLA_VF_STATS_RX_BYTES => &mut stats.rx_bytes,
            IFLA_VF_STATS_TX_BYTES => &mut stats.tx_bytes,
            IFLA_VF_STATS_BROADCAST => &mut stats.broadcast,
            IFLA_VF_STATS_MULTICAST => &mut stats.multicast,
            IFLA_VF_STATS_RX_DROPPED => &mut stats.rx_dropped,
            IFLA_VF_STATS_TX_DROPPED => &mut stats.tx_dropped,
            _ => continue,
        };
        *place = parse_u64(counter.value()).map_err(malformed)?;
    }
    Ok(stats)
}

#[cfg(test)]
mod tests;
