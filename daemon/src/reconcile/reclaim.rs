//! Attachments whose container died without a DEL: the kernel gave the VF back when the namespace
//! went away, and what its PF still has of it is put right here.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use cni::attachment::{Record, State};
use cni::kernel::vfio;
use cni::log::Log;
use cni::sriov::{self, Keeper, Reclaimed};
use ipam::{AttachmentKey, StoreError};

use crate::chain::Chain;
use crate::host::Host;
use crate::snapshot::{Snapshot, User};

/// What the look at them came to.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// Whether any were ended.
    pub(super) any: bool,
    /// Processes that keep one alive whose namespace has lost its name: their end is the only sign
    /// that it has come to its own.
    pub(super) keepers: BTreeSet<u32>,
    /// What is told of those whose IPAM cannot hear of their end.
    pub(super) untold: Vec<String>,
}

/// Ends them.
pub(super) fn dead_attachments(
    host: &Host,
    snapshot: &Snapshot,
    troubles: &mut Vec<String>,
) -> Found {
    let mut looked = Found::default();
    if !host.is_live() {
        return looked;
    }
    let suspects = suspects(host, snapshot).unwrap_or_else(|error| {
        troubles.push(Chain(&error).to_string());
        Vec::new()
    });
    if suspects.is_empty() {
        return looked;
    }
    let machine = match sriov::Host::open(host.root().clone()) {
        Ok(machine) => machine,
        Err(error) => {
            troubles.push(error.to_string());
            return looked;
        }
    };
    for key in suspects {
        match sriov::reclaim(&machine, &Log::default(), &key) {
            Ok(Reclaimed::Ended) => {
                tracing::info!("gave back the VF of {key}, whose network namespace is gone");
                looked.any = true;
            }
            Ok(Reclaimed::Lives(keeper)) => looked.keepers.extend(process(host, &keeper)),
            Ok(Reclaimed::Untold(error)) => {
                tracing::warn!("{error}");
                looked.untold.push(error.to_string());
            }
            Ok(Reclaimed::Others) => {}
            Err(error) => troubles.push(error.to_string()),
        }
    }
    looked
}

/// The process that keeps an attachment alive; `None` where none does, or none that is known.
fn process(host: &Host, keeper: &Keeper) -> Option<u32> {
    match keeper {
        Keeper::Namespace(path) => process_of(path),
        Keeper::Group(group) => {
            let number = vfio::group_number(host.sysfs(), *group)?;
            vfio::Holders::look().of(&[number]).map(|holder| holder.pid)
        }
        Keeper::Process(pid) => Some(*pid),
    }
}

/// The process that a path below `/proc/PID` belongs to.
fn process_of(path: &Path) -> Option<u32> {
    path.strip_prefix("/proc").ok()?.iter().next()?.to_str()?.parse().ok()
}

/// Attachments that look as if their namespace was gone, those included whose VF another pod has
/// by now and whose IPAM never heard of their end. The plugin's own code judges; what is looked at
/// here only keeps it from being asked about all that are alive.
fn suspects(host: &Host, snapshot: &Snapshot) -> Result<Vec<AttachmentKey>, StoreError> {
    let Some(store) = host.store() else { return Ok(Vec::new()) };
    let records = store.read(|txn| txn.attachments::<Record>())?;
    let records: BTreeMap<AttachmentKey, Record> =
        records.into_iter().filter_map(|(key, record)| Some((key, record.ok()?))).collect();
    let is_gone = |record: &Record| !record.netns.exists();
    let attached = snapshot
        .pfs
        .values()
        .flat_map(|pf| pf.vfs.values())
        .filter_map(|vf| Some((vf, key(vf.user.as_ref()?)?)))
        .filter(|(vf, key)| vf.netdev.is_some() || records.get(key).is_some_and(is_gone))
        .map(|(_, key)| key);
    let released = records
        .iter()
        .filter(|(_, record)| record.state == State::Released && is_gone(record))
        .map(|(key, _)| key.clone());
    Ok(attached.chain(released).collect())
}

fn key(user: &User) -> Option<AttachmentKey> {
    let User::Container { container, interface, .. } = user else { return None };
    Some(AttachmentKey { container: container.parse().ok()?, ifname: interface.parse().ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_way_to_a_namespace_tells_whose_it_is() {
        let process = |path: &str| process_of(Path::new(path));
        assert_eq!(process("/proc/42/task/43/ns/net"), Some(42));
        assert_eq!(process("/proc/42/root/run/netns/a"), Some(42));
        assert_eq!(process("/run/netns/a"), None);
        assert_eq!(process("/proc/self/ns/net"), None);
    }
}
