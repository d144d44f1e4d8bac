//! The file of the store: found, made, healed, opened. Only ever under the lock.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use heed::{Env, EnvFlags, EnvOpenOptions, WithoutTls};
use nix::errno::Errno;
use nix::fcntl::{FallocateFlags, fallocate};

use super::lock::Lock;
use super::shape::{Shape, Unsound};
use super::stamp::Stamp;
use super::walk::walk;
use super::{Loss, ReadTxn, StoreError, WriteTxn, key};
use crate::durable::{self, FileError};

/// The name of the store's file.
const NAME: &str = "state.mdb";

/// Bytes of a new store and of its map: room for some 400,000 leases. Sparse: what is not used
/// takes no memory.
const LENGTH: usize = 256 << 20;

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
    /// Opens the store in `directory`; makes it when there is none, sets it aside when it is
    /// damaged.
    pub(super) fn open(directory: &Path, lock: &Lock) -> Result<Self, StoreError> {
        let path = directory.join(NAME);
        let left = lock.stamp().map_err(FileError::at("read the lock of", &path))?;
        let found = look(&path, left.as_ref())?;
        let damage = match (found, &left) {
            (Found::Nothing, None) => {
                make(directory, lock, None)?;
                None
            }
            (Found::Nothing, Some(_)) => Some("its file is gone".to_owned()),
            (Found::Damaged(damage), _) => Some(damage),
            (Found::Sound(file, shape), _) => {
                let store = Self::map(&path, file, &shape, left)?;
                match store.find_damage()? {
                    None => return Ok(store),
                    damage => damage,
                }
            }
        };
        if let Some(damage) = damage {
            set_aside(directory, lock, damage)?;
        }
        Self::reopen(&path)
    }

    /// What makes the store unusable although its file looks sound.
    fn find_damage(&self) -> Result<Option<String>, StoreError> {
        let txn = ReadTxn::begin(self)?;
        match (txn.check_format(), txn.damage()) {
            (Ok(Some(())), _) => Ok(None),
            (Ok(None), _) => Ok(Some("it has no format".to_owned())),
            (Err(_), Some(damage)) => Ok(Some(damage)),
            (Err(StoreError::Record { source, .. }), None) => {
                Ok(Some(format!("its format cannot be read: {source}")))
            }
            (Err(error), None) => Err(error),
        }
    }

    /// Opens a store that was just made.
    fn reopen(path: &Path) -> Result<Self, StoreError> {
        match look(path, None)? {
            Found::Sound(file, shape) => Self::map(path, file, &shape, None),
            Found::Nothing | Found::Damaged(_) => {
                let fresh = io::Error::other("the file that was just written reads back otherwise");
                Err(FileError::at("make", path)(fresh).into())
            }
        }
    }

    fn map(
        path: &Path,
        file: File,
        shape: &Shape,
        left: Option<Stamp>,
    ) -> Result<Self, StoreError> {
        let length = usize::try_from(shape.length)
            .map_err(io::Error::other)
            .map_err(FileError::at("map", path))?;
        let env = environment(path, length)?;
        Ok(Self { path: path.to_owned(), env, file, length, left })
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

/// What stands at the store's path.
enum Found {
    Nothing,
    Sound(File, Shape),
    Damaged(String),
}

/// Looks at the file before it is trusted; at all of its pages unless nobody has written to it
/// since the stamp `left`.
fn look(path: &Path, left: Option<&Stamp>) -> Result<Found, StoreError> {
    let file = match OpenOptions::new().read(true).write(true).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Found::Nothing),
        Err(error) => return Err(FileError::at("open", path)(error).into()),
    };
    let metadata = file.metadata().map_err(FileError::at("look at", path))?;
    let untouched = left == Some(&Stamp::of(&metadata));
    let looked = Shape::read(&file).and_then(|shape| match untouched {
        true => Ok(shape),
        false => walk(&file, &shape).map(|()| shape),
    });
    match looked {
        Ok(shape) => Ok(Found::Sound(file, shape)),
        Err(Unsound::Damaged(damage)) => Ok(Found::Damaged(damage)),
        Err(Unsound::Unreadable(error)) => Err(FileError::at("read", path)(error).into()),
    }
}

/// Moves what is left of the store out of the way and makes a new one that remembers the loss.
///
/// Killed in between, the next process finds that a store is missing that was there before, and
/// remembers that instead.
pub(super) fn set_aside(directory: &Path, lock: &Lock, damage: String) -> Result<Loss, StoreError> {
    let path = directory.join(NAME);
    let aside = (1..)
        .map(|number: u32| directory.join(format!("{NAME}.damaged-{number}")))
        .map(|aside| durable::rename_new(&path, &aside).map(|()| aside))
        .find(|renamed| !matches!(renamed, Err(error) if error.source.kind() == io::ErrorKind::AlreadyExists));
    let aside = match aside {
        Some(Ok(aside)) => Some(aside),
        Some(Err(error)) if error.source.kind() != io::ErrorKind::NotFound => {
            return Err(error.into());
        }
        _ => None,
    };
    let loss = Loss { damage, aside };
    make(directory, lock, Some(&loss))?;
    Ok(loss)
}

/// Makes a whole store under another name, then gives it its own: a store that is seen is
/// complete.
fn make(directory: &Path, lock: &Lock, loss: Option<&Loss>) -> Result<(), StoreError> {
    let temporary = directory.join(format!("{NAME}.new"));
    durable::remove(&temporary)?;
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&temporary)
        .map_err(FileError::at("make", &temporary))?;
    let env = environment(&temporary, LENGTH)?;
    let store = StoreFile { path: temporary.clone(), env, file, length: LENGTH, left: None };
    let mut txn = WriteTxn::begin(&store)?;
    txn.put_format()?;
    if let Some(loss) = loss {
        txn.put_json(&key::loss(), loss, || "the record of a loss".to_owned())?;
    }
    txn.commit()?;
    store
        .file
        .set_len(LENGTH as u64)
        .and_then(|()| store.reserve(usize::MAX))
        .map_err(|source| full_or(FileError::at("make room in", &temporary), &temporary, source))?;
    let path = directory.join(NAME);
    std::fs::rename(&temporary, &path).map_err(FileError::at("rename to", &path))?;
    store.close(lock);
    Ok(())
}

/// `Full` when that is what `source` means, else what `otherwise` makes of it.
pub(super) fn full_or(
    otherwise: impl FnOnce(io::Error) -> FileError,
    path: &Path,
    source: io::Error,
) -> StoreError {
    match source.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            StoreError::Full { path: path.to_owned(), source }
        }
        _ => otherwise(source).into(),
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
    opened.map_err(|source| super::txn::engine("open", path, source))
}
