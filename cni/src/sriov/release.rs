//! DEL, and every other way that an attachment ends: one order, from the record alone.
//!
//! ```text
//! home        the netdev, from wherever it is, under its name
//! link        flags, MTU, altnames
//! VF          the PF's attributes
//! MAC         the VF's own, which some drivers only take after the PF's
//! addresses   once the VF has left the container
//! record      last, and only when all of it is right: a repeated DEL goes on from here
//! ```
//!
//! Each part looks at the kernel and changes what differs from the record, so it does not matter
//! how far ADD came, nor how often this is done. A part that fails does not keep the others from
//! being done.

use std::path::Path;
use std::time::Duration;

use conf::cni::{CniArgs, Code, Error};
use conf::plugin::sriov::SriovConf;
use ipam::nv_ipam::store_error;
use ipam::{AttachmentKey, WriteTxn};

use super::alive::is_alive;
use super::by_pf::ByPf;
use super::home::Homecoming;
use super::{Host, addresses, device_info, restore, upstream};
use crate::attachment::{ForeignIpam, Ipam, Record, State};
use crate::failure::Failures;
use crate::kernel::netlink::Route;
use crate::kernel::netns::Netns;
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
    let Some(record) = record else { return unknown(host, call, key, netns) };
    let purpose = Purpose::Release(key.clone());
    let lock = VfLock::take(&host.root, record.vf, purpose, Patience::Wait(PATIENCE))?;
    // Whoever held the lock may have finished the job.
    let Some(record) = find(host, key)? else { return Ok(()) };
    release(host, &call.log, &record, netns, Some(lock))?;
    call.log.info(&format_args!("released VF {} of {key}", record.vf));
    Ok(())
}

/// Ends an attachment whose namespace is gone and for which no DEL ever came. `false` when it
/// lives, or when somebody is at work on its VF.
///
/// # Errors
/// Whatever could not be put right; the record stays.
pub fn reclaim(host: &Host, log: &Log, key: &AttachmentKey) -> Result<bool, Error> {
    let Some(record) = find(host, key)? else { return Ok(false) };
    let purpose = Purpose::Release(key.clone());
    let lock = match VfLock::take(&host.root, record.vf, purpose, Patience::None) {
        Ok(lock) => lock,
        Err(LockError::Held { .. }) => return Ok(false),
        Err(error) => return Err(error.into()),
    };
    let Some(record) = find(host, key)? else { return Ok(false) };
    if is_alive(host, &record)? {
        return Ok(false);
    }
    release(host, log, &record, None, Some(lock)).map(|()| true)
}

/// The record of `key`.
pub(super) fn find(host: &Host, key: &AttachmentKey) -> Result<Option<Record>, Error> {
    let record: Option<Record> =
        transaction::read(&host.store, |txn| txn.attachment(key).map_err(store_error))?;
    match record {
        Some(record) if !record.is_readable() => Err(Error::new(
            Code::Internal,
            format!("release {key}: a newer railhead recorded it (format {})", record.format),
        )),
        record => Ok(record),
    }
}

/// Puts everything right that `record` tells of. Its VF's lock is held; `lock` is given back as
/// soon as the VF is free, which is before a foreign IPAM is called.
pub(super) fn release(
    host: &Host,
    log: &Log,
    record: &Record,
    netns: Option<&Path>,
    lock: Option<VfLock>,
) -> Result<(), Error> {
    let mut failures = Failures::default();
    let mut left_container = true;
    if record.state != State::Released {
        if host.sysfs.incarnation(record.vf)? == Some(record.incarnation) {
            left_container = give_vf_back(host, log, record, netns, &mut failures);
        } else {
            log.info(&format_args!("VF {} is not the one that was attached", record.vf));
        }
        if let Some(path) = &record.device_info {
            failures.note(device_info::remove(path));
        }
    }
    if failures.is_empty() {
        forget(host, record, lock)
    } else {
        keep(host, record, left_container, failures)
    }
}

