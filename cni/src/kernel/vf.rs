//! VFs as their PF has them: IFLA_VFINFO_LIST.

use std::collections::BTreeMap;

use conf::{Guid, LinkState, Mac, OnOff, VfIndex, VlanId, VlanProto, VlanQos};

use super::Error;
use super::netlink::Route;

/// What the PF's driver reports of one VF. `None`: it does not report it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VfConfig {
    /// Which VF.
    pub index: VfIndex,
    /// The MAC that the PF assigned; zero, or the VF's own, when it assigned none. On InfiniBand
    /// the first six of its octets.
    pub mac: Mac,
    /// VLAN id; 0: untagged.
    pub vlan: VlanId,
    /// VLAN priority.
    pub qos: VlanQos,
    /// VLAN protocol.
    pub proto: VlanProto,
    /// Least bandwidth, Mbit/s; 0: none.
    pub min_tx_rate: u32,
    /// Greatest bandwidth, Mbit/s; 0: no limit.
    pub max_tx_rate: u32,
    /// Spoof check.
    pub spoofchk: Option<OnOff>,
    /// Trust.
    pub trust: Option<OnOff>,
    /// Link state policy.
    pub link_state: Option<LinkState>,
    /// Whether the VF may query its RSS configuration.
    pub rss_query: Option<OnOff>,
    /// InfiniBand node GUID.
    pub node_guid: Option<Guid>,
    /// InfiniBand port GUID.
    pub port_guid: Option<Guid>,
}

/// What to set of one VF; `None` is left as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct VfChange {
    /// The MAC that the PF assigns; zero takes the assignment back.
    pub mac: Option<Mac>,
    /// VLAN id, priority and protocol.
    pub vlan: Option<(VlanId, VlanQos, VlanProto)>,
    /// Least and greatest bandwidth, Mbit/s; 0: none.
    pub rate: Option<(u32, u32)>,
    /// Spoof check.
    pub spoofchk: Option<OnOff>,
    /// Trust.
    pub trust: Option<OnOff>,
    /// Link state policy.
    pub link_state: Option<LinkState>,
    /// InfiniBand node GUID.
    pub node_guid: Option<Guid>,
    /// InfiniBand port GUID.
    pub port_guid: Option<Guid>,
}

impl VfChange {
    /// Whether it asks for nothing.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// What of it `now` does not have yet. After a failed [`Route::set_vf`] of a change that was
    /// all needed, the first attribute that is still needed is the one that was refused.
    #[must_use]
    pub fn needed(&self, now: &VfConfig) -> Self {
        let _ = now;
        todo!()
    }

    /// The change that sets what this one sets back to what `before` had.
    #[must_use]
    pub fn undoing(&self, before: &VfConfig) -> Self {
        let _ = before;
        todo!()
    }
}

impl std::fmt::Display for VfChange {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let _ = f;
        todo!()
    }
}

impl Route {
    /// One VF of the PF with this link index; `None` when the PF reports no such VF.
    pub fn vf(&mut self, pf_index: u32, vf: VfIndex) -> Result<Option<VfConfig>, Error> {
        let _ = (pf_index, vf);
        todo!()
    }

    /// All VFs of the PF with this link index.
    pub fn vfs(&mut self, pf_index: u32) -> Result<BTreeMap<VfIndex, VfConfig>, Error> {
        let _ = pf_index;
        todo!()
    }

    /// Sets attributes of one VF, in one request.
    pub fn set_vf(&mut self, pf_index: u32, vf: VfIndex, change: &VfChange) -> Result<(), Error> {
        let _ = (pf_index, vf, change);
        todo!()
    }
}
