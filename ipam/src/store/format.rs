//! The version of the store's format.
//!
//! Two versions of railhead work on one store during an upgrade: the daemon is restarted before
//! or after the plugins are replaced. So a change that an older reader can live with (a new kind
//! of record, a new field of a JSON record) raises `written_by` only; one that it would
//! misunderstand raises `readable_by` too, and the older program refuses. Whoever writes the first
//! such record into an older store raises its stamp in the same transaction.

use serde::{Deserialize, Serialize};

use super::{ReadTxn, StoreError, WriteTxn, key};

/// The newest format that this program knows.
const KNOWN: u32 = 1;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Format {
    /// The newest format of any record in it.
    written_by: u32,
    /// What a reader must know at least.
    readable_by: u32,
}

impl WriteTxn<'_> {
    /// Stamps a new store.
    pub(super) fn put_format(&mut self) -> Result<(), StoreError> {
        let format = Format { written_by: KNOWN, readable_by: KNOWN };
        self.put_json(&key::format(), &format, || "the format".to_owned())
    }
}

impl ReadTxn<'_> {
    /// Refuses a store that this program would misunderstand; `None` when it has no stamp at all.
    pub(super) fn check_format(&self) -> Result<Option<()>, StoreError> {
        let found: Option<Format> = self.json(&key::format(), || "the format".to_owned())?;
        match found {
            Some(format) if format.readable_by > KNOWN => Err(StoreError::Newer {
                path: self.path().to_owned(),
                found: format.readable_by,
                known: KNOWN,
            }),
            Some(_) => Ok(Some(())),
            None => Ok(None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Root, Store};

    fn stamp(format: Format) -> Result<(), StoreError> {
        let directory = tempfile::tempdir().unwrap();
        let root = Root::at(directory.path());
        let store = Store::open(&root).unwrap();
        store
            .write(|txn| txn.put_json(&key::format(), &format, String::new))
            .and_then(|()| store.read(|_| Ok(())))
    }

    #[test]
    fn a_newer_format_that_we_can_read_is_read() {
        stamp(Format { written_by: 2, readable_by: 1 }).unwrap();
    }

    #[test]
    fn a_newer_format_that_we_cannot_read_is_refused_and_kept() {
        let error = stamp(Format { written_by: 2, readable_by: 2 }).unwrap_err();
        assert!(matches!(error, StoreError::Newer { found: 2, known: 1, .. }), "{error}");
    }
}
