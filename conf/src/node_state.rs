//! SriovNetworkNodeState (`sriovnetwork.openshift.io/v1`): what a node reports, with upstream's
//! exact JSON keys (`Vfs`, `Vlan`, `totalvfs`, `numVfs`, `eSwitchMode`, `vfID`), plus conditions.
//!
//! Strings stay strings here: it is what others wrote or will read, not what is acted upon.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// What a node should look like, as others read it: `spec`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct NodeStateSpec {
    /// By PF.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub interfaces: Vec<WantedInterface>,
    /// Software bridges.
    #[serde(skip_serializing_if = "Bridges::is_empty")]
    pub bridges: Bridges,
    /// What holds for the whole node.
    #[serde(skip_serializing_if = "System::is_empty")]
    pub system: System,
}

/// What one PF should look like.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct WantedInterface {
    /// The PF's PCI address.
    pub pci_address: String,
    /// How many VFs.
    #[serde(skip_serializing_if = "is_zero")]
    pub num_vfs: u32,
    /// The least MTU; 0 for any.
    #[serde(skip_serializing_if = "is_zero")]
    pub mtu: u32,
    /// The PF's netdev.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// `eth`, `ib`, or empty.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub link_type: String,
    /// `legacy`, `switchdev`, or empty.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub e_switch_mode: String,
    /// Whether someone else makes the VFs.
    #[serde(skip_serializing_if = "is_false")]
    pub externally_managed: bool,
    /// Its VFs by purpose.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub vf_groups: Vec<WantedGroup>,
}

/// VFs of one PF that are made alike.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct WantedGroup {
    /// The resource's suffix.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub resource_name: String,
    /// `netdevice` or `vfio-pci`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub device_type: String,
    /// `FIRST-LAST`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub vf_range: String,
    /// The policy that asks.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub policy_name: String,
    /// The VFs' MTU; 0 for any.
    #[serde(skip_serializing_if = "is_zero")]
    pub mtu: u32,
    /// Whether they must be RDMA capable.
    #[serde(skip_serializing_if = "is_false")]
    pub is_rdma: bool,
    /// `virtio`, `vhost`, or empty.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub vdpa_type: String,
}

/// What a node looks like: `status`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct NodeStateStatus {
    /// By PF.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub interfaces: Vec<Interface>,
    /// Software bridges.
    #[serde(skip_serializing_if = "Bridges::is_empty")]
    pub bridges: Bridges,
    /// What holds for the whole node.
    #[serde(skip_serializing_if = "System::is_empty")]
    pub system: System,
    /// Whether the wish is in force.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub sync_status: String,
    /// Why it is not.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub last_sync_error: String,
    /// Not upstream's: one condition per PF, policy and matter.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
}

/// One PF as it is.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Interface {
    /// Its netdev.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Its MAC address.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub mac: String,
    /// Its driver.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub driver: String,
    /// Its PCI address.
    pub pci_address: String,
    /// PCI vendor, four hex digits.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub vendor: String,
    /// PCI device, four hex digits.
    #[serde(rename = "deviceID", skip_serializing_if = "String::is_empty")]
    pub device_id: String,
    /// A cloud's network.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub net_filter: String,
    /// Its MTU.
    #[serde(skip_serializing_if = "is_zero")]
    pub mtu: u32,
    /// How many VFs it has.
    #[serde(skip_serializing_if = "is_zero")]
    pub num_vfs: u32,
    /// `1000 Mb/s`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub link_speed: String,
    /// `ETH` or `IB`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub link_type: String,
    /// `up` or `down`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub link_admin_state: String,
    /// `legacy` or `switchdev`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub e_switch_mode: String,
    /// Whether someone else makes the VFs.
    #[serde(skip_serializing_if = "is_false")]
    pub externally_managed: bool,
    /// The most VFs it can have.
    #[serde(rename = "totalvfs", skip_serializing_if = "is_zero")]
    pub total_vfs: u32,
    /// Its further names.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub alt_names: Vec<String>,
    /// Its VFs.
    #[serde(rename = "Vfs", skip_serializing_if = "Vec::is_empty")]
    pub vfs: Vec<VirtualFunction>,
}

/// One VF as it is.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct VirtualFunction {
    /// Its netdev; empty while a pod has it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Its MAC address.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub mac: String,
    /// Who has it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub assigned: String,
    /// Its driver.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub driver: String,
    /// Its PCI address.
    pub pci_address: String,
    /// PCI vendor, four hex digits.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub vendor: String,
    /// PCI device, four hex digits.
    #[serde(rename = "deviceID", skip_serializing_if = "String::is_empty")]
    pub device_id: String,
    /// Its VLAN; 0 for none.
    #[serde(rename = "Vlan", skip_serializing_if = "is_zero")]
    pub vlan: u32,
    /// Its MTU; 0 when unknown.
    #[serde(skip_serializing_if = "is_zero")]
    pub mtu: u32,
    /// Its index on the PF.
    #[serde(rename = "vfID")]
    pub vf_id: u32,
    /// `virtio`, `vhost`, or empty.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub vdpa_type: String,
    /// Its representor's netdev.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub representor_name: String,
    /// Its InfiniBand GUID.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub guid: String,
}

/// Software bridges.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Bridges {
    /// Of Open vSwitch.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ovs: Vec<serde_json::Value>,
}

impl Bridges {
    fn is_empty(&self) -> bool {
        self.ovs.is_empty()
    }
}

/// What holds for the whole node.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct System {
    /// `shared`, `exclusive`, or empty.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub rdma_mode: String,
}

impl System {
    fn is_empty(&self) -> bool {
        self.rdma_mode.is_empty()
    }
}

/// A condition (`meta/v1`).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Condition {
    /// What it is about.
    pub r#type: String,
    /// `True`, `False` or `Unknown`.
    pub status: String,
    /// The generation of the object that it was judged by.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// When `status` last changed, RFC 3339.
    pub last_transition_time: String,
    /// One word.
    pub reason: String,
    /// The whole story.
    pub message: String,
}

/// The whole object.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct NodeState {
    /// `sriovnetwork.openshift.io/v1`.
    pub api_version: String,
    /// `SriovNetworkNodeState`.
    pub kind: String,
    /// Named like the node.
    pub metadata: NodeStateMetadata,
    /// What the node should look like.
    pub spec: NodeStateSpec,
    /// What it looks like.
    pub status: NodeStateStatus,
}

/// The metadata of a node state.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct NodeStateMetadata {
    /// The node's name.
    pub name: String,
    /// Its annotations.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

fn is_zero(number: &u32) -> bool {
    *number == 0
}

fn is_false(flag: &bool) -> bool {
    !*flag
}

#[cfg(test)]
mod tests;
