//! Finds the store, makes one, or sets a damaged one aside. Only ever under the lock.
//!
//! ```text
//! state.mdb   stamp in the lock
//! nothing     none                   first use: make one; unless one was made since the machine
//!                                    booted, as the mark in /var tells: a loss
//! nothing     there                  somebody removed it: a loss
//! sound       the file's             nobody else wrote: use it
//! sound       another, or none       walk all pages, then use it
//! damaged     any                    set it aside: a loss
//! ```

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use super::file::StoreFile;
use super::lock::{self, Lock};
use super::mark::Mark;
use super::shape::{Shape, Unsound};
use super::stamp::Stamp;
use super::walk::walk;
use super::{Loss, ReadTxn, Standing, StoreError, WriteTxn, key};
use crate::clock::BootTime;
use crate::durable::{self, FileError};

/// The name of the store's file.
const NAME: &str = "state.mdb";

/// What is wrong with a store of which nothing is left, not even its lock.
const REMOVED: &str = "it was removed with all that was beside it";

/// Bytes of a new store and of its map. Sparse: what is not used takes no memory.
const LENGTH: u64 = 256 << 20;

/// Opens the store in `directory`; makes it when there is none, sets it aside when it is
/// damaged.
pub(super) fn open(directory: &Path, mark: &Mark, lock: &Lock) -> Result<StoreFile, StoreError> {
    match find(directory, mark, lock)? {
        State::Open(store) => return Ok(store),
        State::Absent => make_first(directory, mark, lock)?,
        State::Damaged(damage) => drop(set_aside(directory, lock, damage)?),
    }
    reopen(&directory.join(NAME))
}

/// Opens the store in `directory`; makes it when there is none. A damaged one stays as it is.
pub(super) fn open_as_it_is(
    directory: &Path,
    mark: &Mark,
    lock: &Lock,
) -> Result<StoreFile, StoreError> {
    match find(directory, mark, lock)? {
        State::Open(store) => Ok(store),
        State::Absent => {
            make_first(directory, mark, lock)?;
            reopen(&directory.join(NAME))
        }
        State::Damaged(damage) => Err(unsound(directory, damage)),
    }
}

/// Makes the first store since the machine booted.
fn make_first(directory: &Path, mark: &Mark, lock: &Lock) -> Result<(), StoreError> {
    make(directory, lock, None)?;
    // After it: killed in between, nobody mourns a store that never was. Where it cannot be written,
    // a store that is removed whole counts as never made, and that alone.
    mark.put().ok();
    Ok(())
}

/// That the store in `directory` is damaged.
pub(super) fn unsound(directory: &Path, damage: String) -> StoreError {
    StoreError::Unsound { path: directory.join(NAME), damage }
}

/// Whether a store was ever made in `directory`, as its file or the stamp in its lock tells. Where
/// that cannot be found out it counts as there: reading it tells why, and none is not an answer.
pub(super) fn is_there(directory: &Path) -> bool {
    directory.join(NAME).try_exists().unwrap_or(true) || Lock::is_stamped(directory)
}

/// The store as it is found under the lock.
enum State {
    Open(StoreFile),
    Absent,
    Damaged(String),
}

fn find(directory: &Path, mark: &Mark, lock: &Lock) -> Result<State, StoreError> {
    let path = directory.join(NAME);
    let left = lock.stamp().map_err(FileError::at("read the lock of", &path))?;
    if let Some(store) = kept(&path, left.as_ref())? {
        return Ok(State::Open(store));
    }
    Ok(match (look(&path, left.as_ref())?, &left) {
        (Found::Nothing, None) if mark.is_of_this_boot() => State::Damaged(REMOVED.to_owned()),
        (Found::Nothing, None) => State::Absent,
        (Found::Nothing, Some(_)) => State::Damaged("its file is gone".to_owned()),
        (Found::Damaged(damage), _) => State::Damaged(damage),
        (Found::Sound(file, shape), _) => {
            let store = StoreFile::map(&path, file, shape.length, left)?;
            match find_damage(&store)? {
                None => State::Open(store),
                Some(damage) => State::Damaged(damage),
            }
        }
    })
}

