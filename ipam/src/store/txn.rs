//! One transaction: the state as of now, and the changes to it.

use std::cell::RefCell;
use std::ops::Deref;
use std::path::Path;

use heed::types::Bytes;
use heed::{Database, RwTxn};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::error::{StoreError, is_damage};
use super::file::StoreFile;
use crate::durable::FileError;

/// A key and its value.
pub(crate) type Record<'t> = (&'t [u8], &'t [u8]);

/// A transaction that reads.
pub struct ReadTxn<'e> {
    // Also for reading: there is no reader table, and everything is exclusive anyway.
    txn: RwTxn<'e>,
    tree: Database<Bytes, Bytes>,
    store: &'e StoreFile,
    /// What the engine found broken.
    damage: RefCell<Option<String>>,
    /// How many look-ups in the tree it has made.
    #[cfg(test)]
    lookups: std::cell::Cell<u64>,
}

impl<'e> ReadTxn<'e> {
    /// Begins.
    pub(super) fn begin(store: &'e StoreFile) -> Result<Self, StoreError> {
        let failed = |source| StoreError::engine("begin a transaction in", store.path(), source);
        let mut txn = store.env().write_txn().map_err(failed)?;
        let tree = store.env().create_database(&mut txn, None).map_err(failed)?;
        Ok(Self {
            txn,
            tree,
            store,
            damage: RefCell::new(None),
            #[cfg(test)]
            lookups: std::cell::Cell::default(),
        })
    }

    /// The store's file, for messages.
    pub(super) fn path(&self) -> &Path {
        self.store.path()
    }

    /// What the engine found broken in this transaction.
    pub(super) fn damage(&self) -> Option<String> {
        self.damage.borrow().clone()
    }

    /// How many look-ups in the tree this transaction has made: what its cost grows with, each
    /// logarithmic in the number of records.
    #[cfg(test)]
    pub(crate) fn lookups(&self) -> u64 {
        self.lookups.get()
    }

    /// The value at `key`.
    pub(crate) fn get(&self, key: &[u8]) -> Result<Option<&[u8]>, StoreError> {
        self.count();
        self.tree.get(&self.txn, key).map_err(|source| self.failed("read", source))
    }

    /// The last record at or before `key`.
    pub(crate) fn at_or_before(&self, key: &[u8]) -> Result<Option<Record<'_>>, StoreError> {
        self.count();
        self.tree
            .get_lower_than_or_equal_to(&self.txn, key)
            .map_err(|source| self.failed("search", source))
    }

    /// The first record at or after `key`.
    pub(crate) fn at_or_after(&self, key: &[u8]) -> Result<Option<Record<'_>>, StoreError> {
        self.count();
        self.tree
            .get_greater_than_or_equal_to(&self.txn, key)
            .map_err(|source| self.failed("search", source))
    }

    /// Shows `each` all records whose key begins with `prefix`, in order.
    pub(crate) fn scan<'t>(
        &'t self,
        prefix: &[u8],
        mut each: impl FnMut(&'t [u8], &'t [u8]) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let failed = |source| self.failed("list", source);
        for record in self.tree.prefix_iter(&self.txn, prefix).map_err(failed)? {
            let (key, value) = record.map_err(failed)?;
            each(key, value)?;
        }
        Ok(())
    }

    /// The value at `key`, as JSON; `name` says what it is.
    pub(crate) fn json<T: DeserializeOwned>(
        &self,
        key: &[u8],
        name: impl FnOnce() -> String,
    ) -> Result<Option<T>, StoreError> {
        self.get(key)?.map(|value| self.decode(value, name)).transpose()
    }

    /// A value as JSON; `name` says what it is.
    pub(crate) fn decode<T: DeserializeOwned>(
        &self,
        value: &[u8],
        name: impl FnOnce() -> String,
    ) -> Result<T, StoreError> {
        serde_json::from_slice(value)
            .map_err(|source| StoreError::Record { record: name(), source })
    }

    /// Bytes of the file up to its last used page.
    #[cfg(test)]
    pub(super) fn used_bytes(&self) -> u64 {
        let env = self.store.env();
        (env.info().last_page_number as u64 + 1) * u64::from(env.stat().page_size)
    }

    /// How many pages the tree has.
    fn pages_in_use(&self) -> Result<usize, StoreError> {
        let stat = self.tree.stat(&self.txn).map_err(|source| self.failed("measure", source))?;
        Ok(stat.branch_pages + stat.leaf_pages + stat.overflow_pages)
    }

    /// Whether there is room for what an ADD adds.
    ///
    /// # Errors
    /// [`StoreError::Full`] when there is none.
    pub(super) fn require_room(&self) -> Result<(), StoreError> {
        let (path, in_use) = (self.path(), self.pages_in_use()?);
        self.store.can_reserve(in_use).map_err(|source| {
            StoreError::full_or(FileError::at("look for room in", path), path, source)
        })
    }

    /// Notes a look-up, for tests: none may cost more because a pool is large or full.
    fn count(&self) {
        #[cfg(test)]
        self.lookups.set(self.lookups.get().saturating_add(1));
    }

    fn failed(&self, verb: &'static str, source: heed::Error) -> StoreError {
        if is_damage(&source) {
            self.damage.replace(Some(source.to_string()));
        }
        StoreError::engine(verb, self.path(), source)
    }
}

/// A transaction that reads and changes.
pub struct WriteTxn<'e> {
    read: ReadTxn<'e>,
    has_room: bool,
}

impl<'e> Deref for WriteTxn<'e> {
    type Target = ReadTxn<'e>;

    fn deref(&self) -> &ReadTxn<'e> {
        &self.read
    }
}

impl<'e> WriteTxn<'e> {
    /// Begins.
    pub(super) fn begin(store: &'e StoreFile) -> Result<Self, StoreError> {
        Ok(Self { read: ReadTxn::begin(store)?, has_room: false })
    }

    /// Makes all changes at once.
    pub(super) fn commit(self) -> Result<(), StoreError> {
        let path = self.read.store.path();
        self.read.txn.commit().map_err(|source| StoreError::engine("commit to", path, source))
    }

    /// To be called before something is added: refuses while there is no room for it *and* for a
    /// later removal. What only removes does not call it, so that it works on a full store.
    pub(crate) fn require_room(&mut self) -> Result<(), StoreError> {
        if !self.has_room {
            let path = self.read.path();
            let in_use = self.read.pages_in_use()?;
            self.read.store.reserve(in_use).map_err(|source| {
                StoreError::full_or(FileError::at("make room in", path), path, source)
            })?;
            self.has_room = true;
        }
        Ok(())
    }

    /// Sets the value at `key`.
    pub(crate) fn put(&mut self, key: &[u8], value: &[u8]) -> Result<(), StoreError> {
        let put = self.read.tree.put(&mut self.read.txn, key, value);
        put.map_err(|source| self.read.failed("write to", source))
    }

    /// Sets the value at `key` to `value` as JSON; `name` says what it is.
    pub(crate) fn put_json<T: Serialize>(
        &mut self,
        key: &[u8],
        value: &T,
        name: impl FnOnce() -> String,
    ) -> Result<(), StoreError> {
        let value = serde_json::to_vec(value)
            .map_err(|source| StoreError::Record { record: name(), source })?;
        self.put(key, &value)
    }

    /// Removes the value at `key`; `false` when there is none.
    pub(crate) fn delete(&mut self, key: &[u8]) -> Result<bool, StoreError> {
        let deleted = self.read.tree.delete(&mut self.read.txn, key);
        deleted.map_err(|source| self.read.failed("remove from", source))
    }
}
