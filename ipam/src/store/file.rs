//! The store's file while it is open: environment, room, stamp. Only ever under the lock.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use heed::{Env, EnvFlags, EnvOpenOptions, WithoutTls};
use nix::errno::Errno;
use nix::fcntl::{FallocateFlags, fallocate};

use super::StoreError;
use super::lock::Lock;
use super::stamp::Stamp;
use crate::durable::FileError;

/// Bytes that are reserved past the last used page before something is added, so that a DEL, which
/// copies a few pages before it frees them, still finds room on a tmpfs that is full.
const HEADROOM: usize = 256 << 10;

/// The opened store. A process can open it only once at a time; the lock sees to that.
pub(super) struct StoreFile {
    path: PathBuf,
    env: Env<WithoutTls>,
    file: File,
    length: usize,
    /// What the last transaction left.
    left: Option<Stamp>,
}

impl StoreFile {
    /// Maps `length` bytes of `file`, which is at `path` and sound, or empty and about to become a
    /// store.
    pub(super) fn map(
        path: &Path,
        file: File,
        length: u64,
        left: Option<Stamp>,
    ) -> Result<Self, StoreError> {
        let length = usize::try_from(length)
            .map_err(io::Error::other)
            .map_err(FileError::at("map", path))?;
        let env = environment(path, length)?;
        Ok(Self { path: path.to_owned(), env, file, length, left })
    }

    /// Makes the file as long as its map, as [`super::shape`] expects, with room for a beginning.
    pub(super) fn stretch(&self) -> io::Result<()> {
        self.file.set_len(self.length as u64)?;
        self.reserve(usize::MAX)
    }

    /// Closes the store, and leaves a stamp when the file has changed since the last one.
    ///
    /// A stamp that cannot be written costs the next transaction a walk and nothing else, so it
    /// does not spoil this one, which is done.
    pub(super) fn close(self, lock: &Lock) {
        let Self { env, file, left, .. } = self;
        drop(env);
        if let Ok(metadata) = file.metadata() {
            let stamp = Stamp::of(&metadata);
            if left.as_ref() != Some(&stamp) {
                lock.put_stamp(&stamp).ok();
            }
        }
    }

    /// The environment.
    pub(super) fn env(&self) -> &Env<WithoutTls> {
        &self.env
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Makes sure that a few more pages can be written, now and by a later DEL.
    ///
    /// `in_use` is how many pages of the file hold something; the others are written again before
    /// the file grows.
    pub(super) fn reserve(&self, in_use: usize) -> io::Result<()> {
        let page = self.env.stat().page_size as usize;
        let pages = self.env.info().last_page_number + 1;
        let used = pages.saturating_mul(page);
        if pages.saturating_sub(in_use).saturating_mul(page) >= HEADROOM {
            return Ok(());
        }
        if self.length.saturating_sub(used) < HEADROOM {
            return Err(Errno::ENOSPC.into());
        }
        let offset = |bytes: usize| i64::try_from(bytes).map_err(io::Error::other);
        match fallocate(&self.file, FallocateFlags::empty(), offset(used)?, offset(HEADROOM)?) {
            // Not every file system can; then a full one is met at the commit.
            Ok(()) | Err(Errno::EOPNOTSUPP) => Ok(()),
            Err(errno) => Err(errno.into()),
        }
    }
}

fn environment(path: &Path, length: usize) -> Result<Env<WithoutTls>, StoreError> {
    let mut options = EnvOpenOptions::new().read_txn_without_tls();
    options.map_size(length);
    #[expect(unsafe_code, reason = "heed marks maps and unlocked environments as unsafe")]
    // SAFETY: the file is only changed under the store's lock, which every process and thread
    // holds from before this call until the environment is closed; so nobody changes the file
    // while it is mapped, which is what NO_LOCK and the map ask for. Its length and meta pages
    // were checked, or it is new. NO_SYNC gives up durability only, and the file is on tmpfs.
    let opened = unsafe {
        options.flags(EnvFlags::NO_SUB_DIR | EnvFlags::NO_LOCK | EnvFlags::NO_SYNC);
        options.open(path)
    };
    opened.map_err(|source| StoreError::engine("open", path, source))
}
