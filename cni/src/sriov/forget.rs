//! Forgetting by hand what is recorded of an attachment, where nothing else ends it.

use conf::cni::{Code, Error};
use ipam::AttachmentKey;
use ipam::nv_ipam::store_error;

use super::Host;
use crate::attachment::{Record, State};
use crate::lock::{Patience, Purpose, VfLock};
use crate::transaction;

/// Forgets what is recorded of `key`, and gives back what railhead itself leased for it. Nothing
/// of the kernel is put right, and no IPAM is told.
///
/// Only what has come to its end but for its IPAM goes without `force`: of all else a VF is in a
/// container, or has to be put right by what the record tells.
///
/// # Errors
/// Code 3 when nothing is recorded, code 11 while somebody is at work on the VF, and what speaks
/// against it without `force`.
pub fn forget(host: &Host, key: &AttachmentKey, force: bool) -> Result<(), Error> {
    let found = transaction::read(&host.store, |txn| {
        Ok(txn.attachment::<Record>(key).map_err(store_error))
    })?;
    let refused = |why: &dyn std::fmt::Display| {
        Error::new(Code::TryAgainLater, format!("drop the record of {key}: {why}"))
            .details("--force drops it all the same, and leaves its VF as it is")
    };
    let mut lock = None;
    match found {
        Ok(None) => {
            return Err(Error::new(
                Code::UnknownContainer,
                format!("drop the record of {key}: there is none; see `railhead attachments`"),
            ));
        }
        Ok(Some(record)) if record.is_readable() && record.state == State::Released => {}
        Ok(Some(record)) => {
            if !force {
                let vf = record.vf;
                return Err(refused(&format_args!(
                    "VF {vf} is in its container, or has yet to be put right; DEL does that, and \
                     `railhead apply` once the container is gone"
                )));
            }
            // Not under the feet of a verb that is at work.
            let purpose = Purpose::Release(key.clone());
            lock = Some(VfLock::take(&host.root, record.vf, purpose, Patience::None)?);
        }
        Err(error) if !force => return Err(refused(&error)),
        Err(_) => {}
    }
    let now = transaction::now()?;
    transaction::write(&host.store, |txn| {
        ipam::nv_ipam::release(txn, key, None, now).map_err(store_error)?;
        for (vf, owner) in txn.vf_owners().map_err(store_error)? {
            if owner == *key {
                txn.release_vf(vf, key).map_err(store_error)?;
            }
        }
        txn.remove_attachment(key).map(drop).map_err(store_error)
    })?;
    drop(lock);
    Ok(())
}
