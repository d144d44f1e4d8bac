//! The node's state from what is known about it: pure.

use std::collections::BTreeMap;

use conf::block::PoolRef;
use conf::desired::{Desired, DesiredPf, VfGroup};
use conf::node_state::{
    Interface, NodeState, NodeStateMetadata, NodeStateSpec, NodeStateStatus, VirtualFunction,
    WantedGroup, WantedInterface,
};
use conf::policy::EswitchMode;
use conf::{NodeName, PciAddress};

use super::{Timestamp, conditions};
use crate::claims::Standing;
use crate::snapshot::{Netdev, Pf, Snapshot, Vf};
use crate::source::Objects;

/// How a PF that some policy shapes came out of the last look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PfFate {
    /// It is as it should be: a fresh snapshot says so.
    InForce,
    /// It is being worked on, or waits for something.
    Working {
        /// For what.
        message: String,
    },
    /// It is not as it should be.
    Failed {
        /// One word.
        reason: String,
        /// The whole story.
        message: String,
    },
}

/// All that goes into a node's state.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// The node.
    pub node: &'a NodeName,
    /// What the host looks like.
    pub snapshot: &'a Snapshot,
    /// What it should look like.
    pub desired: &'a Desired,
    /// How each PF of `desired` fared; one that is missing counts as not looked at yet.
    pub fates: &'a BTreeMap<PciAddress, PfFate>,
    /// How this node stands with each pool.
    pub pools: &'a BTreeMap<PoolRef, Standing>,
    /// The objects, with what is wrong with them.
    pub objects: &'a Objects,
    /// When all this was found.
    pub now: Timestamp,
}

/// The state to report.
pub fn build(facts: &Facts<'_>) -> NodeState {
    let failures = conditions::failures(facts);
    let conditions = conditions::all(facts, &failures);
    NodeState {
        api_version: "sriovnetwork.openshift.io/v1".to_owned(),
        kind: "SriovNetworkNodeState".to_owned(),
        metadata: NodeStateMetadata { name: facts.node.to_string(), ..Default::default() },
        spec: NodeStateSpec {
            interfaces: facts
                .desired
                .pfs
                .iter()
                .map(|(address, wanted)| wanted_interface(*address, wanted, facts.snapshot))
                .collect(),
            ..Default::default()
        },
        status: NodeStateStatus {
            interfaces: facts
                .snapshot
                .pfs
                .values()
                .map(|pf| interface(pf, facts.desired.pfs.get(&pf.address)))
                .collect(),
            sync_status: sync_status(facts, &failures).to_owned(),
            last_sync_error: failures.join("; "),
            conditions,
            ..Default::default()
        },
    }
}

/// Upstream's word for it all.
fn sync_status(facts: &Facts<'_>, failures: &[String]) -> &'static str {
    let working = facts
        .desired
        .pfs
        .keys()
        .any(|pf| matches!(facts.fates.get(pf), None | Some(PfFate::Working { .. })));
    match (failures.is_empty(), working) {
        (false, _) => "Failed",
        (true, true) => "InProgress",
        (true, false) => "Succeeded",
    }
}

fn wanted_interface(
    address: PciAddress,
    wanted: &DesiredPf,
    snapshot: &Snapshot,
) -> WantedInterface {
    let netdev = snapshot.pfs.get(&address).and_then(|pf| pf.netdev.as_ref());
    WantedInterface {
        pci_address: address.to_string(),
        num_vfs: u32::from(wanted.num_vfs),
        mtu: wanted.mtu.map_or(0, |mtu| mtu.get()),
        name: netdev.map(|netdev| netdev.name.to_string()).unwrap_or_default(),
        link_type: netdev.map(link_type).unwrap_or_default().to_ascii_lowercase(),
        e_switch_mode: eswitch_mode(wanted.eswitch_mode),
        externally_managed: wanted.externally_managed,
        vf_groups: wanted.groups.iter().map(wanted_group).collect(),
    }
}

/// Upstream writes nothing for the mode that is there anyway.
fn eswitch_mode(mode: EswitchMode) -> String {
    match mode {
        EswitchMode::Legacy => String::new(),
        EswitchMode::Switchdev => mode.to_string(),
    }
}

/// The mode as it is; that which comes by itself is not told.
fn switchdev(pf: &Pf) -> Option<String> {
    pf.switchdev.then(|| EswitchMode::Switchdev.to_string())
}

fn wanted_group(group: &VfGroup) -> WantedGroup {
    WantedGroup {
        resource_name: group.resource.to_string(),
        device_type: group.device_type.to_string(),
        vf_range: format!("{}-{}", group.range.first(), group.range.last()),
        policy_name: group.policy.clone(),
        mtu: group.mtu.map_or(0, |mtu| mtu.get()),
        is_rdma: group.is_rdma,
        vdpa_type: group.vdpa_type.map(|kind| kind.to_string()).unwrap_or_default(),
    }
}

fn interface(pf: &Pf, wanted: Option<&DesiredPf>) -> Interface {
    let netdev = pf.netdev.as_ref();
    Interface {
        name: netdev.map(|netdev| netdev.name.to_string()).unwrap_or_default(),
        mac: mac(netdev),
        driver: pf.driver.as_ref().map(ToString::to_string).unwrap_or_default(),
        pci_address: pf.address.to_string(),
        vendor: pf.vendor.to_string(),
        device_id: pf.device.to_string(),
        mtu: netdev.map_or(0, |netdev| netdev.mtu),
        num_vfs: u32::from(pf.num_vfs),
        link_speed: pf.speed.map(|speed| format!("{speed} Mb/s")).unwrap_or_default(),
        link_type: netdev.map(link_type).unwrap_or_default().to_owned(),
        link_admin_state: netdev.map(admin_state).unwrap_or_default().to_owned(),
        e_switch_mode: switchdev(pf).unwrap_or_default(),
        externally_managed: wanted.is_some_and(|wanted| wanted.externally_managed),
        total_vfs: u32::from(pf.total_vfs),
        alt_names: pf.altnames.clone(),
        vfs: pf
            .vfs
            .iter()
            .map(|(index, vf)| virtual_function(pf, u32::from(index.0), vf))
            .collect(),
        ..Default::default()
    }
}

fn virtual_function(pf: &Pf, index: u32, vf: &Vf) -> VirtualFunction {
    let netdev = vf.netdev.as_ref();
    VirtualFunction {
        name: netdev.map(|netdev| netdev.name.to_string()).unwrap_or_default(),
        mac: mac(netdev),
        driver: vf.driver.as_ref().map(ToString::to_string).unwrap_or_default(),
        pci_address: vf.address.to_string(),
        vendor: pf.vendor.to_string(),
        device_id: pf.vf_device.to_string(),
        mtu: netdev.map_or(0, |netdev| netdev.mtu),
        vf_id: index,
        ..Default::default()
    }
}

fn mac(netdev: Option<&Netdev>) -> String {
    netdev.and_then(|netdev| netdev.mac).map(|mac| mac.to_string()).unwrap_or_default()
}

fn link_type(netdev: &Netdev) -> &'static str {
    if netdev.infiniband { "IB" } else { "ETH" }
}

fn admin_state(netdev: &Netdev) -> &'static str {
    if netdev.up { "up" } else { "down" }
}

#[cfg(test)]
mod tests;
