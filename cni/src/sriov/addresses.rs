//! Who gives the container its addresses.

use std::path::{Path, PathBuf};

use conf::cni::{AddResult, CniArgs, Code, Error};
use conf::plugin::PluginName;
use conf::plugin::sriov::SriovConf;
use ipam::nv_ipam::Request;
use ipam::{AttachmentKey, Root};
use nix::sys::statvfs::{FsFlags, statvfs};
use serde_json::Value;

use super::wish::Wish;
use crate::attachment::{ForeignIpam, Ipam};
use crate::delegate::{Delegate, FailedAdd, Invocation, SearchPath};
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
        let Some(delegate) = foreign(name, &[SearchPath::of(call)])? else {
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
pub(super) fn foreign(
    name: &PluginName,
    paths: &[SearchPath<'_>],
) -> Result<Option<Delegate>, Error> {
    match Delegate::find(name, paths) {
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
        refused: false,
    }
}

/// Asks a foreign plugin for addresses.
///
/// # Errors
/// The plugin's, and code 6 when it gave none.
pub(super) fn ask(
    delegate: &Delegate,
    call: &Call,
    key: &AttachmentKey,
    sandbox: &Sandbox,
) -> Result<AddResult, FailedAdd> {
    let invocation = Invocation::handed_on(call, Some((key, Some(&sandbox.path))));
    let result = delegate.add(invocation, call.version)?;
    let usable = result.expect_usable_addresses();
    usable
        .map_err(|error| FailedAdd { error: delegate.told("ADD", error), gave_nothing: false })?;
    if result.ips.is_empty() {
        let error = Error::new(Code::Decode, "the IPAM plugin's result holds no address");
        return Err(FailedAdd { error, gave_nothing: false });
    }
    Ok(result)
}

/// Tells a foreign plugin that its addresses are not used any more: with what its ADD was given,
/// and where that fails for good, with what `call` brings, since a config is repaired and a plugin
/// replaced or moved while pods run.
///
/// # Errors
/// The plugin's, of both attempts.
pub(super) fn give_back(
    memory: &ForeignIpam,
    key: &AttachmentKey,
    netns: Option<&Path>,
    call: Option<&Call>,
) -> Result<(), Error> {
    let own_path = call.map(|call| call.path.as_slice()).filter(|path| *path != memory.path);
    let error = match delete(memory, key, netns, own_path) {
        Err(error) if error.code != Code::TryAgainLater => error,
        outcome => return outcome,
    };
    match call.and_then(|call| brought(memory, call)) {
        None => Err(error),
        Some(memory) => delete(&memory, key, netns, None)
            .map_err(|again| error.and(format_args!("with the config of this call: {again}"))),
    }
}

/// What `call` leads to, where that is the same plugin with something else.
fn brought(memory: &ForeignIpam, call: &Call) -> Option<ForeignIpam> {
    let checked = SriovConf::read(&call.config, &CniArgs::default()).ok()?;
    let plugin = checked.conf.ipam.filter(|plugin| *plugin == memory.plugin)?;
    let brought = self::memory(plugin, call);
    let differs = (&brought.config, &brought.args) != (&memory.config, &memory.args);
    differs.then_some(brought)
}

fn delete(
    memory: &ForeignIpam,
    key: &AttachmentKey,
    netns: Option<&Path>,
    own_path: Option<&[PathBuf]>,
) -> Result<(), Error> {
    refuse_read_only(memory)?;
    let recorded = &memory.path;
    let mut paths = vec![SearchPath { directories: recorded, origin: "CNI_PATH of its ADD" }];
    let own =
        own_path.map(|directories| SearchPath { directories, origin: "CNI_PATH of this call" });
    paths.extend(own);
    let path: Vec<PathBuf> = paths.iter().flat_map(|path| path.directories).cloned().collect();
    Delegate::find(&memory.plugin, &paths)?.call(
        "DEL",
        Invocation {
            attachment: Some((key, netns)),
            args: &memory.args,
            path: &path,
            config: &memory.config,
        },
    )
}

/// Where host-local keeps its leases unless its config says otherwise.
const LEASES_OF_HOST_LOCAL: &str = "/var/lib/cni/networks";

/// `host-local` says success where it cannot remove a lease, which would stay for good.
fn refuse_read_only(memory: &ForeignIpam) -> Result<(), Error> {
    let Some(directory) = leases_of(memory) else { return Ok(()) };
    // One that is not there holds no lease.
    let Ok(status) = statvfs(&directory) else { return Ok(()) };
    if !status.flags().contains(FsFlags::ST_RDONLY) {
        return Ok(());
    }
    let (plugin, directory) = (&memory.plugin, directory.display());
    let error = format!("release the address of {plugin}: {directory} is read-only");
    Err(Error::new(Code::Io, error).details(format!(
        "the address stays leased until then; for the daemon: systemctl edit railhead, with \
         ReadWritePaths={directory} below [Service]"
    )))
}

/// The directory that its config names, or has by default.
fn leases_of(memory: &ForeignIpam) -> Option<PathBuf> {
    let config: Value = serde_json::from_str(&memory.config).ok()?;
    let named = config["ipam"]["dataDir"].as_str().filter(|named| !named.is_empty());
    let default = (memory.plugin.as_str() == "host-local").then_some(LEASES_OF_HOST_LOCAL);
    named.or(default).map(PathBuf::from)
}
