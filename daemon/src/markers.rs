//! Which VFs are for containers, told to udev: `/run/railhead/vfs/PCI-ADDRESS`, an empty file each.
//!
//! ```text
//! before VFs are made, and in each pass --> marker --> systemd/railhead.rules: NM_UNMANAGED,
//!                                                     RAILHEAD_VF --> network managers keep off
//! ```
//!
//! udev looks only whether the file is there, by the PCI address of the function that a network
//! interface belongs to. Nothing that a container can choose, its interface's name above all, ever
//! becomes a path or a word of a command there. Representors and sub-functions belong to the PF,
//! which has no marker.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

use conf::desired::Desired;
use conf::{IfName, PciAddress};
use ipam::durable;

use crate::chain::Chain;
use crate::host::Host;
use crate::journal::Ownership;
use crate::situation::Situation;
use crate::snapshot::{Snapshot, User, Vf};

/// The directory of the markers.
#[derive(Debug, Clone)]
pub struct Markers {
    directory: PathBuf,
}

/// A marker that could not be made, found or removed.
#[derive(Debug, thiserror::Error)]
#[error("{verb} {}, by which network managers know that a VF is not theirs", path.display())]
pub struct MarkerError {
    verb: &'static str,
    path: PathBuf,
    source: io::Error,
}

impl Markers {
    /// Those in `directory`, which need not be there yet.
    pub fn at(directory: impl Into<PathBuf>) -> Self {
        Self { directory: directory.into() }
    }

    /// The VFs that have one. What is called otherwise is not ours.
    ///
    /// # Errors
    /// When the directory cannot be read.
    pub fn read(&self) -> Result<BTreeSet<PciAddress>, MarkerError> {
        let failed = |source| MarkerError { verb: "read", path: self.directory.clone(), source };
        let files = match fs::read_dir(&self.directory) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BTreeSet::new()),
            files => files.map_err(failed)?,
        };
        let mut found = BTreeSet::new();
        for file in files {
            let name = file.map_err(failed)?.file_name();
            let address = name.to_str().and_then(|name| name.parse::<PciAddress>().ok());
            found.extend(address.filter(|address| *name == *address.to_string()));
        }
        Ok(found)
    }

    /// Marks these VFs. Nothing is written where they are marked already.
    ///
    /// # Errors
    /// When a file cannot be made.
    pub fn add_all(&self, vfs: impl IntoIterator<Item = PciAddress>) -> Result<(), MarkerError> {
        vfs.into_iter().try_for_each(|vf| self.add(vf))
    }

    fn add(&self, vf: PciAddress) -> Result<(), MarkerError> {
        let path = self.path(vf);
        let make = || match OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)
        {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            made => made.map(drop),
        };
        let made = match make() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                durable::make_directory(&self.directory)
                    .map_err(|error| error.source)
                    .and_then(|()| make())
            }
            made => made,
        };
        made.map_err(|source| MarkerError { verb: "make", path: path.clone(), source })
    }

    /// Takes the marks of these VFs away.
    ///
    /// # Errors
    /// When a file cannot be removed.
    pub fn remove_all(&self, vfs: impl IntoIterator<Item = PciAddress>) -> Result<(), MarkerError> {
        vfs.into_iter().try_for_each(|vf| {
            let path = self.path(vf);
            match fs::remove_file(&path) {
                Err(source) if source.kind() != io::ErrorKind::NotFound => {
                    Err(MarkerError { verb: "remove", path, source })
                }
                _ => Ok(()),
            }
        })
    }

    fn path(&self, vf: PciAddress) -> PathBuf {
        self.directory.join(vf.to_string())
    }
}

/// Makes the markers those of the VFs that are for containers now, and has udev look again at the
/// interfaces of those for which that is news. Where nothing is new, nothing is written.
pub fn settle(host: &Host, situation: &Situation, troubles: &mut Vec<String>) {
    if !host.is_live() {
        return;
    }
    let markers = host.markers();
    let wanted = wanted(&situation.snapshot, &situation.ownership, situation.desired());
    let marked = match markers.read() {
        Ok(marked) => marked,
        Err(error) => return troubles.push(Chain(&error).to_string()),
    };
    let new = wanted.difference(&marked).copied();
    let stale = marked.difference(&wanted).copied().filter(|vf| is_stale(host, situation, *vf));
    let (new, stale): (Vec<_>, Vec<_>) = (new.collect(), stale.collect());
    let written = markers.add_all(new.iter().copied());
    for result in [written, markers.remove_all(stale.iter().copied())] {
        if let Err(error) = result {
            troubles.push(Chain(&error).to_string());
        }
    }
    let netdevs = netdevs(situation);
    for vf in new.iter().chain(&stale) {
        let Some(netdev) = netdevs.get(vf) else { continue };
        if let Err(error) = host.sysfs().announce_netdev(*vf, netdev) {
            troubles.push(Chain(&error).to_string());
        }
    }
}

/// The VFs that are for containers: of the PFs that railhead answers for or that a policy wants.
/// One that the host itself uses is the host's, unless railhead made it.
fn wanted(snapshot: &Snapshot, ownership: &Ownership, desired: &Desired) -> BTreeSet<PciAddress> {
    // While the other operator works here nothing new is ours.
    let may_take = snapshot.operator.is_none();
    let mut found = BTreeSet::new();
    for pf in snapshot.pfs.values() {
        let entry = ownership.get(&pf.address);
        let wish = desired.pfs.get(&pf.address).filter(|wish| wish.refused.is_empty());
        if entry.is_none() && !(may_take && wish.is_some()) {
            continue;
        }
        let is_made = entry.is_some_and(|entry| entry.made_vfs_of(pf));
        let vfs = pf.vfs.values().filter(|vf| is_made || !is_host_use(vf));
        found.extend(vfs.map(|vf| vf.address));
    }
    found
}

fn is_host_use(vf: &Vf) -> bool {
    match &vf.user {
        Some(User::Machine { .. } | User::Port { .. } | User::Host { .. }) => true,
        Some(
            User::Container { .. }
            | User::Verb { .. }
            | User::OtherNamespace
            | User::Process { .. },
        )
        | None => false,
    }
}

/// Whether a marker that nobody wants is one of nothing any more. A PF that could not be read this
/// time keeps those of its VFs.
fn is_stale(host: &Host, situation: &Situation, vf: PciAddress) -> bool {
    match host.sysfs().pf_of(vf) {
        Ok(Some(pf)) => !situation.snapshot.unreadable.contains_key(&pf),
        Ok(None) => true,
        Err(_) => false,
    }
}

/// The network interfaces that VFs have here.
fn netdevs(situation: &Situation) -> BTreeMap<PciAddress, &IfName> {
    let vfs = situation.snapshot.pfs.values().flat_map(|pf| pf.vfs.values());
    vfs.filter_map(|vf| Some((vf.address, &vf.netdev.as_ref()?.name))).collect()
}

#[cfg(test)]
mod tests;
