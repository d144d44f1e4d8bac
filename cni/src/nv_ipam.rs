//! The `nv-ipam` plugin on its own: for other plugins that delegate to it, and for those that
//! call `sriov` from elsewhere. All it decides is in [`ipam::nv_ipam`].

use std::collections::BTreeSet;
use std::path::Path;

use conf::cni::{AddResult, Error};
use ipam::allocate::Identity;
use ipam::nv_ipam::{Request, store_error};
use ipam::{AttachmentKey, Root, Store};
use serde_json::Value;

use crate::kernel::netns::Netns;
use crate::protocol::{Added, Call, Plugin};
use crate::{leases, transaction};

/// The plugin.
#[derive(Debug)]
pub struct NvIpam {
    root: Root,
}

impl NvIpam {
    /// The plugin for the machine with its state under `root`.
    pub fn new(root: Root) -> Self {
        Self { root }
    }

    fn store(&self) -> Result<Store, Error> {
        Store::open(&self.root).map(Store::keep_open).map_err(store_error)
    }

    fn request(&self, call: &Call, key: &AttachmentKey, netns: &Path) -> Result<Request, Error> {
        // An address may be asked for before there is a namespace, and be no worse for it.
        request(&self.root, call, key, netns, cookie_at(netns))
    }
}

/// The cookie of the namespace at `netns`, if there is one.
pub(crate) fn cookie_at(netns: &Path) -> Option<u64> {
    Netns::open(netns).and_then(|netns| netns.cookie()).ok()
}

/// What `call` asks for the attachment `key` in the namespace at `netns`; what is odd about it
/// goes to the log.
///
/// # Errors
/// Those of [`Request::prepare`].
pub(crate) fn request(
    root: &Root,
    call: &Call,
    key: &AttachmentKey,
    netns: &Path,
    netns_cookie: Option<u64>,
) -> Result<Request, Error> {
    let identity = Identity {
        network: call.network.clone(),
        key: key.clone(),
        pod: None,
        netns: Some(netns.to_owned()),
        netns_cookie,
    };
    let config = Value::Object(call.config.clone());
    let request = Request::prepare(root, &config, &call.args()?, identity)?;
    for warning in request.warnings() {
        call.hint(warning);
    }
    Ok(request)
}

/// Whether an ADD with the config of `call` could succeed.
///
/// # Errors
/// Those of [`ipam::nv_ipam::status`].
pub(crate) fn status(root: &Root, call: &Call) -> Result<(), Error> {
    let config = Value::Object(call.config.clone());
    ipam::nv_ipam::status(root, &call.network, &config)
}

impl Plugin for NvIpam {
    const NAME: &'static str = "nv-ipam";

    fn add(&self, call: &Call, key: &AttachmentKey, netns: &Path) -> Result<Added, Error> {
        let request = self.request(call, key, netns)?;
        let store = self.store()?;
        let allocation = leases::lease(&self.root, &store, &call.log, || {
            let now = transaction::now()?;
            transaction::write(&store, |txn| request.allocate(txn, now))
        })?;
        allocation.notes().iter().for_each(|note| call.log.warning(note));
        Ok(Added { result: allocation.result(), is_repeated: allocation.is_repeated() })
    }

    fn del(&self, call: &Call, key: &AttachmentKey, netns: Option<&Path>) -> Result<(), Error> {
        let now = transaction::now()?;
        let cookie = netns.and_then(cookie_at);
        let freed = transaction::write(&self.store()?, |txn| {
            ipam::nv_ipam::release(txn, key, cookie, now).map_err(store_error)
        })?;
        call.log.debug(&format_args!("{freed} addresses of {key} were given back"));
        Ok(())
    }

    fn check(
        &self,
        call: &Call,
        key: &AttachmentKey,
        netns: &Path,
        added: &AddResult,
    ) -> Result<(), Error> {
        let request = self.request(call, key, netns)?;
        transaction::read(&self.store()?, |txn| ipam::nv_ipam::check(txn, &request, added))
    }

    fn status(&self, call: &Call) -> Result<(), Error> {
        status(&self.root, call)
    }

    fn gc(&self, call: &Call, valid: &BTreeSet<AttachmentKey>) -> Result<(), Error> {
        let now = transaction::now()?;
        let freed = transaction::write(&self.store()?, |txn| {
            ipam::nv_ipam::gc(txn, &call.network, valid, now).map_err(store_error)
        })?;
        call.log.info(&format_args!("{freed} addresses were freed"));
        Ok(())
    }
}
