//! Attachments whose container died without a DEL: the kernel gave the VF back when the namespace
//! went away, and what its PF still has of it is put right here.

use std::collections::BTreeMap;

use cni::attachment::Record;
use cni::log::Log;
use cni::sriov;
use ipam::{AttachmentKey, Store, StoreError};

use crate::chain::Chain;
use crate::host::Host;
use crate::snapshot::{Snapshot, User, Vf};

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

/// Attachments that look as if their namespace was gone. The plugin's own code judges; what is
/// looked at here only keeps it from being asked about all that are alive.
fn suspects(host: &Host, snapshot: &Snapshot) -> Result<Vec<AttachmentKey>, StoreError> {
    let attached: Vec<(&Vf, AttachmentKey)> = snapshot
        .pfs
        .values()
        .flat_map(|pf| pf.vfs.values())
        .filter_map(|vf| Some((vf, key(vf.user.as_ref()?)?)))
        .collect();
    if attached.is_empty() {
        return Ok(Vec::new());
    }
    let records = Store::open(host.root())?.read(|txn| txn.attachments::<Record>())?;
    let records: BTreeMap<AttachmentKey, _> = records.into_iter().collect();
    let is_gone = |key: &AttachmentKey| {
        let record = records.get(key).and_then(|record| record.as_ref().ok());
        record.is_some_and(|record| !record.netns.exists())
    };
    let suspects = attached.into_iter().filter(|(vf, key)| vf.netdev.is_some() || is_gone(key));
    Ok(suspects.map(|(_, key)| key).collect())
}

fn key(user: &User) -> Option<AttachmentKey> {
    let User::Container { container, interface, .. } = user else { return None };
    Some(AttachmentKey { container: container.parse().ok()?, ifname: interface.parse().ok()? })
}
