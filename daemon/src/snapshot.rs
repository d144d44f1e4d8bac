//! What one look at the host found: every PF that can make VFs, with its VFs.
//!
//! Plain data. [`crate::observe`] fills it from the kernel, [`crate::plan`] reads it,
//! [`crate::model`] says what it would look like after a step.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;

use conf::desired;
use conf::{DriverName, IfName, Mac, PciAddress, PciId, VfIndex};
use serde::{Deserialize, Serialize};

mod lacking;

pub use lacking::NoNetdev;

/// One look at the host.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Snapshot {
    /// Every physical function with an SR-IOV capability.
    pub pfs: BTreeMap<PciAddress, Pf>,
    /// Those that could not be read, and why.
    #[serde(default)]
    pub unreadable: BTreeMap<PciAddress, String>,
    /// What policies select and is no PF.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub others: Vec<desired::Other>,
    /// Whether the module `vfio-pci` is loaded or built in.
    pub vfio_pci: bool,
    /// Whether devices may be given to user space that no IOMMU keeps in bounds.
    #[serde(default)]
    pub no_iommu: bool,
    /// The SR-IOV Network Operator's daemon, where it runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operator: Option<OperatorDaemon>,
    /// Addresses that the settings guard and that no NIC leads to.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unguarded: Vec<IpAddr>,
}

/// The SR-IOV Network Operator's daemon.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct OperatorDaemon {
    /// Its process id.
    pub pid: u32,
}

/// A physical function with an SR-IOV capability.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pf {
    /// Where it is.
    pub address: PciAddress,
    /// PCI vendor id.
    pub vendor: PciId,
    /// PCI device id.
    pub device: PciId,
    /// PCI device id of its VFs (`sriov_vf_device`).
    pub vf_device: PciId,
    /// The driver that is bound to it.
    pub driver: Option<DriverName>,
    /// Its netdev, when it has one in our network namespace.
    pub netdev: Option<Netdev>,
    /// Whether it has one, and in another network namespace.
    #[serde(default)]
    pub netdev_elsewhere: bool,
    /// Altnames of the netdev.
    #[serde(default)]
    pub altnames: Vec<String>,
    /// The MAC burnt into it.
    pub permanent_mac: Option<Mac>,
    /// The largest MTU its driver takes, in bytes.
    pub max_mtu: Option<u32>,
    /// Link speed in Mbit/s, while it has a link.
    pub speed: Option<u32>,
    /// Its NUMA node.
    pub numa_node: Option<u32>,
    /// Its IOMMU group; none without an IOMMU.
    pub iommu_group: Option<u32>,
    /// The most VFs it can make (`sriov_totalvfs`).
    pub total_vfs: u16,
    /// How many it has now (`sriov_numvfs`).
    pub num_vfs: u16,
    /// Whether the kernel binds drivers to new VFs by itself (`sriov_drivers_autoprobe`).
    pub autoprobe: bool,
    /// Routing ids from the PF to VF 0 (`sriov_offset`).
    pub offset: u16,
    /// Routing ids from one VF to the next (`sriov_stride`).
    pub stride: u16,
    /// Whether it is an InfiniBand controller by its PCI class.
    #[serde(default)]
    pub infiniband: bool,
    /// Whether its embedded switch is in switchdev mode: frames of its VFs end in representors.
    #[serde(default)]
    pub switchdev: bool,
    /// Why the machine's own traffic depends on it: "it carries the default route (below bond0)".
    pub management: Option<String>,
    /// A write to it, or to a VF of it, that has not come to its end.
    #[serde(default)]
    pub stuck: Option<Stuck>,
    /// Another railhead, by its lock of a VF, that does a step right now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_work: Option<String>,
    /// What the SR-IOV Network Operator says that it did on it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inherited: Option<Inherited>,
    /// Its VFs.
    pub vfs: BTreeMap<VfIndex, Vf>,
}

