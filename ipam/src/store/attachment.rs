//! What a DEL needs to know: one record for each attachment, in a form that its writer owns.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{ReadTxn, StoreError, WriteTxn, key};
use crate::owner::AttachmentKey;

/// One attachment of a listing: its key, and its record or why that cannot be read.
pub type AttachmentRecord<T> = (AttachmentKey, Result<T, StoreError>);

impl ReadTxn<'_> {
    /// The record of one attachment.
    pub fn attachment<T: DeserializeOwned>(
        &self,
        owner: &AttachmentKey,
    ) -> Result<Option<T>, StoreError> {
        self.json(&key::attachment(owner), || format!("the record of {owner}"))
    }

    /// Whether there is a record of an attachment, readable or not.
    pub(crate) fn has_attachment(&self, owner: &AttachmentKey) -> Result<bool, StoreError> {
        Ok(self.get(&key::attachment(owner))?.is_some())
    }

    /// All attachments, by container and interface. One that cannot be read does not hide the
    /// others.
    pub fn attachments<T: DeserializeOwned>(&self) -> Result<Vec<AttachmentRecord<T>>, StoreError> {
        let mut records = Vec::new();
        self.scan(key::ATTACHMENTS, |found, value| {
            if let Some(owner) = key::attachment_owner(found) {
                let record = self.decode(value, || format!("the record of {owner}"));
                records.push((owner, record));
            }
            Ok(())
        })?;
        Ok(records)
    }
}

impl WriteTxn<'_> {
    /// Writes the record of an attachment, over an older one if there is one.
    pub fn put_attachment<T: Serialize>(
        &mut self,
        owner: &AttachmentKey,
        record: &T,
    ) -> Result<(), StoreError> {
        let key = key::attachment(owner);
        if self.get(&key)?.is_none() {
            self.require_room()?;
        }
        self.put_json(&key, record, || format!("the record of {owner}"))
    }

    /// Removes the record of an attachment; `false` when there is none.
    pub fn remove_attachment(&mut self, owner: &AttachmentKey) -> Result<bool, StoreError> {
        self.delete(&key::attachment(owner))
    }
}
