//! SriovNetworkNodePolicy (`sriovnetwork.openshift.io/v1`): which PFs get how many VFs, of which
//! kind.
//!
//! ```text
//! JSON --serde--> spec::PolicySpec --rules::check--> Policy
//!                 upstream's keys                    cannot be wrong
//! ```

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{Mtu, ParseError, PciAddress, PciId, ResourceName, VfRange, Violation};

mod net_filter;
pub(crate) mod rules;
pub(crate) mod spec;

pub use net_filter::{Cloud, NetFilter};

/// What the VFs are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub enum DeviceType {
    /// A network interface in the pod: the NIC's own VF driver.
    #[default]
    #[serde(rename = "netdevice")]
    NetDevice,
    /// A device for user space (DPDK, virtual machines): driver `vfio-pci`.
    #[serde(rename = "vfio-pci")]
    VfioPci,
}

impl fmt::Display for DeviceType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NetDevice => "netdevice",
            Self::VfioPci => "vfio-pci",
        })
    }
}

/// A policy's priority, 0 to 99; **0 is the highest**, 99 the default.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "i64", into = "i64")]
pub struct Priority(u8);

impl Priority {
    /// The number.
    pub const fn get(self) -> u8 {
        self.0
    }
}

impl Default for Priority {
    fn default() -> Self {
        Self(99)
    }
}

impl TryFrom<i64> for Priority {
    type Error = ParseError;

    fn try_from(number: i64) -> Result<Self, ParseError> {
        u8::try_from(number)
            .ok()
            .filter(|number| *number <= 99)
            .map(Self)
            .ok_or_else(|| ParseError::new("must be between 0 (highest) and 99 (lowest)"))
    }
}

impl From<Priority> for i64 {
    fn from(priority: Priority) -> i64 {
        i64::from(priority.0)
    }
}

impl fmt::Display for Priority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The link type that a policy asks of a PF.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum LinkType {
    /// Ethernet.
    #[serde(rename = "eth")]
    Ethernet,
    /// InfiniBand.
    #[serde(rename = "ib")]
    InfiniBand,
}

impl fmt::Display for LinkType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ethernet => "eth",
            Self::InfiniBand => "ib",
        })
    }
}

/// The mode of a PF's embedded switch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EswitchMode {
    /// The NIC switches by MAC and VLAN alone.
    #[default]
    Legacy,
    /// Each VF has a representor that software switches.
    Switchdev,
}

impl fmt::Display for EswitchMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Legacy => "legacy",
            Self::Switchdev => "switchdev",
        })
    }
}

/// What a VF's virtio data path (vDPA) is given to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum VdpaType {
    /// The host's virtio driver: a network interface.
    Virtio,
    /// A process, by a character device.
    Vhost,
}

impl fmt::Display for VdpaType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Virtio => "virtio",
            Self::Vhost => "vhost",
        })
    }
}

/// One entry of `pfNames`: `ens1f0` or `ens1f0#0-3`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct PfSelector {
    /// The name or an altname of a PF. Not an [`IfName`](crate::IfName): altnames have up to 127
    /// characters.
    pub name: String,
    /// These VFs of it; `None` for all.
    pub range: Option<VfRange>,
}

/// Which PFs a policy is for: all that is given must match.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct NicSelector {
    /// The PF's PCI vendor.
    pub vendor: Option<PciId>,
    /// The PF's PCI device id.
    pub device: Option<PciId>,
    /// PFs by address; empty for any.
    pub root_devices: Vec<PciAddress>,
    /// PFs by name, with the VFs meant; empty for any.
    pub pf_names: Vec<PfSelector>,
    /// What virtual machines of a cloud are attached to.
    pub net_filter: Option<NetFilter>,
}

/// A policy that keeps every rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policy {
    /// Its name.
    pub name: String,
    /// Node labels that must all be there; empty for all nodes.
    pub node_selector: BTreeMap<String, String>,
    /// Which PFs.
    pub nic: NicSelector,
    /// The resource that the VFs become.
    pub resource: ResourceName,
    /// How many VFs the whole PF gets; 0 makes no entry.
    pub num_vfs: u16,
    /// Its rank among policies for the same PF.
    pub priority: Priority,
    /// The MTU of the VFs, and the least of the PF; `None` leaves both alone.
    pub mtu: Option<Mtu>,
    /// What the VFs are for.
    pub device_type: DeviceType,
    /// Whether the VFs must be RDMA capable.
    pub is_rdma: bool,
    /// Whether pods also get `/dev/vhost-net` and `/dev/net/tun`.
    pub need_vhost_net: bool,
    /// Whether the NUMA node is kept from the scheduler.
    pub exclude_topology: bool,
    /// Whether someone else makes the VFs.
    pub externally_managed: bool,
    /// The embedded switch's mode.
    pub eswitch_mode: EswitchMode,
    /// The link type, where one is asked for.
    pub link_type: Option<LinkType>,
    /// Whether the VFs become vDPA devices, and for whom.
    #[serde(default)]
    pub vdpa_type: Option<VdpaType>,
    /// Fields that ask for something that is not implemented yet: a PF that this policy is to
    /// shape is refused, never shaped in part.
    pub unsupported: Vec<Violation>,
}

#[cfg(test)]
mod tests;
