//! The last objects that could be used, on disk: `/var/lib/railhead/last-good.json`.
//!
//! They outlive a reboot, so that a typo that was made before one still stops nothing after it.
//! They only serve [`Objects::keeping`]; an object that is gone from the source is gone.

use std::path::PathBuf;

use ipam::Root;
use ipam::durable::{self, FileError};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

use super::{Objects, StoredObjects};

/// The version of the format that is written.
const VERSION: u32 = 1;

/// The last good objects could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum LastGoodError {
    /// A file operation failed.
    #[error(transparent)]
    File(#[from] FileError),
    /// The file is not what this railhead writes.
    #[error(
        "read {}: it holds no objects that this railhead can use; remove it, it is written anew",
        path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: serde_json::Error,
    },
}

/// The file.
#[derive(Serialize, Deserialize)]
struct Stored {
    #[serde(deserialize_with = "known_version::<VERSION, _>")]
    version: u32,
    objects: StoredObjects,
}

/// The objects that were saved last; none when there are none.
pub fn load(root: &Root) -> Result<Objects, LastGoodError> {
    let path = path(root);
    let Some(bytes) = durable::read_optional(&path)? else { return Ok(Objects::default()) };
    let stored: Stored =
        serde_json::from_slice(&bytes).map_err(|source| LastGoodError::Damaged { path, source })?;
    Ok(stored.objects.into_objects())
}

/// Saves the objects of a snapshot; `false`, and nothing written, when they were saved already.
pub fn save(root: &Root, objects: &Objects) -> Result<bool, LastGoodError> {
    let path = path(root);
    let stored = Stored { version: VERSION, objects: StoredObjects::of(objects) };
    let damaged = |source| LastGoodError::Damaged { path: path.clone(), source };
    let mut bytes = serde_json::to_vec_pretty(&stored).map_err(damaged)?;
    bytes.push(b'\n');
    Ok(durable::write_if_changed(&path, &bytes)?)
}

/// Reads a format's version, which must be `KNOWN`.
pub(crate) fn known_version<'de, const KNOWN: u32, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<u32, D::Error> {
    match u32::deserialize(deserializer)? {
        version if version == KNOWN => Ok(version),
        other => Err(D::Error::custom(format!("version {other}, not {KNOWN}"))),
    }
}

/// Where they are.
pub(crate) fn path(root: &Root) -> PathBuf {
    root.state().join("last-good.json")
}

#[cfg(test)]
mod tests;
