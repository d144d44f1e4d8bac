//! DEL, and every other way that an attachment ends: one order, from the record alone.
//!
//! ```text
//! lease       of DHCP, which goes back over the netdev while that is in the container
//! home        the netdev, from wherever it is, under its name
//! link        flags, MTU, altnames
//! VF          the PF's attributes
//! MAC         the VF's own, which some drivers only take after the PF's
//! leftovers   what is still not as it was: the driver is bound anew, and all of the above is looked at again
//! addresses   once the VF has left the container
//! record      last, and only when all of it is right: a repeated DEL goes on from here
//! ```
//!
//! Each part looks at the kernel and changes what differs from the record, so it does not matter
//! how far ADD came, nor how often this is done. A part that fails does not keep the others from
//! being done.

mod books;
mod unknown;
mod vf;

use std::path::Path;
use std::time::Duration;

use conf::cni::{Code, Error};
use ipam::nv_ipam::store_error;
use ipam::{AttachmentKey, StoreError};

use self::vf::Given;
use super::alive::{Keeper, is_alive, keeper};
use super::{Host, device_info, upstream};
use crate::attachment::{Record, State};
use crate::failure::Failures;
use crate::lock::{LockError, Patience, Purpose, VfLock};
use crate::log::Log;
use crate::protocol::Call;
use crate::transaction;

/// How long DEL waits for a VF that somebody is at work on: an ADD whose runtime gave up on it,
/// with its IPAM, or a step of the daemon.
const PATIENCE: Duration = Duration::from_secs(90);

/// DEL.
pub(super) fn del(
    host: &Host,
    call: &Call,
    key: &AttachmentKey,
    netns: Option<&Path>,
) -> Result<(), Error> {
    let mut record = find(host, key)?;
    if record.is_none() && upstream::import(host, call, key, netns)? {
        record = find(host, key)?;
    }
    let Some(record) = record else {
        return unknown::give_addresses_back(host, call, key, netns);
    };
    // Its VF is somebody else's by now, who may be at work on it.
    if record.state == State::Released {
        return books::tell(host, &call.log, Some(call), &record);
    }
    books::tell_over_the_interface(&call.log, call, &record);
    let purpose = Purpose::Release(key.clone());
    let lock = VfLock::take(&host.root, record.vf, purpose, Patience::Wait(PATIENCE))?;
    // Whoever held the lock may have finished the job.
    let Some(record) = find(host, key)? else { return Ok(()) };
    release(host, &call.log, Some(call), &record, netns, Some(lock))?;
    call.log.info(&format_args!("released VF {} of {key}", record.vf));
    Ok(())
}

/// What became of an attachment that looked dead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reclaimed {
    /// It was dead, and has come to its end.
    Ended,
    /// It lives.
    Lives(Keeper),
    /// Its VF is free, but its IPAM cannot be told.
    Untold(Error),
    /// Somebody else is at it, or was.
    Others,
}

/// Ends an attachment whose namespace is gone and for which no DEL ever came.
///
/// # Errors
/// Whatever of the VF could not be put right; the record stays.
pub fn reclaim(host: &Host, log: &Log, key: &AttachmentKey) -> Result<Reclaimed, Error> {
    let Some(record) = find(host, key)? else { return Ok(Reclaimed::Others) };
    if record.state == State::Released {
        // While the namespace is there, its DEL may be in the middle of telling the IPAM.
        return match is_alive(host, &record)? {
            true => Ok(Reclaimed::Others),
            false => Ok(match books::tell(host, log, None, &record) {
                Ok(()) => Reclaimed::Ended,
                Err(error) => Reclaimed::Untold(error),
            }),
        };
    }
    let purpose = Purpose::Release(key.clone());
    let lock = match VfLock::take(&host.root, record.vf, purpose, Patience::None) {
        Ok(lock) => lock,
        Err(LockError::Held { .. }) => return Ok(Reclaimed::Others),
        Err(error) => return Err(error.into()),
    };
    let Some(record) = find(host, key)? else { return Ok(Reclaimed::Others) };
    match keeper(host, &record)? {
        Some(keeper) => Ok(Reclaimed::Lives(keeper)),
        None => match release(host, log, None, &record, None, Some(lock)) {
            Ok(()) => Ok(Reclaimed::Ended),
            Err(error) if is_free(host, key)? => Ok(Reclaimed::Untold(error)),
            Err(error) => Err(error),
        },
    }
}

