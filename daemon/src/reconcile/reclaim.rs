//! Attachments whose container died without a DEL: the kernel gave the VF back when the namespace
//! went away, and what its PF still has of it is put right here.

use std::collections::BTreeMap;

use cni::attachment::{Record, State};
use cni::log::Log;
use cni::sriov;
use ipam::{AttachmentKey, StoreError};

use crate::chain::Chain;
use crate::host::Host;
use crate::snapshot::{Snapshot, User};

/// Ends them, and says whether there were any.
pub(super) fn dead_attachments(
    host: &Host,
    snapshot: &Snapshot,
    troubles: &mut Vec<String>,
) -> bool {
    if !host.is_live() {
        return false;
    }
    let suspects = suspects(host, snapshot).unwrap_or_else(|error| {
        troubles.push(Chain(&error).to_string());
        Vec::new()
    });
    if suspects.is_empty() {
        return false;
    }
    let mut any = false;
    let machine = match sriov::Host::open(host.root().clone()) {
        Ok(machine) => machine,
        Err(error) => {
            troubles.push(error.to_string());
            return false;
        }
    };
    for key in suspects {
        match sriov::reclaim(&machine, &Log::default(), &key) {
            Ok(true) => {
                tracing::info!("gave back the VF of {key}, whose network namespace is gone");
                any = true;
            }
            Ok(false) => {}
            Err(error) => troubles.push(error.to_string()),
        }
    }
    any
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
