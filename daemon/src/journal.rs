//! What railhead changed on each PF, what was there before, and for whom.
//!
//! ```text
//! /run/railhead/journal/<pci>.json     Entry: old value, new value, value before a write under way
//! ```
//!
//! An entry is written before the kernel is touched ([`Entry::intend`]) and tidied after
//! ([`Entry::settle`]), so that whoever comes after a SIGKILL knows what may have been done. It
//! lives in `/run`: a reboot resets what it describes. Undoing goes back to the old value and only
//! where the present value is still one that railhead wrote. An entry that cannot be read is set
//! aside, and with it goes all right to take anything away from that PF.

use std::collections::BTreeMap;

use conf::{DriverName, PciAddress, VfIndex};
use serde::{Deserialize, Serialize};

use crate::plan::step::{Action, Binding};
use crate::snapshot::Pf;

pub mod files;

/// The entries by PF: what railhead answers for.
pub type Ownership = BTreeMap<PciAddress, Entry>;

/// The version of the format that is written.
pub const VERSION: u32 = 1;

/// What railhead changed on one PF.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    /// The format's version.
    pub version: u32,
    /// The policies that asked, the winner first.
    pub owners: Vec<Owner>,
    /// What the PF's netdev was called while they asked: its name and altnames.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub names: Vec<String>,
    /// `sriov_numvfs`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub num_vfs: Option<Changed<u16>>,
    /// `sriov_drivers_autoprobe`, while it is not what it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub autoprobe: Option<Changed<bool>>,
    /// The PF's MTU.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mtu: Option<Changed<u32>>,
    /// Whether the PF is up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub up: Option<Changed<bool>>,
    /// VFs that were there before railhead came, and that it changed.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub vfs: BTreeMap<VfIndex, VfEntry>,
}

/// An object that asked for something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owner {
    /// The policy's name.
    pub policy: String,
    /// Its generation, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generation: Option<i64>,
}

/// What railhead changed on a VF that it did not make.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct VfEntry {
    /// Its driver.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub driver: Option<Rebound>,
    /// Its MTU.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mtu: Option<Changed<u32>>,
}

/// A VF that railhead bound to another driver.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rebound {
    /// The driver before railhead came.
    pub old: Option<DriverName>,
    /// What railhead last bound it to.
    pub new: Binding,
}

impl Rebound {
    /// Whether `present` is what railhead left: binding takes a function from its driver first,
    /// so that none at all may be the trace of a write that did not end.
    pub fn is_ours(&self, present: Option<&DriverName>) -> bool {
        match (&self.new, present) {
            (_, None) => true,
            (Binding::Driver(name), Some(present)) => name == present,
            (Binding::Default, Some(present)) => !present.is_userspace(),
            (Binding::Unbound, Some(_)) => false,
        }
    }
}

/// A value that railhead changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Changed<T> {
    /// What it was before railhead came.
    pub old: T,
    /// What railhead last set it to.
    pub new: T,
    /// What it was before a write that may or may not have happened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pending: Option<T>,
}

impl<T: PartialEq + Clone> Changed<T> {
    /// Whether `present` is a value that railhead left there.
    pub fn is_ours(&self, present: &T) -> bool {
        *present == self.new || self.pending.as_ref() == Some(present)
    }

    /// The record of a write of `new` over `present`; `before` is the record so far.
    fn over(before: Option<&Self>, present: T, new: T) -> Self {
        let old = before.map_or_else(|| present.clone(), |record| record.old.clone());
        Self { old, new, pending: Some(present) }
    }
}

impl Entry {
    /// Nothing changed so far, for these policies.
    pub fn new(owners: Vec<Owner>) -> Self {
        Self {
            version: VERSION,
            owners,
            names: Vec::new(),
            num_vfs: None,
            autoprobe: None,
            mtu: None,
            up: None,
            vfs: BTreeMap::new(),
        }
    }

