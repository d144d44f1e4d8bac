//! The `nv-ipam` plugin: addresses of IPPools and CIDRPools.
//!
//! ```text
//! prepare    config, nv-ipam.conf, CNI_ARGS, blocks  ->  Request     reads, changes nothing
//! allocate   Request, transaction                    ->  Allocation  all addresses or none
//! result     Allocation                              ->  AddResult
//! release    owner, transaction                                      needs no config at all
//! ```
//!
//! The keys, their precedence and the results are those of NVIDIA's nv-ipam; docs/ipam.md lists
//! where this differs on purpose. The same code serves the plugin `nv-ipam` on its own and the
//! `sriov` plugin, which leases addresses in the transaction that claims the VF.

mod allocation;
mod check;
mod error;
mod request;
mod target;

use std::collections::BTreeSet;

use conf::NetworkName;
use conf::cni::{Code, Error};
use conf::plugin::nv_ipam::NvIpamConf;
use serde_json::Value;

pub use crate::allocate::{Grant, Identity, Source};
pub use allocation::{Allocation, Granted};
pub use check::check;
pub use error::store_error;
pub use request::Request;

use crate::clock::BootTime;
use crate::cooldown;
use crate::owner::AttachmentKey;
use crate::paths::Root;
use crate::store::{Store, StoreError, WriteTxn};

/// DEL: gives back all that `owner` holds, in all pools, and tells how much that was. Nothing held
/// is success: a DEL may come twice, or after an ADD that never was. With the cookie of the
/// container's namespace, what was leased again for that interface after a loss goes back too.
///
/// # Errors
/// The store failed; the addresses stay leased, and the DEL can be repeated.
pub fn release(
    txn: &mut WriteTxn<'_>,
    owner: &AttachmentKey,
    netns_cookie: Option<u64>,
    now: BootTime,
) -> Result<usize, StoreError> {
    let recovered = match netns_cookie {
        Some(cookie) => txn.release_recovered(cookie, &owner.ifname, now)?.len(),
        None => 0,
    };
    Ok(txn.release(owner, now)?.len() + recovered)
}

/// GC: gives back what `network` got and `valid` does not name, and tells how much that was.
///
/// The caller sees to it that a missing list of valid attachments does not become an empty one.
///
/// # Errors
/// The store failed; nothing was given back.
pub fn gc(
    txn: &mut WriteTxn<'_>,
    network: &NetworkName,
    valid: &BTreeSet<AttachmentKey>,
    now: BootTime,
) -> Result<usize, StoreError> {
    Ok(txn.release_stale(network, valid, now)?.len())
}

/// STATUS: whether an ADD with this config could succeed.
///
/// # Errors
/// Code 50 when this node has no block of a pool that the config names, or one that is only kept
/// for those who hold an address, or when the store cannot be used, or keeps addresses back; 7
/// when the config breaks a rule.
pub fn status(root: &Root, network: &NetworkName, conf: &Value) -> Result<(), Error> {
    let read = request::read_conf(root, network, conf, &Default::default());
    let (conf, warnings) = read.map_err(|error| match error.code {
        Code::Io => Error { code: Code::NotAvailable, ..error },
        _ => error,
    })?;
    can_add(root, &conf)
        .map_err(|error| Error { code: Code::NotAvailable, ..error }.hinted(&warnings))
}

fn can_add(root: &Root, conf: &NvIpamConf) -> Result<(), Error> {
    let missing: BTreeSet<String> = conf
        .pools
        .iter()
        .filter_map(|pool| match target::load(root, pool) {
            Err(error) => Some(error.to_string()),
            Ok(block) => block.is_retired().then(|| error::retired(pool)),
        })
        .collect();
    if !missing.is_empty() {
        let missing = missing.into_iter().collect::<Vec<_>>().join("; ");
        return Err(error::not_available(missing));
    }
    cooldown::load(root).map_err(|error| error::file_error(&error))?;
    Store::ready(root).map_err(store_error)?;
    let Some(store) = Store::existing(root) else { return Ok(()) };
    match store.read(|txn| txn.loss()) {
        Ok(None) => Ok(()),
        Ok(Some(loss)) => Err(error::not_available(loss.to_string())),
        Err(error) => Err(store_error(error)),
    }
}

#[cfg(test)]
mod tests;
