//! The last settings that could be used, on disk: `/var/lib/railhead/last-good-settings.json`.
//!
//! A host that starts with a `railhead.yaml` that cannot be read has nothing in memory that could
//! stay in force. These are what was, so that a typo made before a reboot takes no VF away.

use std::path::PathBuf;

use conf::settings::Settings;
use conf::{NodeName, Violations};
use ipam::Root;
use ipam::durable::{self, FileError};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Loaded, Node};

/// The version of the format that is written.
const VERSION: u32 = 1;

/// The last good settings could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum LastGoodError {
    /// A file operation failed.
    #[error(transparent)]
    File(#[from] FileError),
    /// The file is not what this railhead writes.
    #[error("read {}: {why}; remove it, it is written anew", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// The settings cannot be put into the file.
    #[error("write {}", path.display())]
    Json {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: serde_json::Error,
    },
}

/// The file. The settings are kept as a document of `railhead.yaml`, so that one set of rules
/// holds for both.
#[derive(Serialize, Deserialize)]
struct Stored {
    version: u32,
    /// The node's name, which may have come from the host's.
    node: NodeName,
    settings: Value,
}

/// The settings that were saved last; `None` when there are none.
pub(super) fn load(root: &Root) -> Result<Option<(Settings, Node)>, LastGoodError> {
    let path = path(root);
    let Some(bytes) = durable::read_optional(&path)? else { return Ok(None) };
    let parsed = parse(&bytes).map_err(|why| LastGoodError::Damaged { path, why })?;
    Ok(Some(parsed))
}

fn parse(bytes: &[u8]) -> Result<(Settings, Node), String> {
    let stored: Stored = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
    if stored.version != VERSION {
        return Err(format!("it has format {}, this railhead reads {VERSION}", stored.version));
    }
    let broken = |violations: Violations| violations.to_string();
    let (settings, _) = conf::settings::read(stored.settings).map_err(broken)?;
    let node = Node::new(stored.node, settings.node_labels.clone());
    Ok((settings, node))
}

/// Saves settings in force; `false`, and nothing written, when they were saved already, or are
/// themselves what was saved.
pub fn save(root: &Root, loaded: &Loaded) -> Result<bool, LastGoodError> {
    if loaded.broken.is_some() {
        return Ok(false);
    }
    let path = path(root);
    let json = |source| LastGoodError::Json { path: path.clone(), source };
    let settings = serde_json::to_value(&loaded.settings).map_err(json)?;
    let stored = Stored { version: VERSION, node: loaded.node.name.clone(), settings };
    let mut bytes = serde_json::to_vec_pretty(&stored).map_err(json)?;
    bytes.push(b'\n');
    Ok(durable::write_if_changed(&path, &bytes)?)
}

/// Where they are.
fn path(root: &Root) -> PathBuf {
    root.state().join("last-good-settings.json")
}

#[cfg(test)]
mod tests;
