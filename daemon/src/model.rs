//! What a PF would look like after a step: the kernel as a pure function.
//!
//! The planner walks along it (a step's disruption depends on what is there by then), and the
//! tests prove on it that planning converges from wherever a crash left things. The VM tests
//! prove it true to the kernel.

use conf::{DriverName, IfName, VfIndex};

use crate::journal::{Entry, Owner};
use crate::plan::step::{Action, Binding};
use crate::snapshot::{Netdev, Pf, Snapshot, Vf};

/// One PF and what railhead answers for on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct State {
    /// The PF.
    pub pf: Pf,
    /// Its entry in the journal.
    pub entry: Option<Entry>,
    /// Whether `vfio-pci` is loaded.
    pub vfio_pci: bool,
    /// Whether devices may be given to user space without an IOMMU.
    pub no_iommu: bool,
}

impl State {
    /// The PF in `snapshot` as told by `pf`, with its entry.
    pub fn of(snapshot: &Snapshot, pf: &Pf, entry: Option<&Entry>) -> Self {
        Self {
            pf: pf.clone(),
            entry: entry.cloned(),
            vfio_pci: snapshot.vfio_pci,
            no_iommu: snapshot.no_iommu,
        }
    }

    /// After `action`, done for `owners`.
    pub fn after(&mut self, action: &Action, owners: &[Owner]) {
        self.intended(action, owners);
        match action {
            Action::LoadModule { .. } => self.vfio_pci = true,
            Action::Forget => self.entry = None,
            _ => after(&mut self.pf, action),
        }
        if let Some(entry) = &mut self.entry {
            entry.settle(action);
        }
    }

    /// After the intent of `action` was recorded, with nothing done yet.
    pub fn intended(&mut self, action: &Action, owners: &[Owner]) {
        let entry = self.entry.get_or_insert_with(|| Entry {
            names: self.pf.names().map(str::to_owned).collect(),
            ..Entry::new(owners.to_vec())
        });
        entry.intend(action, &self.pf);
    }
}

fn after(pf: &mut Pf, action: &Action) {
    match action {
        Action::SetAutoprobe { on } => pf.autoprobe = *on,
        Action::SetNumVfs { to, .. } => {
            pf.num_vfs = *to;
            pf.vfs = (0..*to).map(|index| (VfIndex(index), newborn(pf, VfIndex(index)))).collect();
        }
        Action::SetPfMtu { to, .. } => {
            if let Some(netdev) = &mut pf.netdev {
                netdev.mtu = *to;
            }
        }
        Action::SetPfUp { up } => {
            if let Some(netdev) = &mut pf.netdev {
                netdev.up = *up;
            }
        }
        Action::SetVfMac { vf, mac } => {
            if let Some(vf) = pf.vfs.get_mut(vf) {
                vf.admin_mac = Some(*mac);
            }
        }
        Action::Bind { vf: index, to, .. } => {
            if let Some(vf) = pf.vfs.get_mut(index) {
                bind(vf, *index, to);
            }
        }
        Action::ClearOverride { vf } => {
            if let Some(vf) = pf.vfs.get_mut(vf) {
                vf.driver_override = None;
            }
        }
        Action::SetVfMtu { vf, mtu } => {
            if let Some(netdev) = pf.vfs.get_mut(vf).and_then(|vf| vf.netdev.as_mut()) {
                netdev.mtu = *mtu;
            }
        }
        Action::LoadModule { .. } | Action::TakeOver { .. } | Action::Forget => {}
    }
}

/// A VF just made: the kernel binds it only where autoprobe is on.
fn newborn(pf: &Pf, index: VfIndex) -> Vf {
    let mut vf = Vf {
        address: pf.vf_address(index).unwrap_or(pf.address),
        driver: None,
        driver_override: None,
        altnames: Vec::new(),
        netdev: None,
        admin_mac: Some(conf::Mac::ZERO),
        // Which one is not known before; most often it is its own.
        iommu_group: pf.iommu_group.map(|_| u32::MAX - u32::from(index.0)),
        neighbour: None,
        user: None,
        packet_sockets: 0,
    };
    if pf.autoprobe {
        bind(&mut vf, index, &Binding::Default);
    }
    vf
}

fn bind(vf: &mut Vf, index: VfIndex, to: &Binding) {
    vf.driver_override = None;
    vf.netdev = None;
    vf.altnames.clear();
    vf.driver = match to {
        Binding::Driver(name) => Some(name.clone()),
        Binding::Unbound => None,
        Binding::Default => {
            vf.netdev = netdev_name(index).map(|name| Netdev {
                index: 100 + u32::from(index.0),
                name,
                mac: vf.admin_mac,
                mtu: 1500,
                up: false,
                carrier: false,
                infiniband: false,
            });
            netdev_driver()
        }
    };
}

/// What the model calls the driver that the kernel finds for a VF.
pub fn netdev_driver() -> Option<DriverName> {
    "netdev-driver".parse().ok()
}

fn netdev_name(index: VfIndex) -> Option<IfName> {
    format!("vf{index}").parse().ok()
}

#[cfg(test)]
mod tests;
