//! What this node has given out since it booted: attachments, VF owners, leases.
//!
//! ```text
//! /run/railhead/store/lock          flock, never renamed; holds a stamp once a store was made
//! /run/railhead/store/state.mdb     one LMDB environment (heed), NO_LOCK | NO_SYNC
//! /run/railhead/store/state.mdb.damaged-N   what was set aside
//! /var/lib/railhead/store.boot      the boot in which the store was made
//! ```
//!
//! Each transaction takes the lock, opens the environment, works, commits, closes and lets go:
//! microseconds. So there is no reader table, nothing depends on PID namespaces or on a libc's
//! mutex layout, waiters queue, and no process ever trusts a map that another has replaced: one
//! that a verb keeps for its next transaction ([`Store::keep_open`]) is compared with the file. A
//! process that is killed leaves either the old state or the new: LMDB copies on write and
//! switches over by one write into a meta page. `/run` is tmpfs, so nothing is ever synced.
//!
//! Before the map is trusted, the file's length and meta pages are checked (`shape`), and all of
//! its pages when somebody else wrote to it (`walk`): a truncated file would otherwise end the
//! process with SIGBUS, a zeroed page with SIGABRT. A damaged store is set aside by the first
//! transaction that may change something, and its successor remembers that in [`Loss`]: until
//! somebody has dealt with it, no address is given out, since live containers may hold any of
//! them. Who only reads is told, and leaves it as it is.

mod attachment;
mod error;
mod file;
mod format;
mod heal;
pub(crate) mod key;
mod lock;
mod loss;
mod mark;
mod ready;
mod shape;
mod stamp;
mod txn;
mod vf;
mod walk;

use std::path::{Path, PathBuf};
use std::time::Duration;

pub use attachment::AttachmentRecord;
pub use error::StoreError;
pub use loss::Loss;
use mark::Mark;
pub use txn::{ReadTxn, WriteTxn};

use crate::durable;
use crate::paths::Root;

/// The store of one root.
///
/// A value only knows where the store is; it can be kept, cloned and shared between threads.
#[derive(Debug, Clone)]
pub struct Store {
    directory: PathBuf,
    mark: Mark,
    keeps_open: bool,
    patience: Duration,
}

/// What [`Store::look`] finds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// Nothing: the first transaction makes it.
    Absent,
    /// A store.
    Sound,
    /// A store that the next transaction sets aside, and what is wrong with it.
    Damaged(String),
}

impl Store {
    /// The store under `root` for whoever only looks, and does not wait long for a lock that nobody
    /// lets go of: `None` where none was ever made, since
    /// looking must not make one. One whose file is gone is there, and damaged.
    pub fn existing(root: &Root) -> Option<Self> {
        let directory = root.store();
        let (mark, patience) = (Mark::of(root), lock::OF_LOOKERS);
        heal::is_there(&directory).then_some(Self { directory, mark, keeps_open: false, patience })
    }

    /// The store under `root`. Its directory is made here, its file by the first transaction.
    pub fn open(root: &Root) -> Result<Self, StoreError> {
        let (mark, patience) = (Mark::of(root), lock::OF_VERBS);
        let store = Self { directory: root.store(), mark, keeps_open: false, patience };
        durable::make_directory(&store.directory)?;
        Ok(store)
    }

    /// Has its file stay open and mapped from one transaction to the next, until the process ends:
    /// to open and close it takes longer than a transaction. For a program that serves one verb.
    ///
    /// Nothing of it is looked at between the transactions, and each finds out first whether it
    /// still is the same file.
    #[must_use]
    pub fn keep_open(self) -> Self {
        Self { keeps_open: true, ..self }
    }

    /// Looks at the store under `root`, page by page. Unlike a transaction it changes nothing.
    pub fn look(root: &Root) -> Result<Standing, StoreError> {
        heal::stand(&root.store(), &Mark::of(root))
    }

    /// The directory that holds it.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Runs `work` in one transaction that sees and changes the newest state.
    ///
    /// `Ok` commits all of it, `Err` none. `work` must be short, must not start another
    /// transaction (it would wait for itself), and must not do kernel work: every other verb on
    /// this node waits meanwhile.
    pub fn write<T, E: From<StoreError>>(
        &self,
        work: impl FnOnce(&mut WriteTxn<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        let lock = self.lock()?;
        let file = heal::open(&self.directory, &self.mark, &lock)?;
        let mut txn = WriteTxn::begin(&file)?;
        let outcome = work(&mut txn);
        let damage = txn.damage();
        let outcome = match outcome {
            Ok(value) => txn.commit().map(|()| value).map_err(E::from),
            Err(error) => {
                drop(txn);
                Err(error)
            }
        };
        self.leave(file, &lock, outcome.is_ok());
        match (damage, outcome) {
            (Some(damage), Err(_)) => {
                let loss = heal::set_aside(&self.directory, &lock, damage)?;
                Err(StoreError::Damaged(Box::new(loss)).into())
            }
            (_, outcome) => outcome,
        }
    }

    /// Runs `work` on the newest state. A damaged store stays as it is.
    ///
    /// # Errors
    /// [`StoreError::Unsound`] for a damaged store, besides those of `work`.
    pub fn read<T, E: From<StoreError>>(
        &self,
        work: impl FnOnce(&ReadTxn<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        let lock = self.lock()?;
        let file = heal::open_as_it_is(&self.directory, &self.mark, &lock)?;
        let txn = ReadTxn::begin(&file)?;
        let outcome = work(&txn);
        let damage = txn.damage();
        drop(txn);
        self.leave(file, &lock, outcome.is_ok());
        match (damage, outcome) {
            (Some(damage), Err(_)) => Err(heal::unsound(&self.directory, damage).into()),
            (_, outcome) => outcome,
        }
    }

    /// Waits for the lock. What can be done before is done before, so that others wait less.
    fn lock(&self) -> Result<lock::Lock, StoreError> {
        if self.keeps_open {
            heal::open_ahead(&self.directory);
        }
        lock::Lock::take(&self.directory, self.patience)
    }

    /// Ends the use of `file`, before the lock is let go: one process may open an environment only
    /// once.
    fn leave(&self, mut file: file::StoreFile, lock: &lock::Lock, succeeded: bool) {
        file.put_stamp(lock);
        match self.keeps_open && succeeded {
            true => file.keep(),
            false => drop(file),
        }
    }
}

#[cfg(test)]
mod tests;
