//! What this node should look like: all policies folded into one wish for each PF, and for every
//! policy and PF the reason why it won, lost or matched nothing.
//!
//! ```text
//! policies + node --matching--> claims by PF --merge--> DesiredPf, a Verdict each
//!                      |
//!                      +--> NoMatch: other node, no such PF, no VFs
//! ```

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::policy::{DeviceType, EswitchMode, LinkType, Policy, VdpaType};
use crate::{IfName, Mtu, PciAddress, PciId, ResourceName, VfRange};

mod matching;
mod merge;
mod resource;
mod verdict;

pub use matching::{Miss, misses};
pub use verdict::{Loss, NoMatch, PfLabel, PolicyOutcome, Refusal, Verdict};

/// The node that policies are folded for, as it was observed.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Node {
    /// Its name.
    pub name: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Its SR-IOV capable physical functions.
    pub pfs: Vec<Pf>,
    /// What policies select and is none of these.
    #[serde(default)]
    pub others: Vec<Other>,
}

/// Something that is no PF, and that a policy selects all the same.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Other {
    /// Where it is, of a PCI function.
    pub address: Option<PciAddress>,
    /// Its netdev's name.
    pub name: Option<IfName>,
    /// PCI vendor.
    pub vendor: Option<PciId>,
    /// PCI device.
    pub device: Option<PciId>,
    /// What it is, in a sentence.
    pub told: String,
}

/// One physical function.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pf {
    /// Where it is.
    pub address: PciAddress,
    /// Its netdev's name; `None` when no driver made one.
    pub name: Option<IfName>,
    /// Its netdev's further names.
    pub altnames: Vec<String>,
    /// PCI vendor.
    pub vendor: PciId,
    /// PCI device.
    pub device: PciId,
    /// PCI device of its VFs (`sriov_vf_device`).
    pub vf_device: PciId,
    /// `sriov_totalvfs`: the most VFs it can have.
    pub total_vfs: u16,
    /// Its link type; `None` when unknown (no netdev).
    pub link_type: Option<LinkType>,
    /// Whether its embedded switch is in switchdev mode.
    #[serde(default)]
    pub switchdev: bool,
}

impl Pf {
    /// What messages call it.
    pub fn label(&self) -> PfLabel {
        PfLabel { address: self.address, name: self.name.clone() }
    }
}

/// VFs of one PF that are made alike and become one resource.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VfGroup {
    /// The policy that asks for it.
    pub policy: String,
    /// The resource.
    pub resource: ResourceName,
    /// The VFs.
    pub range: VfRange,
    /// What they are for.
    pub device_type: DeviceType,
    /// Their MTU; `None` leaves it alone.
    pub mtu: Option<Mtu>,
    /// Whether they must be RDMA capable.
    pub is_rdma: bool,
    /// Whether pods also get `/dev/vhost-net` and `/dev/net/tun`.
    pub need_vhost_net: bool,
    /// Whether the NUMA node is kept from the scheduler; the same for all VFs of a resource.
    pub exclude_topology: bool,
    /// Whether they become vDPA devices, and for whom.
    pub vdpa_type: Option<VdpaType>,
}

/// What one PF should look like.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DesiredPf {
    /// How many VFs it should have. VFs in no group are made all the same, with their default
    /// driver.
    pub num_vfs: u16,
    /// The least MTU of the PF; `None` leaves it alone.
    pub mtu: Option<Mtu>,
    /// Whether someone else makes the VFs.
    pub externally_managed: bool,
    /// The embedded switch's mode.
    pub eswitch_mode: EswitchMode,
    /// The link type, where one is asked for.
    pub link_type: Option<LinkType>,
    /// Its VFs by purpose: disjoint, in order, all below `num_vfs`.
    pub groups: Vec<VfGroup>,
    /// The policies that shape it, the winner first.
    pub policies: Vec<String>,
    /// Why nothing on this PF may be touched; empty when it may.
    pub refused: Vec<Refusal>,
}

/// What the node should look like, and why.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Desired {
    /// The PFs that some policy shapes.
    pub pfs: BTreeMap<PciAddress, DesiredPf>,
    /// What became of every policy.
    pub policies: BTreeMap<String, PolicyOutcome>,
}

/// Folds all policies into what `node` should look like.
///
/// Pure, and the same for any order of `policies`, whose names differ (the sources see to that).
/// - Every label of `nodeSelector` must be the node's; none at all means any node.
/// - Every part of `nicSelector` that is given must match the PF; a PF goes by its name and by its
///   altnames.
/// - A policy with `numVfs` 0 asks for nothing.
/// - Of several policies for one PF the lowest priority number wins, of equal ones the last name;
///   VF ranges that do not overlap share the PF. The module `merge` has the whole of it.
pub fn fold(policies: &[Policy], node: &Node) -> Desired {
    let mut desired = Desired::default();
    let mut fit = Vec::with_capacity(policies.len());
    for policy in ranked(policies) {
        let no_match = matching::unfit(policy, node);
        if no_match.is_none() {
            fit.push(policy);
        }
        let outcome = PolicyOutcome { no_match, ..PolicyOutcome::default() };
        desired.policies.insert(policy.name.clone(), outcome);
    }
    for pf in &node.pfs {
        let claims: Vec<_> = fit.iter().filter_map(|policy| matching::claim(policy, pf)).collect();
        let Some((merged, verdicts)) = merge::merge(pf, &claims) else { continue };
        desired.pfs.insert(pf.address, merged);
        for (policy, verdict) in verdicts {
            desired.policies.entry(policy).or_default().pfs.insert(pf.address, verdict);
        }
    }
    resource::agree(&fit, &mut desired);
    for policy in fit {
        let outcome = desired.policies.entry(policy.name.clone()).or_default();
        if outcome.pfs.is_empty() {
            outcome.no_match = Some(matching::no_pf(policy, node));
        } else {
            outcome.unmatched = matching::unmatched(&policy.nic, node);
            outcome.hints = matching::renamed(&policy.nic, node.pfs.iter());
            outcome.others = matching::named(&policy.nic, node);
        }
    }
    desired
}

/// The policies as they beat each other, the winner first: the lowest priority number, of equal
/// ones the last name.
pub fn ranked<'p>(policies: impl IntoIterator<Item = &'p Policy>) -> Vec<&'p Policy> {
    let mut ranked: Vec<&Policy> = policies.into_iter().collect();
    ranked
        .sort_by(|one, two| one.priority.cmp(&two.priority).then_with(|| two.name.cmp(&one.name)));
    ranked
}

#[cfg(test)]
mod tests;
