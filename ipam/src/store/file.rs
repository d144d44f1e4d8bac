//! The store's file while it is open: environment, room, stamp. Only ever under the lock.

use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use heed::{Env, EnvFlags, EnvOpenOptions, WithoutTls};
use nix::errno::Errno;
use nix::fcntl::{FallocateFlags, fallocate};
use nix::sys::statvfs::fstatvfs;
use nix::unistd::{Whence, lseek};

use super::StoreError;
use super::lock::Lock;
use super::ready::available;
use super::stamp::Stamp;
use crate::durable::FileError;

/// Bytes that are reserved past the last used page before something is added, so that a DEL, which
/// copies a few pages before it frees them, still finds room on a tmpfs that is full.
pub(super) const HEADROOM: usize = 256 << 10;

/// The store that this process keeps open between its transactions ([`super::Store::keep_open`]).
static KEPT: Mutex<Option<StoreFile>> = Mutex::new(None);

/// The opened store. A process can open it only once at a time; the lock sees to that, and that
/// whoever opens it takes the kept one first.
pub(super) struct StoreFile {
    path: PathBuf,
    env: Env<WithoutTls>,
    file: File,
    length: usize,
    /// What the last transaction left.
    pub(super) left: Option<Stamp>,
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

    /// Whether the store at `path` is kept open.
    pub(super) fn is_kept(path: &Path) -> bool {
        let kept = KEPT.lock().unwrap_or_else(PoisonError::into_inner);
        kept.as_ref().is_some_and(|kept| kept.path == path)
    }

    /// The store that is kept open, if it is the one at `path`; another one is closed.
    pub(super) fn take_kept(path: &Path) -> Option<Self> {
        let kept = KEPT.lock().unwrap_or_else(PoisonError::into_inner).take();
        kept.filter(|kept| kept.path == path)
    }

    /// Keeps it open until the process ends, or another transaction finds that it is outdated.
    ///
    /// The engine opens its file without `O_CLOEXEC`, and a program that is started while it is
    /// open must not have it. Where that cannot be seen to it is closed.
    pub(super) fn keep(self) {
        if close_on_exec().is_ok() {
            let before = KEPT.lock().unwrap_or_else(PoisonError::into_inner).replace(self);
            drop(before);
        }
    }

    /// Whether the file that now has this `metadata` is the one that is open, still as long as its
    /// map.
    pub(super) fn is(&self, metadata: &Metadata) -> io::Result<bool> {
        let open = self.file.metadata()?;
        let (length, map) = (self.length as u64, self.env.info().map_size as u64);
        Ok((open.dev(), open.ino(), length, map)
            == (metadata.dev(), metadata.ino(), metadata.len(), metadata.len()))
    }

    /// The file, for plain reads.
    pub(super) fn file(&self) -> &File {
        &self.file
    }

    /// Leaves a stamp when the file has changed since the last one.
    ///
    /// A stamp that cannot be written costs the next transaction a walk and nothing else, so it
    /// does not spoil this one, which is done.
    pub(super) fn put_stamp(&mut self, lock: &Lock) {
        if let Ok(metadata) = self.file.metadata() {
            let stamp = Stamp::of(&metadata);
            if self.left.as_ref() != Some(&stamp) && lock.put_stamp(&stamp).is_ok() {
                self.left = Some(stamp);
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
        let used = i64::try_from(used).map_err(io::Error::other)?;
        if self.has_room(used) {
            return Ok(());
        }
        match fallocate(&self.file, FallocateFlags::empty(), used, HEADROOM as i64) {
            // Not every file system can; then a full one is met at the commit.
            Ok(()) | Err(Errno::EOPNOTSUPP) => Ok(()),
            Err(errno) => Err(errno.into()),
        }
    }

    /// Whether [`Self::reserve`] would succeed, without changing anything.
    pub(super) fn can_reserve(&self, in_use: usize) -> io::Result<()> {
        let page = self.env.stat().page_size as usize;
        let pages = self.env.info().last_page_number + 1;
        let used = pages.saturating_mul(page);
        if pages.saturating_sub(in_use).saturating_mul(page) >= HEADROOM {
            return Ok(());
        }
        let from = i64::try_from(used).map_err(io::Error::other)?;
        let hole = lseek(&self.file, from, Whence::SeekHole).unwrap_or(from);
        let there = u64::try_from(hole - from).unwrap_or_default();
        let left = available(&fstatvfs(&self.file)?);
        match self.length.saturating_sub(used) < HEADROOM || there + left < HEADROOM as u64 {
            true => Err(Errno::ENOSPC.into()),
            false => Ok(()),
        }
    }

    /// Whether the file has its blocks already from byte `used` on. To look for a hole is less work
    /// than to allocate what is there.
    fn has_room(&self, used: i64) -> bool {
        lseek(&self.file, used, Whence::SeekHole).is_ok_and(|hole| hole - used >= HEADROOM as i64)
    }
}

/// Has all open files but the standard ones end with this program's image.
fn close_on_exec() -> Result<(), Errno> {
    #[expect(unsafe_code, reason = "no crate here has close_range")]
    // SAFETY: with CLOSE_RANGE_CLOEXEC the call sets a flag of descriptors and closes none.
    let outcome = unsafe {
        libc::syscall(libc::SYS_close_range, 3, libc::c_uint::MAX, libc::CLOSE_RANGE_CLOEXEC)
    };
    Errno::result(outcome).map(drop)
}

fn environment(path: &Path, length: usize) -> Result<Env<WithoutTls>, StoreError> {
    let mut options = EnvOpenOptions::new().read_txn_without_tls();
    options.map_size(length);
    #[expect(unsafe_code, reason = "heed marks maps and unlocked environments as unsafe")]
    // SAFETY: the file is only changed under the store's lock, which every process and thread
    // holds while it has a transaction. An environment that is open without the lock has none, so
    // nothing points into its map, and to open it reads only what never changes. So nobody changes
    // what somebody else looks at, which is what NO_LOCK and the map ask for. The file's length
    // and meta pages were checked, or it is new, and are checked again under the lock. NO_SYNC
    // gives up durability only, and the file is on tmpfs.
    let opened = unsafe {
        options.flags(EnvFlags::NO_SUB_DIR | EnvFlags::NO_LOCK | EnvFlags::NO_SYNC);
        options.open(path)
    };
    opened.map_err(|source| StoreError::engine("open", path, source))
}
