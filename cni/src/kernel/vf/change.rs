//! What to set of a VF, and its wire form.

use std::fmt;

use conf::{Guid, LinkState, Mac, OnOff, VfIndex, VlanId, VlanProto, VlanQos};
use netlink_packet_route::link::{
    LinkVfInfo, VfInfo, VfInfoGuid, VfInfoLinkState, VfInfoMac, VfInfoRate, VfInfoSpoofCheck,
    VfInfoTrust, VfLinkState, VfVlan, VfVlanInfo, VlanProtocol,
};

use super::VfConfig;

/// What to set of one VF; `None` is left as it is.
///
/// Displays in the order in which the kernel applies it: `vlan 100 qos 0 802.1q, trust on`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct VfChange {
    /// The MAC that the PF assigns; zero takes the assignment back.
    pub mac: Option<Mac>,
    /// VLAN id, priority and protocol.
    pub vlan: Option<(VlanId, VlanQos, VlanProto)>,
    /// Least and greatest bandwidth, Mbit/s; 0: none.
    pub rate: Option<(u32, u32)>,
    /// Spoof check.
    pub spoofchk: Option<OnOff>,
    /// Link state policy.
    pub link_state: Option<LinkState>,
    /// Trust.
    pub trust: Option<OnOff>,
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

    /// What of it `now` does not have yet.
    ///
    /// After a failed [`Route::set_vf`](crate::kernel::netlink::Route::set_vf) of a change that
    /// was all needed, the first attribute still needed is the one that was refused.
    #[must_use]
    pub fn needed(&self, now: &VfConfig) -> Self {
        Self {
            mac: self.mac.filter(|mac| *mac != now.mac),
            vlan: self.vlan.filter(|vlan| *vlan != now.vlan()),
            rate: self.rate.filter(|rate| *rate != now.rate()),
            spoofchk: self.spoofchk.filter(|_| self.spoofchk != now.spoofchk),
            link_state: self.link_state.filter(|_| self.link_state != now.link_state),
            trust: self.trust.filter(|_| self.trust != now.trust),
            node_guid: self.node_guid.filter(|_| self.node_guid != now.node_guid),
            port_guid: self.port_guid.filter(|_| self.port_guid != now.port_guid),
        }
    }

    /// The change that sets what this one sets back to what `before` had. What `before` does not
    /// tell of is left out.
    #[must_use]
    pub fn undoing(&self, before: &VfConfig) -> Self {
        Self {
            mac: self.mac.map(|_| before.mac),
            vlan: self.vlan.map(|_| before.vlan()),
            rate: self.rate.map(|_| before.rate()),
            spoofchk: self.spoofchk.and(before.spoofchk),
            link_state: self.link_state.and(before.link_state),
            trust: self.trust.and(before.trust),
            node_guid: self.node_guid.and(before.node_guid),
            port_guid: self.port_guid.and(before.port_guid),
        }
    }

    /// The entries of IFLA_VFINFO_LIST for `vf`.
    ///
    /// One entry for everything but the GUIDs, and one for each of those: `do_setvfinfo`
    /// (net/core/rtnetlink.c) returns from an entry as soon as it has set a node GUID.
    pub(super) fn wire(&self, vf: VfIndex) -> Vec<LinkVfInfo> {
        let vf = u32::from(vf.0);
        let on = |switch: OnOff| switch == OnOff::On;
        let ethernet = [
            self.mac.map(|mac| VfInfo::Mac(VfInfoMac::new(vf, &mac.octets()))),
            self.vlan.map(|(vlan, qos, proto)| {
                let (vlan, qos) = (u32::from(vlan.get()), u32::from(qos.get()));
                let info = VfVlanInfo::new(vf, vlan, qos, protocol(proto));
                VfInfo::VlanList(vec![VfVlan::Info(info)])
            }),
            self.rate.map(|(least, most)| VfInfo::Rate(VfInfoRate::new(vf, least, most))),
            self.spoofchk.map(|to| VfInfo::SpoofCheck(VfInfoSpoofCheck::new(vf, on(to)))),
            self.link_state.map(|to| VfInfo::LinkState(VfInfoLinkState::new(vf, state(to)))),
            self.trust.map(|to| VfInfo::Trust(VfInfoTrust::new(vf, on(to)))),
        ];
        // The kernel keeps a GUID as a number in host order.
        let guid = |guid: Guid| VfInfoGuid::new(vf, u64::from_be_bytes(guid.octets()));
        [
            ethernet.into_iter().flatten().collect(),
            self.node_guid.map(|to| VfInfo::IbNodeGuid(guid(to))).into_iter().collect(),
            self.port_guid.map(|to| VfInfo::IbPortGuid(guid(to))).into_iter().collect(),
        ]
        .into_iter()
        .filter(|entry: &Vec<VfInfo>| !entry.is_empty())
        .map(LinkVfInfo)
        .collect()
    }
}

impl VfConfig {
    /// VLAN id, priority and protocol, as a change sets them: together.
    pub fn vlan(&self) -> (VlanId, VlanQos, VlanProto) {
        (self.vlan, self.qos, self.proto)
    }

    /// Least and greatest bandwidth, Mbit/s, as a change sets them: together.
    pub fn rate(&self) -> (u32, u32) {
        (self.min_tx_rate, self.max_tx_rate)
    }
}

impl fmt::Display for VfChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let vlan = |(id, qos, proto)| format!("vlan {id} qos {qos} {proto}");
        let rate = |(least, most)| format!("min_tx_rate {least} max_tx_rate {most}");
        let parts = [
            self.mac.map(|mac| format!("mac {mac}")),
            self.vlan.map(vlan),
            self.rate.map(rate),
            self.spoofchk.map(|to| format!("spoofchk {to}")),
            self.link_state.map(|to| format!("link state {to}")),
            self.trust.map(|to| format!("trust {to}")),
            self.node_guid.map(|guid| format!("node GUID {guid}")),
            self.port_guid.map(|guid| format!("port GUID {guid}")),
        ];
        f.write_str(&parts.into_iter().flatten().collect::<Vec<_>>().join(", "))
    }
}

fn protocol(proto: VlanProto) -> VlanProtocol {
    match proto {
        VlanProto::Q => VlanProtocol::Ieee8021Q,
        VlanProto::Ad => VlanProtocol::Ieee8021Ad,
    }
}

fn state(state: LinkState) -> VfLinkState {
    match state {
        LinkState::Auto => VfLinkState::Auto,
        LinkState::Enable => VfLinkState::Enable,
        LinkState::Disable => VfLinkState::Disable,
    }
}

#[cfg(test)]
mod tests;
