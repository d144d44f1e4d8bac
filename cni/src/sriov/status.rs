//! STATUS: whether an ADD could succeed. Cheap, and waits for no verb.

use conf::cni::{CniArgs, Code, Error};
use conf::plugin::sriov::SriovConf;
use ipam::Root;

use super::{Host, addresses};
use crate::delegate::{Invocation, SearchPath};
use crate::nv_ipam;
use crate::protocol::Call;
use crate::transaction;

/// Looks at what every ADD needs: devices, the store, the IPAM.
pub(super) fn status(root: &Root, call: &Call) -> Result<(), Error> {
    let conf = SriovConf::read(&call.config, &CniArgs::default())?.conf;
    let host = Host::open(root.clone()).map_err(not_available)?;
    // That its directory is there does not say that it can be used.
    transaction::read(&host.store, |_newest| Ok(())).map_err(not_available)?;
    host.sysfs.pci_functions().map_err(|error| not_available(error.into()))?;
    let Some(name) = &conf.ipam else { return Ok(()) };
    match addresses::foreign(name, &[SearchPath::of(call)]).map_err(not_available)? {
        Some(delegate) => delegate
            .call_if_known("STATUS", Invocation::handed_on(call, None))
            .map_err(not_available),
        None => match nv_ipam::status(root, call) {
            Err(error) if error.code != Code::InvalidConfig => Err(not_available(error)),
            outcome => outcome,
        },
    }
}

/// The same failure as code 50, unless it says already that existing containers suffer too.
fn not_available(error: Error) -> Error {
    match error.code {
        Code::LimitedConnectivity => error,
        _ => Error { code: Code::NotAvailable, ..error },
    }
}