/// Whether all of an attachment has come to its end but what its IPAM must hear.
pub(super) fn is_free(host: &Host, key: &AttachmentKey) -> Result<bool, Error> {
    Ok(find(host, key)?.is_some_and(|record| record.state == State::Released))
}

/// The record of `key`.
pub(super) fn find(host: &Host, key: &AttachmentKey) -> Result<Option<Record>, Error> {
    let record: Option<Record> =
        transaction::read(&host.store, |txn| txn.attachment(key).map_err(unreadable))?;
    match record {
        Some(record) if !record.is_readable() => Err(Error::new(
            Code::Io,
            format!("release {key}: a newer railhead recorded it (format {})", record.format),
        )),
        record => Ok(record),
    }
}

/// Nothing is undone by guesswork: another railhead may be able to read the record.
fn unreadable(error: StoreError) -> Error {
    let is_record = matches!(error, StoreError::Record { .. });
    let error = store_error(error);
    if !is_record {
        return error;
    }
    error.details(
        "nothing was changed; a railhead that can read the record must end the attachment, or a \
         reboot, which leaves nothing of it",
    )
}

/// Puts everything right that `record` tells of. Its VF's lock is held; `lock` is given back as
/// soon as the VF is free, which is before a foreign IPAM is called. `call` is the DEL that is served.
pub(super) fn release(
    host: &Host,
    log: &Log,
    call: Option<&Call>,
    record: &Record,
    netns: Option<&Path>,
    lock: Option<VfLock>,
) -> Result<(), Error> {
    let mut failures = Failures::default();
    let untold = free(host, log, record, netns, &mut failures);
    // A VF that is not right stays with its record, and the lock with who is at work on it.
    let lock = lock.filter(|_held| !failures.is_empty());
    if let Some(untold) = untold {
        failures.note(books::tell(host, log, call, &untold));
    }
    drop(lock);
    failures.into_result()
}

/// Frees the VF of a dead attachment for somebody else, who holds its lock and waits for it. A
/// foreign IPAM is nothing to wait for: its DEL comes with the DEL of that attachment, or when the
/// daemon reclaims it.
///
/// # Errors
/// Whatever could not be put right; the VF is not free then.
pub(super) fn make_way(host: &Host, log: &Log, record: &Record) -> Result<(), Error> {
    let mut failures = Failures::default();
    if free(host, log, record, None, &mut failures).is_some() {
        log.info(&format_args!("the IPAM of {} has yet to hear of its end", record.key));
    }
    failures.into_result()
}

/// Brings the VF home and writes down how far that went. Gives the record as it stands then, when
/// a foreign IPAM has yet to hear of it.
fn free(
    host: &Host,
    log: &Log,
    record: &Record,
    netns: Option<&Path>,
    failures: &mut Failures,
) -> Option<Record> {
    let given = match failures.note(host.sysfs.incarnation(record.vf)) {
        None => Given::default(),
        Some(now) if now == Some(record.incarnation) => {
            vf::give_back(host, log, record, netns, failures)
        }
        Some(_) => {
            log.info(&format_args!("VF {} is not the one that was attached", record.vf));
            Given { left_container: true, fence: None }
        }
    };
    let Given { left_container, fence } = given;
    let fenced = Record { fence: fence.or_else(|| record.fence.clone()), ..record.clone() };
    let record = &fenced;
    if let Some(path) = &record.device_info {
        // What tells of an interface keeps no VF from the next container.
        if let Err(error) = device_info::remove(path) {
            log.warning(&error);
        }
    }
    match (failures.is_empty(), left_container) {
        (true, _) => failures.note(books::forget(host, record)).flatten(),
        // Not all is right: the record and the VF are kept for the next DEL. Addresses are free
        // as soon as the VF has left the container.
        (false, true) => failures.note(books::free_addresses(host, record)).flatten(),
        (false, false) => None,
    }
}
