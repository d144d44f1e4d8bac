//! Whether an ADD would find the store usable: found out without changing anything.

use std::io;
use std::path::Path;

use nix::errno::Errno;
use nix::sys::statvfs::{FsFlags, Statvfs, statvfs};

use super::file::HEADROOM;
use super::{Store, StoreError};
use crate::durable::FileError;
use crate::paths::Root;

impl Store {
    /// Whether something can be added to the store under `root`, or a store be made there.
    ///
    /// # Errors
    /// What an ADD would fail by: no room, a read-only file system, a file in the way, damage, or a
    /// lock that somebody holds on to.
    pub fn ready(root: &Root) -> Result<(), StoreError> {
        let directory = root.store();
        let Some(store) = Self::existing(root) else { return can_be_made(&directory) };
        store.read(|txn| txn.require_room())
    }
}

/// Whether the directory, and files in it, can be made.
fn can_be_made(directory: &Path) -> Result<(), StoreError> {
    let there = directory.ancestors().find(|path| path.symlink_metadata().is_ok());
    let there = there.unwrap_or(Path::new("/"));
    let wrong = |cause: io::Error| FileError::at("make a store in", there)(cause);
    if !there.is_dir() {
        return Err(wrong(Errno::ENOTDIR.into()).into());
    }
    let found = statvfs(there).map_err(|errno| wrong(errno.into()))?;
    if found.flags().contains(FsFlags::ST_RDONLY) {
        return Err(wrong(Errno::EROFS.into()).into());
    }
    // Its pages, and the files and directories themselves.
    if available(&found) < 2 * HEADROOM as u64
        || (found.files() > 0 && found.files_available() == 0)
    {
        return Err(StoreError::full_or(wrong, there, Errno::ENOSPC.into()));
    }
    Ok(())
}

/// How many bytes a file system has left, for root.
pub(super) fn available(found: &Statvfs) -> u64 {
    found.blocks_free().saturating_mul(found.fragment_size())
}
