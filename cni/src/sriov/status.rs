//! STATUS: whether an ADD could succeed. Cheap, and waits for no verb.

use conf::cni::{CniArgs, Code, Error};
use conf::plugin::sriov::SriovConf;
use ipam::nv_ipam::store_error;
use ipam::{Root, Store};

use super::addresses;
use crate::delegate::{Invocation, SearchPath};
use crate::nv_ipam;
use crate::protocol::Call;

/// Looks at what every ADD needs: devices, the store, the IPAM.
pub(super) fn status(root: &Root, call: &Call) -> Result<(), Error> {
    let conf = SriovConf::read(&call.config, &CniArgs::default())?.conf;
    Store::ready(root).map_err(|error| not_available(store_error(error)))?;
    super::sysfs(root).pci_functions().map_err(|error| not_available(error.into()))?;
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
