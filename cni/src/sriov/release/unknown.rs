//! DEL for what is not recorded.

use std::path::Path;

use conf::cni::{CniArgs, Error};
use conf::plugin::sriov::SriovConf;
use ipam::AttachmentKey;
use ipam::nv_ipam::store_error;

use crate::nv_ipam::cookie_at;
use crate::protocol::Call;
use crate::sriov::{Host, addresses};
use crate::transaction;

/// It was never added, released already, or is from before the last boot. Addresses are given back
/// all the same, in case only the record was lost.
///
/// # Errors
/// Those of the IPAM.
pub(super) fn give_addresses_back(
    host: &Host,
    call: &Call,
    key: &AttachmentKey,
    netns: Option<&Path>,
) -> Result<(), Error> {
    let checked = SriovConf::read(&call.config, &CniArgs::default()).ok();
    let Some(name) = checked.and_then(|checked| checked.conf.ipam) else { return Ok(()) };
    match addresses::foreign(&name, &call.path) {
        Ok(Some(_)) => addresses::give_back(&addresses::memory(name, call), key, netns),
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
