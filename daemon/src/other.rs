//! PCI functions and network interfaces that are no PFs, and what they are instead: what is told of
//! one that a policy or a person names.

use std::collections::BTreeSet;
use std::fmt;

use cni::kernel::sysfs::Function;
use conf::desired;
use conf::policy::{NicSelector, Policy};
use conf::{IfName, PciAddress, PciId};

use crate::host::Host;
use crate::snapshot::{Pf, Snapshot};

mod ids;

pub(crate) use ids::{MELLANOX, is_vf_id};

/// Why something is no PF.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Kind {
    /// No network controller at all.
    NoNic,
    /// A VF of what a person calls so.
    VfOf(String),
    /// A VF whose PF is another machine's.
    GivenVf,
    /// Its firmware has SR-IOV off: NVIDIA's have not even the capability then.
    FirmwareOff {
        /// Whether somebody else's machine may hide it.
        in_vm: bool,
    },
    /// Without the capability, and of a family that has it in other set-ups.
    PerhapsOff,
    /// Without the capability.
    NoSriov,
}

/// Something that is no PF.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Other {
    pub(crate) address: PciAddress,
    pub(crate) name: Option<IfName>,
    pub(crate) vendor: PciId,
    pub(crate) device: PciId,
    pub(crate) kind: Kind,
}

impl Other {
    /// What `function` is; `None` of a PF.
    fn of(host: &Host, snapshot: &Snapshot, function: &Function) -> Option<Self> {
        if snapshot.pfs.contains_key(&function.address) {
            return None;
        }
        let driver = function.driver.as_ref().map(|driver| driver.as_str());
        let kind = if !function.is_network() {
            Kind::NoNic
        } else if let Some(pf) = function.physfn {
            Kind::VfOf(snapshot.label(pf))
        } else if function.sriov.is_some() {
            // A PF that cannot be read: that is told.
            return None;
        } else if is_vf_id(function.vendor, function.device) {
            Kind::GivenVf
        } else if ids::is_mellanox_nic(function.vendor, function.device) {
            Kind::FirmwareOff { in_vm: is_vm(host) }
        } else if driver.is_some_and(|driver| FAMILIES.contains(&driver)) {
            Kind::PerhapsOff
        } else {
            Kind::NoSriov
        };
        let name = host.sysfs().uplink_of(&function.net).ok().flatten();
        let (address, vendor, device) = (function.address, function.vendor, function.device);
        Some(Self { address, name, vendor, device, kind })
    }
}

impl fmt::Display for Other {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { address, name, vendor, device, kind } = self;
        match name {
            Some(name) => write!(f, "{name} ({address}, {vendor}:{device})")?,
            None => write!(f, "{address} ({vendor}:{device})")?,
        }
        match kind {
            Kind::NoNic => f.write_str(" is no NIC"),
            Kind::VfOf(pf) => write!(f, " is a VF of {pf}"),
            Kind::GivenVf => f.write_str(" is a VF that this virtual machine was given"),
            Kind::FirmwareOff { in_vm: false } => f.write_str(
                " cannot make VFs: SR-IOV is off in its firmware; see `railhead doctor`",
            ),
            Kind::FirmwareOff { in_vm: true } => f.write_str(
                " cannot make VFs: SR-IOV is off in its firmware, or hidden from this virtual \
                 machine; see `railhead doctor`",
            ),
            Kind::PerhapsOff => f.write_str(
                " cannot make VFs: it has no SR-IOV, or has it off in its firmware's set-up or the \
                 machine's",
            ),
            Kind::NoSriov => f.write_str(" cannot make VFs: it has no SR-IOV"),
        }
    }
}

/// Drivers of NICs that have SR-IOV, if their firmware is set so.
const FAMILIES: [&str; 9] =
    ["bnxt_en", "bnx2x", "i40e", "ice", "ixgbe", "qede", "cxgb4", "sfc", "be2net"];

/// Whether the processor says that it is a virtual machine's.
fn is_vm(host: &Host) -> bool {
    let cpu = ipam::durable::read_optional(&host.root().join("proc/cpuinfo")).ok().flatten();
    let cpu = cpu.map(|cpu| String::from_utf8_lossy(&cpu).into_owned()).unwrap_or_default();
    let mut flags = cpu.lines().filter(|line| line.starts_with("flags"));
    flags.any(|line| line.split_whitespace().any(|flag| flag == "hypervisor"))
}