/// What the SR-IOV Network Operator left of a PF (`/etc/sriov-operator/pci`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Inherited {
    /// How it shaped it.
    Shaped {
        /// How many VFs it made; 0 where it was to leave them alone.
        num_vfs: u16,
        /// The MTU that it raised the PF's to, in bytes; 0 where it left it alone.
        mtu: u32,
        /// The MTU that it would go back to, in bytes.
        mtu_before: u32,
    },
    /// Its file cannot be used.
    Damaged {
        /// Which, and why.
        why: String,
    },
}

/// A write that a driver has not answered yet: slow, or hanging for good.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stuck {
    /// The process that is in it.
    pub pid: u32,
    /// The file that it writes.
    pub path: PathBuf,
    /// Whether it has taken longer than anybody waits for it. Until then it is work in progress.
    #[serde(default)]
    pub overdue: bool,
}

/// A netdev in our network namespace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Netdev {
    /// Its interface index.
    pub index: u32,
    /// Its name.
    pub name: IfName,
    /// Its MAC; none on InfiniBand.
    pub mac: Option<Mac>,
    /// Its MTU in bytes.
    pub mtu: u32,
    /// Whether it is administratively up (`IFF_UP`).
    pub up: bool,
    /// Whether it has a link.
    pub carrier: bool,
    /// Whether it speaks InfiniBand rather than Ethernet.
    #[serde(default)]
    pub infiniband: bool,
}

/// A virtual function.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Vf {
    /// Where it is.
    pub address: PciAddress,
    /// The driver that is bound to it.
    pub driver: Option<DriverName>,
    /// The only driver that may bind to it (`driver_override`).
    pub driver_override: Option<String>,
    /// Its netdev, when it has one in our network namespace.
    pub netdev: Option<Netdev>,
    /// Altnames of the netdev.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub altnames: Vec<String>,
    /// The MAC that the PF has assigned to it; zero when none, absent when the PF does not say.
    pub admin_mac: Option<Mac>,
    /// Its IOMMU group.
    pub iommu_group: Option<u32>,
    /// What the kernel itself drives in that group, besides VFs of the same PF.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub neighbour: Option<Neighbour>,
    /// Who uses it.
    pub user: Option<User>,
    /// How many packet sockets listen at its netdev: no sign of use, but worth knowing.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub packet_sockets: u32,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
pub(crate) fn is_zero(count: &u32) -> bool {
    *count == 0
}

/// A function that keeps its whole IOMMU group from user space. Displays as what completes "VF 0 …".
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Neighbour {
    /// The group.
    pub group: u32,
    /// Where it is.
    pub address: PciAddress,
    /// Its driver, one of the kernel's own.
    pub driver: DriverName,
}

impl fmt::Display for Neighbour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { group, address, driver } = self;
        write!(f, "IOMMU group {group} with {address} ({driver})")
    }
}

/// Who uses a VF, so that nothing may be done to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum User {
    /// A container that a plugin attached it to.
    Container {
        /// The container's id.
        container: String,
        /// The interface's name in it.
        interface: String,
        /// `namespace/name` of the pod, where the runtime said so.
        pod: Option<String>,
    },
    /// A plugin, or another railhead, that works on it right now.
    Verb {
        /// Who holds its lock, as the lock tells it.
        holder: String,
    },
    /// Somebody who took its netdev into another network namespace.
    OtherNamespace,
    /// A netdev that it is a port of: a bridge, a bond.
    Port {
        /// The upper netdev's name.
        of: String,
    },
    /// This machine itself, in another way.
    Host {
        /// How it shows: "address 198.51.100.7".
        sign: String,
    },
    /// This machine itself, which is reached by it.
    Machine {
        /// Why: "it carries the default route".
        why: String,
    },
    /// A process that holds its VFIO group open.
    Process {
        /// Its process id.
        pid: i32,
        /// Its name (`/proc/PID/comm`).
        name: String,
    },
}