/// Opens the store before the lock is held, as far as it is there and looks sound. Under the lock it
/// is compared with what is there then, as one that was kept since the last transaction.
///
/// The engine only reads from it what never changes: version, page size and length.
pub(super) fn open_ahead(directory: &Path) {
    let path = directory.join(NAME);
    if StoreFile::is_kept(&path) {
        return;
    }
    let Ok(file) = OpenOptions::new().read(true).write(true).open(&path) else { return };
    let shape = file.metadata().map_err(Unsound::from);
    let Ok(shape) = shape.and_then(|metadata| Shape::read(&file, metadata.len())) else { return };
    if let Ok(store) = StoreFile::map(&path, file, shape.length, None) {
        store.keep();
    }
}

/// The store that this process has open since its last transaction, or ahead of this one, while
/// there is nothing odd about it: the same file, and nobody but a transaction has written to it.
/// Otherwise it is closed.
fn kept(path: &Path, left: Option<&Stamp>) -> Result<Option<StoreFile>, StoreError> {
    let Some(mut kept) = StoreFile::take_kept(path) else { return Ok(None) };
    let is_sound = std::fs::metadata(path).is_ok_and(|metadata| {
        left == Some(&Stamp::of(&metadata))
            && kept.is(&metadata).unwrap_or(false)
            && Shape::read(kept.file(), metadata.len()).is_ok()
    });
    if !is_sound || find_damage(&kept)?.is_some() {
        return Ok(None);
    }
    kept.left = left.cloned();
    Ok(Some(kept))
}

/// How the store in `directory` is, which stays as it is.
pub(super) fn stand(directory: &Path, mark: &Mark) -> Result<Standing, StoreError> {
    if !is_there(directory) {
        return Ok(match mark.is_of_this_boot() {
            true => Standing::Damaged(REMOVED.to_owned()),
            false => Standing::Absent,
        });
    }
    // Without a lock file, which taking the lock would make, nobody is at work.
    let lock = Lock::is_there(directory).then(|| Lock::take(directory, lock::OF_LOOKERS));
    let _lock = lock.transpose()?;
    Ok(match look(&directory.join(NAME), None)? {
        Found::Nothing => Standing::Damaged("its file is gone".to_owned()),
        Found::Sound(..) => Standing::Sound,
        Found::Damaged(damage) => Standing::Damaged(damage),
    })
}

/// What makes the store unusable although its file looks sound.
fn find_damage(store: &StoreFile) -> Result<Option<String>, StoreError> {
    let txn = ReadTxn::begin(store)?;
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
fn reopen(path: &Path) -> Result<StoreFile, StoreError> {
    match look(path, None)? {
        Found::Sound(file, shape) => StoreFile::map(path, file, shape.length, None),
        Found::Nothing | Found::Damaged(_) => {
            let fresh = io::Error::other("the file that was just written reads back otherwise");
            Err(FileError::at("make", path)(fresh).into())
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
    let looked = Shape::read(&file, metadata.len()).and_then(|shape| match untouched {
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
        .map(|aside| durable::move_new(&path, &aside).map(|()| aside))
        .find(|renamed| !matches!(renamed, Err(error) if error.source.kind() == io::ErrorKind::AlreadyExists));
    let aside = match aside {
        Some(Ok(aside)) => Some(aside),
        Some(Err(error)) if error.source.kind() != io::ErrorKind::NotFound => {
            return Err(error.into());
        }
        _ => None,
    };
    // Without a clock it counts as met long ago.
    let loss = Loss { damage, aside, met_at: BootTime::now().ok() };
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
    let mut store = StoreFile::map(&temporary, file, LENGTH, None)?;
    let mut txn = WriteTxn::begin(&store)?;
    txn.put_format()?;
    if let Some(loss) = loss {
        txn.put_json(&key::loss(), loss, || "the record of a loss".to_owned())?;
    }
    txn.commit()?;
    store.stretch().map_err(|source| {
        StoreError::full_or(FileError::at("make room in", &temporary), &temporary, source)
    })?;
    let path = directory.join(NAME);
    std::fs::rename(&temporary, &path).map_err(FileError::at("rename to", &path))?;
    store.put_stamp(lock);
    Ok(())
}