/// The VF's part. Tells whether the VF has left the container.
fn give_vf_back(
    host: &Host,
    log: &Log,
    record: &Record,
    netns: Option<&Path>,
    failures: &mut Failures,
) -> bool {
    let Some(mut on_host) = failures.note(Route::open()) else { return false };
    let by_pf = failures.note(ByPf::find(host, &mut on_host, record)).flatten();
    let link = match &record.link {
        Some(own) if has_link(host, log, record, failures) => {
            let homecoming = Homecoming { host, log, record, own, by_pf, netns };
            let brought = homecoming.bring(&mut on_host, failures);
            let Some(link) = failures.note(brought) else { return false };
            restore::link(&mut on_host, &link, own, log, failures);
            Some((link, own))
        }
        _ => None,
    };
    if let Some(by_pf) = by_pf {
        failures.note(by_pf.restore(&mut on_host, log));
    }
    if let Some((link, own)) = link {
        failures.note(restore::mac(&mut on_host, by_pf, &link, own, log));
    }
    true
}

/// Whether the VF still has the driver that made its netdev. Where somebody bound another one
/// meanwhile, the netdev is gone, and there is nothing of it to put right.
fn has_link(host: &Host, log: &Log, record: &Record, failures: &mut Failures) -> bool {
    let driver = failures.note(host.sysfs.driver(record.vf)).flatten();
    let same = driver.as_ref() == Some(&record.driver);
    if !same {
        log.warning(&format_args!("VF {} is not bound to {} any more", record.vf, record.driver));
    }
    same
}

/// All is right: frees the VF and the addresses, and forgets the attachment.
fn forget(host: &Host, record: &Record, lock: Option<VfLock>) -> Result<(), Error> {
    transaction::write(&host.store, |txn| {
        release_leases(txn, record)?;
        txn.release_vf(record.vf, &record.key).map_err(store_error)?;
        match &record.ipam {
            Ipam::Foreign(_) => {
                let released = Record { state: State::Released, ..record.clone() };
                txn.put_attachment(&record.key, &released).map_err(store_error)
            }
            Ipam::None | Ipam::Own => {
                txn.remove_attachment(&record.key).map(drop).map_err(store_error)
            }
        }
    })?;
    drop(lock);
    let Ipam::Foreign(memory) = &record.ipam else { return Ok(()) };
    call_foreign(record, memory)?;
    transaction::write(&host.store, |txn| {
        txn.remove_attachment(&record.key).map(drop).map_err(store_error)
    })
}

/// Not all is right: keeps the record and the VF for the next DEL. Addresses are free as soon as
/// the VF has left the container.
fn keep(
    host: &Host,
    record: &Record,
    left_container: bool,
    mut failures: Failures,
) -> Result<(), Error> {
    if left_container {
        let given_back = match &record.ipam {
            Ipam::Foreign(memory) => failures.note(call_foreign(record, memory)).is_some(),
            Ipam::None | Ipam::Own => true,
        };
        let ipam = if given_back { Ipam::None } else { record.ipam.clone() };
        let kept = Record { ipam, ..record.clone() };
        failures.note(transaction::write(&host.store, |txn| {
            release_leases(txn, record)?;
            txn.put_attachment(&record.key, &kept).map_err(store_error)
        }));
    }
    failures.into_result()
}

fn release_leases(txn: &mut WriteTxn<'_>, record: &Record) -> Result<(), Error> {
    if record.ipam == Ipam::Own {
        ipam::nv_ipam::release(txn, &record.key, transaction::now()?).map_err(store_error)?;
    }
    Ok(())
}

fn call_foreign(record: &Record, memory: &ForeignIpam) -> Result<(), Error> {
    // A path that leads to another namespace by now must not be handed on.
    let netns = Netns::at(&record.netns, record.netns_cookie);
    addresses::give_back(memory, &record.key, netns.map(|_same| record.netns.as_path()))
}

/// A DEL for what is not recorded: never added, released already, or from before the last boot.
/// Addresses are given back all the same, in case only the record was lost.
fn unknown(
    host: &Host,
    call: &Call,
    key: &AttachmentKey,
    netns: Option<&Path>,
) -> Result<(), Error> {
    let checked = SriovConf::read(&call.config, &CniArgs::default()).ok();
    let Some(name) = checked.and_then(|checked| checked.conf.ipam) else { return Ok(()) };
    match addresses::foreign(&name, &call.path) {
        Ok(Some(_)) => addresses::give_back(&addresses::memory(name, call), key, netns),
        Ok(None) => transaction::write(&host.store, |txn| {
            ipam::nv_ipam::release(txn, key, transaction::now()?).map(drop).map_err(store_error)
        }),
        Err(error) => {
            call.log.warning(&error);
            Ok(())
        }
    }
}