impl Snapshot {
    /// The PFs that could not be read, in words.
    pub fn unreadable(&self) -> impl Iterator<Item = String> {
        self.unreadable.iter().map(|(pf, why)| format!("PF {pf} cannot be read: {why}"))
    }

    /// What a person calls the PF at `pf`, be it there or not.
    pub fn label(&self, pf: PciAddress) -> String {
        self.pfs.get(&pf).map_or_else(|| pf.to_string(), Pf::label)
    }
}

impl Vf {
    /// Who uses it, in words; where nobody does, who listens at it all the same.
    pub fn used_by(&self) -> Option<String> {
        let listened = match self.packet_sockets {
            0 => None,
            1 => Some("nobody (1 packet socket listens)".to_owned()),
            count => Some(format!("nobody ({count} packet sockets listen)")),
        };
        self.user.as_ref().map(ToString::to_string).or(listened)
    }

    /// Whether people mean it by `name`: its netdev's name or altname, or its address.
    pub fn goes_by(&self, name: &str) -> bool {
        let netdev = self.netdev.as_ref().map(|netdev| netdev.name.as_str());
        netdev == Some(name)
            || self.altnames.iter().any(|altname| altname == name)
            || name.parse() == Ok(self.address)
    }
}

impl Pf {
    /// The netdev's name, else the PCI address: what a person calls it.
    pub fn label(&self) -> String {
        match &self.netdev {
            Some(netdev) => netdev.name.to_string(),
            None => self.address.to_string(),
        }
    }

    /// What policies may call it: its netdev's name and altnames.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let name = self.netdev.as_ref().map(|netdev| netdev.name.as_str());
        name.into_iter().chain(self.altnames.iter().map(String::as_str))
    }

    /// Whether people mean it by `name`: one of its names, or its address.
    pub fn goes_by(&self, name: &str) -> bool {
        self.names().any(|own| own == name) || name.parse() == Ok(self.address)
    }

    /// Where VF `index` is, or comes to be; `None` where no function can be.
    pub fn vf_address(&self, index: VfIndex) -> Option<PciAddress> {
        let after_pf = u32::from(self.offset) + u32::from(self.stride) * u32::from(index.0);
        self.address.offset_by(after_pf)
    }

    /// Its VFs that somebody uses.
    pub fn users(&self) -> impl Iterator<Item = (VfIndex, &User)> {
        self.vfs.iter().filter_map(|(index, vf)| Some((*index, vf.user.as_ref()?)))
    }
}

/// The first 13 characters of a container's id, as `crictl` shows it.
pub(crate) fn short(container: &str) -> String {
    container.chars().take(13).collect()
}

impl fmt::Display for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Container { pod: Some(pod), interface, .. } => {
                write!(f, "pod {pod} ({interface})")
            }
            Self::Container { container, interface, .. } => {
                write!(f, "container {} ({interface})", short(container))
            }
            Self::Verb { holder } => write!(f, "{holder}, which works on it"),
            Self::OtherNamespace => f.write_str("another network namespace"),
            Self::Port { of } => write!(f, "port of {of}"),
            Self::Host { sign } => f.write_str(sign),
            Self::Machine { why } => write!(f, "this machine: {why}"),
            Self::Process { pid, name } => write!(f, "process {pid} ({name})"),
        }
    }
}

#[cfg(test)]
mod tests {
    use conf::VfIndex;

    use crate::specimen::igb;

    #[test]
    fn a_vf_goes_by_its_name_its_altnames_and_its_address() {
        let mut pf = igb("0000:01:00.0", "ens1f0").with_vfs(1);
        let vf = pf.vfs.get_mut(&VfIndex(0)).unwrap();
        vf.altnames = vec!["storage0".to_owned()];
        for name in ["ens1f0v0", "storage0", "0000:01:10.0", "01:10.0"] {
            assert!(vf.goes_by(name), "{name}");
        }
        assert!(!vf.goes_by("ens1f0") && !vf.goes_by("storage"));
    }
}
