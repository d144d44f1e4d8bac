//! A dump: all that decisions on this machine are made from, in one file, to be looked at on
//! another.
//!
//! ```text
//! sysfs of PFs and VFs, railhead's files --+               +--> unpacked into a directory --+
//! links, routes, users of VFs -------------+--> dump.json -+                                +--> Host
//! doctor's findings -----------------------+               +--> Recorded -------------------+
//! ```
//!
//! The machine that a dump unpacks to is looked at by the same code as a real one: `--replay` gives
//! what was, or would have been, decided there. What a kernel tells other than by files is in
//! [`crate::recorded::Told`]. A dump comes from somebody else: it is unpacked where nothing of it leads out
//! (`unpack`), and holds nothing that is not listed here and in docs/cli.md.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use conf::printable;
use ipam::durable::{self, FileError};
use serde::{Deserialize, Serialize};

use crate::doctor::{Finding, examine};
use crate::host::Host;
use crate::recorded::{Recorded, Told};
use crate::service::client::ClientError;

mod files;
mod objects;
mod take;
mod unpack;

pub use unpack::UnpackError;

/// The version of the format that this build writes and reads.
const VERSION: u32 = 1;

/// A dump, as it stands in its file.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Dump {
    /// The format's version.
    railhead_dump: u32,
    /// The version of the railhead that wrote it.
    pub railhead: String,
    /// `uname -r` of where it was taken.
    pub kernel: String,
    /// What the kernel and its processes told; null where only files are left of the machine.
    pub told: Option<Told>,
    /// What doctor found.
    pub findings: Vec<Finding>,
    /// What lies below the root.
    pub tree: Tree,
}

/// Files, by their path below the root.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tree {
    /// Directories that are there for their name.
    directories: BTreeSet<String>,
    /// Files, with their text.
    files: BTreeMap<String, String>,
    /// Symbolic links, with what they lead to.
    links: BTreeMap<String, String>,
}

/// Why nothing could be dumped.
#[derive(Debug, thiserror::Error)]
pub enum DumpError {
    /// The host cannot be looked at.
    #[error("look at the host")]
    Observe(#[from] cni::kernel::Error),
    /// The store of leases cannot be read.
    #[error(transparent)]
    Store(#[from] ipam::StoreError),
    /// The machine does not tell the time.
    #[error("read the clock")]
    Clock(#[source] std::io::Error),
}

/// Why a dump cannot be replayed.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// The file cannot be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// There is no such file.
    #[error("there is no {}", path.display())]
    Absent {
        /// The file.
        path: PathBuf,
    },
    /// It is not a dump that this railhead can read.
    #[error("{} is no dump that this railhead ({}) can replay", path.display(), env!("CARGO_PKG_VERSION"))]
    Format {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// It would not stay in its place.
    #[error("unpack {}", path.display())]
    Unpack {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: UnpackError,
    },
}

/// A machine that is not here.
#[derive(Debug)]
pub struct Replayed {
    /// The machine.
    pub host: Host,
    /// Where it is unpacked; removed with this.
    pub place: tempfile::TempDir,
}

impl Dump {
    /// Takes a dump of `host`: looks, and changes nothing. `left_out` hears why a daemon that runs
    /// is not in it.
    pub fn take(host: &Host, left_out: impl FnOnce(ClientError)) -> Result<Self, DumpError> {
        let Recorded { told, findings } = match host.recorded() {
            Some(recorded) => Recorded::clone(recorded),
            None => {
                let told = if host.is_live() { Some(take::told(host, left_out)?) } else { None };
                Recorded { told, findings: examine(host) }
            }
        };
        let stuck = told.iter().flat_map(|told| told.stuck.keys().copied()).collect();
        let tree = files::tree(host, &stuck)?;
        Ok(Self {
            railhead_dump: VERSION,
            railhead: env!("CARGO_PKG_VERSION").to_owned(),
            kernel: take::kernel(),
            told,
            findings,
            tree,
        })
    }

    /// As a file holds it.
    pub fn to_bytes(&self) -> serde_json::Result<Vec<u8>> {
        // It goes to standard output, and people look through it.
        let mut text = printable::json(&serde_json::to_string_pretty(self)?);
        text.push('\n');
        Ok(text.into_bytes())
    }

    fn of_bytes(bytes: &[u8]) -> serde_json::Result<Self> {
        let dump: Self = serde_json::from_slice(bytes)?;
        match dump.railhead_dump {
            VERSION => Ok(dump),
            other => Err(serde::de::Error::custom(format!("its format is {other}, not {VERSION}"))),
        }
    }
}

/// The machine that the dump in `path` is of.
pub fn replay(path: &Path) -> Result<Replayed, ReplayError> {
    let bytes = durable::read_optional(path)?
        .ok_or_else(|| ReplayError::Absent { path: path.to_owned() })?;
    let dump = Dump::of_bytes(&bytes)
        .map_err(|source| ReplayError::Format { path: path.to_owned(), source })?;
    let place = tempfile::Builder::new()
        .prefix("railhead-replay-")
        .tempdir()
        .map_err(FileError::at("make a directory in", &std::env::temp_dir()))?;
    unpack::unpack(&dump.tree, place.path())
        .map_err(|source| ReplayError::Unpack { path: path.to_owned(), source })?;
    let recorded = Recorded { told: dump.told, findings: dump.findings };
    let host = Host::replayed(place.path(), Arc::new(recorded));
    Ok(Replayed { host, place })
}

#[cfg(test)]
mod tests;
