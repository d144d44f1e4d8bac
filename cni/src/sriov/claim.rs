//! Whose VF it is: one transaction decides.

use conf::PciAddress;
use conf::cni::{Code, Error};
use ipam::AttachmentKey;
use ipam::nv_ipam::{Allocation, Request, store_error};

use super::alive::is_alive;
use super::{Host, release};
use crate::attachment::{Record, State};
use crate::log::Log;
use crate::transaction;

/// What came of a claim.
pub(super) enum Claim {
    /// The VF is `key`'s, with these addresses when any were asked for.
    Granted(Option<Allocation>),
    /// Nothing is changed: an attachment has the VF, or the key.
    Refused,
}

/// Makes room for `key`: undoes an attachment that has the VF, or the key, and was never given
/// back; `false` when there is none. The caller holds the VF's lock.
///
/// # Errors
/// Code 11 when that attachment lives, naming it; code 103 when it is `key`'s own and complete.
pub(super) fn make_room(
    host: &Host,
    log: &Log,
    vf: PciAddress,
    key: &AttachmentKey,
) -> Result<bool, Error> {
    let found: Option<Record> = transaction::read(&host.store, |txn| {
        let own = txn.attachment(key).map_err(store_error)?;
        match (own, txn.vf_owner(vf).map_err(store_error)?) {
            (None, Some(holder)) => txn.attachment(&holder).map_err(store_error),
            (own, _) => Ok(own),
        }
    })?;
    let Some(old) = found else { return Ok(false) };
    may_undo(host, &old, vf, key)?;
    log.warning(&format_args!("VF {} was never given back by {}", old.vf, old.key));
    match old.key == *key {
        // Its IPAM must hear of the end before it can be asked again for the same container.
        true => release::release(host, log, None, &old, None, None)?,
        false => release::make_way(host, log, &old)?,
    }
    Ok(true)
}

/// Claims the VF of `record` for it, and leases addresses for `request`.
///
/// # Errors
/// Those of the store and of the allocation; nothing is changed then.
pub(super) fn claim(
    host: &Host,
    record: &Record,
    request: Option<&Request>,
) -> Result<Claim, Error> {
    let now = transaction::now()?;
    transaction::write(&host.store, |txn| {
        // Its own record must not be lost: that of another ADD, perhaps, at work on another VF.
        if txn.attachment::<Record>(&record.key).map_err(store_error)?.is_some() {
            return Ok(Claim::Refused);
        }
        if let Err(holder) = txn.claim_vf(record.vf, &record.key).map_err(store_error)? {
            if txn.attachment::<Record>(&holder).map_err(store_error)?.is_some() {
                return Ok(Claim::Refused);
            }
            // An owner without a record owns nothing.
            txn.release_vf(record.vf, &holder).map_err(store_error)?;
            let claimed = txn.claim_vf(record.vf, &record.key).map_err(store_error)?;
            claimed.map_err(|holder| held_by(record.vf, &holder))?;
        }
        let allocation = request.map(|request| request.allocate(txn, now)).transpose()?;
        txn.put_attachment(&record.key, record).map_err(store_error)?;
        Ok(Claim::Granted(allocation))
    })
}

/// Code 11: another attachment came in between, twice.
pub(super) fn refused(vf: PciAddress) -> Error {
    Error::new(Code::TryAgainLater, format!("use VF {vf}: another attachment has it, or has ended"))
}

fn may_undo(host: &Host, old: &Record, vf: PciAddress, key: &AttachmentKey) -> Result<(), Error> {
    let refused = |why: String| Err(Error::new(Code::Io, why));
    if !old.is_readable() {
        let Record { vf, key, format, .. } = old;
        return refused(format!(
            "VF {vf} is held by {key}, recorded by a newer railhead (format {format})"
        ));
    }
    if old.key != *key {
        return if is_alive(host, old)? { Err(held_by(vf, &old.key)) } else { Ok(()) };
    }
    // With the VF's lock in our hands, an ADD that did not come to its end is dead.
    if old.vf == vf && old.state == State::Intent {
        return Ok(());
    }
    Err(has_one_already(old))
}

fn has_one_already(own: &Record) -> Error {
    let Record { key, vf, .. } = own;
    if own.state == State::Released {
        let msg = format!("the IPAM of {key} has yet to hear of its last end; DEL comes first");
        return Error::new(Code::TryAgainLater, msg);
    }
    Error::new(Code::AlreadyAttached, format!("{key} has VF {vf} already; DEL comes first"))
}

fn held_by(vf: PciAddress, holder: &AttachmentKey) -> Error {
    Error::new(Code::TryAgainLater, format!("use VF {vf}: it is held by {holder}"))
}