/// All network controllers that are no PFs.
pub(crate) fn nics(host: &Host, snapshot: &Snapshot) -> Vec<Other> {
    found(host, snapshot, Function::is_network)
}

fn found(host: &Host, snapshot: &Snapshot, is_meant: impl Fn(&Function) -> bool) -> Vec<Other> {
    let functions = host.sysfs().pci_functions().unwrap_or_default().into_iter();
    let functions =
        functions.filter_map(|address| host.sysfs().function_while_stuck(address).ok().flatten());
    functions.filter(is_meant).filter_map(|function| Other::of(host, snapshot, &function)).collect()
}

/// What `name`, an interface's or an address, is, in a sentence; `None` of what is not here, and of
/// PFs.
pub(crate) fn told(host: &Host, snapshot: &Snapshot, name: &str) -> Option<String> {
    let mut sought = Sought::default();
    match (name.parse(), name.parse()) {
        (Ok(address), _) => drop(sought.addresses.insert(address)),
        (Err(_), Ok(name)) => drop(sought.names.insert(name)),
        (Err(_), Err(_)) => return None,
    }
    sought.others(host, snapshot).into_iter().next().map(|other| other.told)
}

/// What policies select that no PF has.
#[derive(Debug, Default)]
struct Sought {
    names: BTreeSet<IfName>,
    addresses: BTreeSet<PciAddress>,
    /// Vendors and devices.
    ids: BTreeSet<(Option<PciId>, Option<PciId>)>,
}

/// What is here and no PF of what `policies` select. Nothing is read where PFs have all of it.
pub(crate) fn selected<'p>(
    host: &Host,
    snapshot: &Snapshot,
    policies: impl Iterator<Item = &'p Policy>,
) -> Vec<desired::Other> {
    let mut sought = Sought::default();
    for policy in policies {
        sought.add(&policy.nic, snapshot);
    }
    sought.others(host, snapshot)
}

impl Sought {
    fn add(&mut self, nic: &NicSelector, snapshot: &Snapshot) {
        let is_pf = |name: &str| snapshot.pfs.values().any(|pf| pf.goes_by(name));
        let names = nic.pf_names.iter().map(|entry| entry.name.as_str());
        self.names.extend(names.filter(|name| !is_pf(name)).filter_map(|name| name.parse().ok()));
        let addresses = nic.root_devices.iter().copied();
        self.addresses.extend(addresses.filter(|at| !snapshot.pfs.contains_key(at)));
        let has_ids = |pf: &Pf| {
            nic.vendor.is_none_or(|vendor| vendor == pf.vendor)
                && nic.device.is_none_or(|device| device == pf.device)
        };
        let by_id = nic.vendor.is_some() || nic.device.is_some();
        if by_id && !snapshot.pfs.values().any(has_ids) {
            self.ids.insert((nic.vendor, nic.device));
        }
    }

    fn others(&self, host: &Host, snapshot: &Snapshot) -> Vec<desired::Other> {
        if self.names.is_empty() && self.addresses.is_empty() && self.ids.is_empty() {
            return Vec::new();
        }
        let found = found(host, snapshot, |function| {
            self.addresses.contains(&function.address)
                || function.net.iter().any(|name| self.names.contains(name))
                || function.is_network() && self.has_id(function)
        });
        let mut others: Vec<desired::Other> = found.iter().map(desired::Other::from).collect();
        // Bridges, bonds, VLANs: no device is behind them.
        let named = |name: &IfName| others.iter().any(|other| other.name.as_ref() == Some(name));
        let rest: Vec<&IfName> = self.names.iter().filter(|name| !named(name)).collect();
        for name in rest {
            let is_pf = snapshot.pfs.values().any(|pf| pf.goes_by(name.as_str()));
            if !is_pf && host.sysfs().netdev(name).is_ok_and(|netdev| netdev.is_some()) {
                let told = format!("{name} is no NIC: no PCI device has it");
                others.push(desired::Other {
                    name: Some(name.clone()),
                    told,
                    ..Default::default()
                });
            }
        }
        others
    }

    fn has_id(&self, function: &Function) -> bool {
        self.ids.iter().any(|(vendor, device)| {
            vendor.is_none_or(|vendor| vendor == function.vendor)
                && device.is_none_or(|device| device == function.device)
        })
    }
}

impl From<&Other> for desired::Other {
    fn from(other: &Other) -> Self {
        Self {
            address: Some(other.address),
            name: other.name.clone(),
            vendor: Some(other.vendor),
            device: Some(other.device),
            told: other.to_string(),
        }
    }
}
