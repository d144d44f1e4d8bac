//! Who gives the container its addresses.

use std::path::PathBuf;

use conf::cni::{AddResult, Code, Error};
use conf::plugin::PluginName;
use ipam::nv_ipam::Request;
use ipam::{AttachmentKey, Root};

use super::wish::Wish;
use crate::attachment::{ForeignIpam, Ipam};
use crate::delegate::{Delegate, Invocation};
use crate::nv_ipam;
use crate::protocol::{Call, Sandbox};

/// The name under which this binary is an IPAM plugin itself.
const OWN: &str = "nv-ipam";

/// An IPAM, ready to be asked.
#[derive(Debug)]
pub(super) enum Source {
    /// None is wanted.
    None,
    /// This binary.
    Own(Box<Request>),
    /// Another plugin.
    Foreign(Delegate, ForeignIpam),
}

impl Source {
    /// Reads all that can be read, and changes nothing.
    ///
    /// # Errors
    /// Code 7 when a foreign plugin is not in CNI_PATH; those of [`Request::prepare`].
    pub(super) fn prepare(
        root: &Root,
        call: &Call,
        wish: &Wish,
        key: &AttachmentKey,
        sandbox: &Sandbox,
    ) -> Result<Self, Error> {
        let Some(name) = &wish.conf.ipam else { return Ok(Self::None) };
        let Some(delegate) = foreign(name, &call.path)? else {
            let cookie = Some(sandbox.cookie);
            let request = nv_ipam::request(root, call, key, &sandbox.path, cookie)?;
            return Ok(Self::Own(Box::new(request)));
        };
        Ok(Self::Foreign(delegate, memory(name.clone(), call)))
    }

    /// What the record must know of it.
    pub(super) fn memory(&self) -> Ipam {
        match self {
            Self::None => Ipam::None,
            Self::Own(_) => Ipam::Own,
            Self::Foreign(_, memory) => Ipam::Foreign(memory.clone()),
        }
    }

    /// What the claim must lease.
    pub(super) fn request(&self) -> Option<&Request> {
        match self {
            Self::Own(request) => Some(request),
            Self::None | Self::Foreign(..) => None,
        }
    }
}

/// The plugin called `name`, or `None` when that is this very binary: then no process need be
/// started, and addresses are leased in the transaction that claims the VF. An `nv-ipam` that
/// somebody else installed is called like any other plugin.
///
/// # Errors
/// Code 7 when there is no such plugin.
pub(super) fn foreign(name: &PluginName, path: &[PathBuf]) -> Result<Option<Delegate>, Error> {
    match Delegate::find(name, path) {
        Ok(delegate) if name.as_str() == OWN && delegate.is_this_program() => Ok(None),
        Err(_) if name.as_str() == OWN => Ok(None),
        outcome => outcome.map(Some),
    }
}

/// What a DEL of the foreign plugin called `plugin` must be given, when `call` leads to it.
pub(super) fn memory(plugin: PluginName, call: &Call) -> ForeignIpam {
    ForeignIpam {
        plugin,
        config: call.stdin.clone(),
        args: call.args.clone(),
        path: call.path.clone(),
    }
}

/// Asks a foreign plugin for addresses.
///
/// # Errors
/// The plugin's, and code 999 when it gave none.
pub(super) fn ask(
    delegate: &Delegate,
    call: &Call,
    key: &AttachmentKey,
    sandbox: &Sandbox,
) -> Result<AddResult, Error> {
    let invocation = Invocation::handed_on(call, Some((key, Some(&sandbox.path))));
    let result = delegate.add(invocation, call.version)?;
    if result.ips.is_empty() {
        return Err(Error::new(Code::Internal, "the IPAM plugin's result holds no address"));
    }
    Ok(result)
}

/// Tells a foreign plugin that its addresses are not used any more.
///
/// # Errors
/// The plugin's.
pub(super) fn give_back(
    memory: &ForeignIpam,
    key: &AttachmentKey,
    netns: Option<&std::path::Path>,
) -> Result<(), Error> {
    let delegate = Delegate::find(&memory.plugin, &memory.path)?;
    delegate.call(
        "DEL",
        Invocation {
            attachment: Some((key, netns)),
            args: &memory.args,
            path: &memory.path,
            config: &memory.config,
        },
    )
}
