//! GC: frees what no attachment of the network uses any more.

use std::collections::BTreeSet;

use conf::cni::{CniArgs, Error};
use conf::plugin::sriov::SriovConf;
use ipam::AttachmentKey;
use ipam::nv_ipam::store_error;

use super::{Host, addresses, release};
use crate::attachment::Record;
use crate::delegate::{Invocation, SearchPath};
use crate::failure::Failures;
use crate::protocol::Call;
use crate::transaction;

/// Releases every attachment of the network that `valid` does not name, and hands GC on to the
/// IPAM. Goes on past failures.
pub(super) fn gc(host: &Host, call: &Call, valid: &BTreeSet<AttachmentKey>) -> Result<(), Error> {
    let mut failures = Failures::default();
    for key in stale(host, call, valid, &mut failures)? {
        call.log.info(&format_args!("{key} is not valid any more"));
        match release::del(host, call, &key, None) {
            // `railhead status` names it: the other attachments are none the worse for it.
            Err(error) if release::is_free(host, &key)? => call.log.warning(&error),
            outcome => drop(failures.note(outcome)),
        }
    }
    failures.note(ipam(host, call, valid));
    failures.into_result()
}

fn stale(
    host: &Host,
    call: &Call,
    valid: &BTreeSet<AttachmentKey>,
    failures: &mut Failures,
) -> Result<Vec<AttachmentKey>, Error> {
    let records =
        transaction::read(&host.store, |txn| txn.attachments::<Record>().map_err(store_error))?;
    let mut stale = Vec::new();
    for (key, record) in records {
        // A record that cannot be read may be of any network: it is told, and left.
        let record = record.map_err(store_error);
        if let Some(record) = failures.note(record)
            && record.network == call.network
            && !valid.contains(&key)
        {
            stale.push(key);
        }
    }
    Ok(stale)
}

fn ipam(host: &Host, call: &Call, valid: &BTreeSet<AttachmentKey>) -> Result<(), Error> {
    let conf = SriovConf::read(&call.config, &CniArgs::default())?.conf;
    let Some(name) = &conf.ipam else { return Ok(()) };
    match addresses::foreign(name, &[SearchPath::of(call)])? {
        Some(delegate) => delegate.call_if_known("GC", Invocation::handed_on(call, None)),
        None => {
            let now = transaction::now()?;
            let freed = transaction::write(&host.store, |txn| {
                ipam::nv_ipam::gc(txn, &call.network, valid, now).map_err(store_error)
            })?;
            if freed > 0 {
                call.log.info(&format_args!("{freed} addresses were freed"));
            }
            Ok(())
        }
    }
}
