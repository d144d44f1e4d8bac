//! What can go wrong with the store.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use heed::MdbError;

use super::Loss;
use crate::durable::FileError;

/// Why a transaction did not happen. Nothing was changed, except where [`Self::Damaged`] says so.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A file operation failed.
    #[error(transparent)]
    File(#[from] FileError),
    /// There is no room for another record.
    #[error("{} is full: make room in its file system, or delete containers", path.display())]
    Full {
        /// The store's file.
        path: PathBuf,
        /// What the system or the engine said.
        source: io::Error,
    },
    /// Somebody holds the lock and does not let go of it.
    #[error(
        "lock {}: {holder} has held it for {} s: it hangs, or is stopped; end it, or let it go on",
        path.display(),
        waited.as_secs()
    )]
    Busy {
        /// The lock's file.
        path: PathBuf,
        /// Who, as far as the kernel tells.
        holder: String,
        /// How long it was waited for.
        waited: Duration,
    },
    /// The engine found its own structures broken; the store was set aside.
    #[error("{0}")]
    Damaged(Box<Loss>),
    /// The store is damaged, and stays so for now: this was only a look.
    #[error(
        "{} is damaged ({damage}): the next ADD, DEL or GC, or the daemon's next pass, sets it \
         aside and sees to what live containers hold",
        path.display()
    )]
    Unsound {
        /// The store's file.
        path: PathBuf,
        /// What is wrong with it.
        damage: String,
    },
    /// A newer railhead wrote it in a form that this one cannot read.
    #[error(
        "{} has format {found}, this railhead reads up to {known}: finish the upgrade, or reboot",
        path.display()
    )]
    Newer {
        /// The store's file.
        path: PathBuf,
        /// The oldest format a reader must know.
        found: u32,
        /// The newest that this program knows.
        known: u32,
    },
    /// The engine refused.
    #[error("{verb} {}", path.display())]
    Engine {
        /// What was tried.
        verb: &'static str,
        /// The store's file.
        path: PathBuf,
        /// What the engine said.
        source: Box<heed::Error>,
    },
    /// A record is not what its key promises.
    #[error("read {record} in the store")]
    Record {
        /// Which record.
        record: String,
        /// What is wrong with it.
        source: serde_json::Error,
    },
}

impl StoreError {
    /// What the engine refused to do: `verb` the store's file at `path`.
    pub(super) fn engine(verb: &'static str, path: &Path, source: heed::Error) -> Self {
        match source {
            heed::Error::Io(source) => Self::full_or(FileError::at(verb, path), path, source),
            heed::Error::Mdb(MdbError::MapFull | MdbError::TxnFull) => {
                Self::Full { path: path.to_owned(), source: io::Error::other(source.to_string()) }
            }
            source => Self::Engine { verb, path: path.to_owned(), source: Box::new(source) },
        }
    }

    /// [`Self::Full`] when that is what `source` means, else what `otherwise` makes of it.
    pub(super) fn full_or(
        otherwise: impl FnOnce(io::Error) -> FileError,
        path: &Path,
        source: io::Error,
    ) -> Self {
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                Self::Full { path: path.to_owned(), source }
            }
            _ => otherwise(source).into(),
        }
    }

    /// One word for logs, conditions and metrics.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::File(_) | Self::Engine { .. } => "StoreFailed",
            Self::Full { .. } => "StoreFull",
            Self::Busy { .. } => "StoreBusy",
            Self::Damaged(_) | Self::Unsound { .. } | Self::Record { .. } => "StoreDamaged",
            Self::Newer { .. } => "StoreNewer",
        }
    }
}

/// Whether the engine says that its file is broken, rather than that it was used wrongly.
pub(super) fn is_damage(error: &heed::Error) -> bool {
    use MdbError::{Corrupted, CursorFull, Invalid, PageFull, PageNotFound, Panic, Problem};
    matches!(
        error,
        heed::Error::Mdb(
            Corrupted | CursorFull | Invalid | PageFull | PageNotFound | Panic | Problem
        )
    )
}
