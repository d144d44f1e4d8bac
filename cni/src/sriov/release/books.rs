//! The books of an attachment's end: claim, leases, record, and what a foreign IPAM hears.

use conf::cni::Error;
use ipam::nv_ipam::store_error;
use ipam::{AttachmentKey, WriteTxn};

use crate::attachment::{Ipam, Record, State};
use crate::kernel::netns::Netns;
use crate::log::Log;
use crate::protocol::Call;
use crate::sriov::{Host, addresses};
use crate::transaction;

/// All is right: frees the VF and the addresses, and forgets the attachment. Where a foreign IPAM
/// has yet to hear of it, the record stays for that, and is given back as it stands.
pub(super) fn forget(host: &Host, record: &Record) -> Result<Option<Record>, Error> {
    let released = Record { state: State::Released, ..record.clone() };
    let is_untold = matches!(record.ipam, Ipam::Foreign(_));
    transaction::write(&host.store, |txn| {
        release_leases(txn, record)?;
        txn.release_vf(record.vf, &record.key).map_err(store_error)?;
        match is_untold {
            true => txn.put_attachment(&record.key, &released).map_err(store_error),
            false => txn.remove_attachment(&record.key).map(drop).map_err(store_error),
        }
    })?;
    Ok(is_untold.then_some(released))
}

/// The VF has left the container, but is not right: frees the addresses alone. Gives the record
/// back when a foreign IPAM has yet to hear of it.
pub(super) fn free_addresses(host: &Host, record: &Record) -> Result<Option<Record>, Error> {
    match &record.ipam {
        Ipam::None => Ok(None),
        Ipam::Foreign(_) => Ok(Some(record.clone())),
        Ipam::Own => {
            let kept = Record { ipam: Ipam::None, ..record.clone() };
            transaction::write(&host.store, |txn| {
                release_leases(txn, record)?;
                txn.put_attachment(&record.key, &kept).map_err(store_error)
            })?;
            Ok(None)
        }
    }
}

/// Calls an IPAM that gives addresses back over the interface, while that is in the container. It
/// hears of the end once more when the VF is home, as any other does, and that is what counts: a
/// second DEL is a success, and one that fails now may have come to an interface that is gone.
pub(super) fn tell_over_the_interface(log: &Log, call: &Call, record: &Record) {
    let Ipam::Foreign(memory) = &record.ipam else { return };
    if !memory.needs_interface() || memory.refused {
        return;
    }
    let Some(_same) = Netns::at(&record.netns, record.netns_cookie) else { return };
    if let Err(error) = addresses::give_back(memory, &record.key, Some(&record.netns), Some(call)) {
        log.warning(&error);
    }
}

/// Calls the foreign IPAM of `record`, which stands in the store, and writes down that it has
/// heard. One that holds nothing need not hear it.
pub(super) fn tell(
    host: &Host,
    log: &Log,
    call: Option<&Call>,
    record: &Record,
) -> Result<(), Error> {
    let key = &record.key;
    if let Ipam::Foreign(memory) = &record.ipam {
        // A path that leads to another namespace by now must not be handed on.
        let netns = Netns::at(&record.netns, record.netns_cookie);
        let netns = netns.map(|_same| record.netns.as_path());
        match addresses::give_back(memory, key, netns, call) {
            Err(error) if memory.refused => {
                log.warning(&format_args!("{error}; it holds nothing, since its ADD failed"));
            }
            Err(error) if record.state == State::Released => return Err(error.and(way_out(record))),
            outcome => outcome?,
        }
    }
    let told = Record { ipam: Ipam::None, ..record.clone() };
    transaction::write(&host.store, |txn| match record.state {
        State::Released => txn.remove_attachment(&record.key).map(drop).map_err(store_error),
        State::Intent | State::Attached => {
            txn.put_attachment(&record.key, &told).map_err(store_error)
        }
    })
}

/// What to do about an IPAM that cannot be told.
fn way_out(record: &Record) -> String {
    let AttachmentKey { container, ifname } = &record.key;
    format!(
        "VF {} is free, and only this stays of {}; where it can never work, give the addresses back \
         by hand, then: railhead attachments drop {container} {ifname}",
        record.vf, record.key
    )
}

fn release_leases(txn: &mut WriteTxn<'_>, record: &Record) -> Result<(), Error> {
    if record.ipam == Ipam::Own {
        let (cookie, now) = (Some(record.netns_cookie), transaction::now()?);
        ipam::nv_ipam::release(txn, &record.key, cookie, now).map_err(store_error)?;
    }
    Ok(())
}
