//! DEL for what is not recorded.

use std::path::Path;

use conf::cni::{CniArgs, Error};
use conf::plugin::sriov::SriovConf;
use ipam::AttachmentKey;
use ipam::nv_ipam::store_error;

use crate::delegate::SearchPath;
use crate::nv_ipam::cookie_at;
use crate::protocol::Call;
use crate::sriov::{Host, addresses};
use crate::transaction;

/// It was never added, released already, or is from before the last boot. Addresses are given back
/// all the same, in case only the record was lost. A foreign IPAM that refuses is told in the log
/// alone: as far as anybody knows it never gave any, and a DEL must come to an end.
///
/// # Errors
/// Those of the store.
pub(super) fn give_addresses_back(
    host: &Host,
    call: &Call,
    key: &AttachmentKey,
    netns: Option<&Path>,
) -> Result<(), Error> {
    let checked = SriovConf::read(&call.config, &CniArgs::default()).ok();
    let Some(name) = checked.and_then(|checked| checked.conf.ipam) else { return Ok(()) };
    match addresses::foreign(&name, &[SearchPath::of(call)]) {
        Ok(Some(_)) => {
            let memory = addresses::memory(name, call);
            if let Err(error) = addresses::give_back(&memory, key, netns, None) {
                call.log.warning(&format_args!("{error}; nothing is recorded of {key}"));
            }
            Ok(())
        }
        Ok(None) => {
            let (cookie, now) = (netns.and_then(cookie_at), transaction::now()?);
            transaction::write(&host.store, |txn| {
                ipam::nv_ipam::release(txn, key, cookie, now).map(drop).map_err(store_error)
            })
        }
        Err(error) => {
            call.log.warning(&error);
            Ok(())
        }
    }
}