    /// Whether the VFs that `pf` has now were made by railhead.
    pub fn made_vfs_of(&self, pf: &Pf) -> bool {
        self.num_vfs.as_ref().is_some_and(|record| record.is_ours(&pf.num_vfs))
    }

    /// Notes that `action` is about to be done to `pf`, which is as told.
    pub fn intend(&mut self, action: &Action, pf: &Pf) {
        match action {
            Action::SetNumVfs { to, .. } => {
                self.num_vfs = Some(Changed::over(self.num_vfs.as_ref(), pf.num_vfs, *to));
            }
            Action::SetAutoprobe { on } => {
                self.autoprobe = Some(Changed::over(self.autoprobe.as_ref(), pf.autoprobe, *on));
            }
            Action::SetPfMtu { to, .. } => {
                if let Some(netdev) = &pf.netdev {
                    self.mtu = Some(Changed::over(self.mtu.as_ref(), netdev.mtu, *to));
                }
            }
            Action::SetPfUp { up } => {
                if let Some(netdev) = &pf.netdev {
                    self.up = Some(Changed::over(self.up.as_ref(), netdev.up, *up));
                }
            }
            Action::Bind { vf, to, .. } => self.intend_bind(*vf, to, pf),
            Action::SetVfMtu { vf, mtu } => self.intend_vf_mtu(*vf, *mtu, pf),
            Action::TakeOver { vfs, mtu } => {
                self.num_vfs = Some(Changed { old: 0, new: *vfs, pending: None });
                self.mtu = mtu.map(|(old, new)| Changed { old, new, pending: None });
            }
            Action::LoadModule { .. }
            | Action::SetVfMac { .. }
            | Action::ClearOverride { .. }
            | Action::Forget => {}
        }
    }

    fn intend_bind(&mut self, vf: VfIndex, to: &Binding, pf: &Pf) {
        if self.made_vfs_of(pf) {
            return;
        }
        let Some(present) = pf.vfs.get(&vf).map(|vf| vf.driver.clone()) else { return };
        let record = self.vfs.entry(vf).or_default();
        let old = record.driver.take().map_or(present, |record| record.old);
        record.driver = Some(Rebound { old, new: to.clone() });
    }

    fn intend_vf_mtu(&mut self, vf: VfIndex, mtu: u32, pf: &Pf) {
        if self.made_vfs_of(pf) {
            return;
        }
        let Some(netdev) = pf.vfs.get(&vf).and_then(|vf| vf.netdev.as_ref()) else { return };
        let record = self.vfs.entry(vf).or_default();
        record.mtu = Some(Changed::over(record.mtu.as_ref(), netdev.mtu, mtu));
    }

    /// Notes that `action` was done.
    pub fn settle(&mut self, action: &Action) {
        match action {
            Action::SetNumVfs { .. } => {
                settle(&mut self.num_vfs);
                // Whatever VFs there were before are gone, and with them what was done to them.
                self.vfs.clear();
            }
            Action::SetAutoprobe { .. } => {
                settle(&mut self.autoprobe);
                if self.autoprobe.is_some_and(|record| record.new == record.old) {
                    self.autoprobe = None;
                }
            }
            Action::SetPfMtu { .. } => settle(&mut self.mtu),
            Action::SetPfUp { .. } => settle(&mut self.up),
            Action::SetVfMtu { vf, .. } => {
                if let Some(record) = self.vfs.get_mut(vf) {
                    settle(&mut record.mtu);
                }
            }
            Action::LoadModule { .. }
            | Action::SetVfMac { .. }
            | Action::Bind { .. }
            | Action::ClearOverride { .. }
            | Action::TakeOver { .. }
            | Action::Forget => {}
        }
    }
}

fn settle<T>(record: &mut Option<Changed<T>>) {
    if let Some(record) = record {
        record.pending = None;
    }
}

#[cfg(test)]
mod tests;
