//! VFs as their PF has them: IFLA_VFINFO_LIST.
//!
//! A PF's answer grows by some 200 octets a VF, and an attribute holds 64 KiB at most: beyond some
//! 270 to 330 VFs the kernel tells of some of them only, and older kernels answer EMSGSIZE for an
//! InfiniBand PF with 16. Either is [`Cause::VfInfoTooBig`], for the caller to go another way.

mod change;
mod decode;
mod stats;

use std::collections::BTreeMap;

use conf::{Guid, IfName, LinkState, Mac, OnOff, VfIndex, VlanId, VlanProto, VlanQos};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::link::{LinkAttribute, LinkExtentMask};

use self::decode::Listed;
use super::link::link_message;
use super::netlink::Route;
use super::{Cause, Errno, Error};

pub use self::change::VfChange;
pub use self::stats::VfStats;

/// What the PF's driver reports of one VF. `None`: it does not report it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
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

impl Route {
    /// One VF of the PF with this link index; `None` when the PF reports no such VF. What the
    /// others have is not even looked at.
    pub fn vf(&mut self, pf_index: u32, vf: VfIndex) -> Result<Option<VfConfig>, Error> {
        let mut listed = self.vf_list(pf_index, |index| index == vf)?;
        match listed.found.remove(&vf) {
            None if !listed.complete => Err(self.too_big(pf_index)),
            found => Ok(found),
        }
    }

    /// The link index of the PF that is called `pf`, with one of its VFs as [`Route::vf`] has it:
    /// one request for both. `None` when there is no such link.
    pub fn pf_and_vf(
        &mut self,
        pf: &IfName,
        vf: VfIndex,
    ) -> Result<Option<(u32, Option<VfConfig>)>, Error> {
        let mask = vec![LinkExtentMask::Vf, LinkExtentMask::SkipStats];
        let wanted = vec![LinkAttribute::ExtMask(mask), LinkAttribute::IfName(pf.to_string())];
        let message = link_message(0, wanted);
        let answer = self.ask(RouteNetlinkMessage::GetLink(message), |payload| {
            let mut listed = decode::vfs(payload, |index| index == vf)?;
            match listed.found.remove(&vf) {
                None if !listed.complete => Err(Cause::VfInfoTooBig),
                found => Ok((super::link::decode::index(payload)?, found)),
            }
        });
        match answer.map_err(too_big_or) {
            Ok(found) => Ok(Some(found)),
            Err(Cause::Errno { errno: Errno::ENODEV, .. }) => Ok(None),
            Err(cause) => Err(Error::new("read", format!("VF {vf} of {pf}"), cause)),
        }
    }

    /// All VFs of the PF with this link index.
    pub fn vfs(&mut self, pf_index: u32) -> Result<BTreeMap<VfIndex, VfConfig>, Error> {
        let listed = self.vf_list(pf_index, |_| true)?;
        if listed.complete { Ok(listed.found) } else { Err(self.too_big(pf_index)) }
    }

    /// Sets attributes of one VF, in one request.
    ///
    /// The kernel applies them in the order MAC, VLAN, rate, spoofchk, link state, trust, node
    /// GUID, port GUID, and stops at the first that the driver refuses: those before it stay. See
    /// [`VfChange::needed`] to find the one and [`VfChange::undoing`] to go back.
    pub fn set_vf(&mut self, pf_index: u32, vf: VfIndex, change: &VfChange) -> Result<(), Error> {
        if change.is_empty() {
            return Ok(());
        }
        let message = link_message(pf_index, vec![LinkAttribute::VfInfoList(change.wire(vf))]);
        self.change(RouteNetlinkMessage::SetLink(message), 0).map_err(|cause| {
            let object = format!("VF {vf} of {}: {change}", self.name_of(pf_index));
            Error::new("set", object, cause)
        })
    }

    fn vf_list(
        &mut self,
        pf_index: u32,
        wanted: impl Fn(VfIndex) -> bool,
    ) -> Result<Listed<VfConfig>, Error> {
        let mask = vec![LinkExtentMask::Vf, LinkExtentMask::SkipStats];
        self.ask_of_vfs(pf_index, mask, |payload| decode::vfs(payload, wanted))
    }

    /// Asks for the PF's link with `mask`, and reads its VFs.
    fn ask_of_vfs<T>(
        &mut self,
        pf_index: u32,
        mask: Vec<LinkExtentMask>,
        read: impl FnOnce(&[u8]) -> Result<T, Cause>,
    ) -> Result<T, Error> {
        let message = link_message(pf_index, vec![LinkAttribute::ExtMask(mask)]);
        self.ask(RouteNetlinkMessage::GetLink(message), read)
            .map_err(|cause| self.unreadable(pf_index, too_big_or(cause)))
    }

    fn too_big(&mut self, pf_index: u32) -> Error {
        self.unreadable(pf_index, Cause::VfInfoTooBig)
    }

    fn unreadable(&mut self, pf_index: u32, cause: Cause) -> Error {
        Error::new("read", format!("VFs of {}", self.name_of(pf_index)), cause)
    }
}

/// What older kernels say when the answer is too long for an attribute.
fn too_big_or(cause: Cause) -> Cause {
    match cause {
        Cause::Errno { errno: Errno::EMSGSIZE, .. } => Cause::VfInfoTooBig,
        other => other,
    }
}
