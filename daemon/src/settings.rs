//! `/etc/railhead/railhead.yaml`, and which node this is.

use std::path::PathBuf;

use conf::printable::Printable;
use conf::settings::Settings;
use conf::{ParseError, Violations};
use ipam::Root;
use serde_json::{Map, Value};

use crate::chain::Chain;
use crate::host::Host;
use crate::source::{FileRefusal, documents, read_named};

mod last_good;
mod node;

pub use last_good::{LastGoodError, save as save_last_good};
pub use node::Node;

/// The settings in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loaded {
    /// What the file says, defaults where it says nothing.
    pub settings: Settings,
    /// This node.
    pub node: Node,
    /// What is surely not meant (unknown keys), a line each that begins with the file.
    pub warnings: Vec<String>,
    /// Why `railhead.yaml` does not count, where these are settings that were in force before.
    pub broken: Option<String>,
}

/// Why there are no settings.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// The file cannot be read, or is no YAML.
    #[error("{}{why}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why not.
        why: FileRefusal,
    },
    /// The file holds several documents.
    #[error("{}:{line}: settings are one document, and here begins another", path.display())]
    Documents {
        /// The file.
        path: PathBuf,
        /// Where the second document begins.
        line: u64,
    },
    /// The file breaks rules.
    #[error("{}: {}", path.display(), Printable(violations))]
    Invalid {
        /// The file.
        path: PathBuf,
        /// Every rule it breaks.
        violations: Violations,
    },
    /// The host's name is no name for a node.
    #[error(
        "the host is called {}, which is no name for a node ({rule}): set nodeName in {}",
        Printable(format!("{name:?}")),
        path.display()
    )]
    HostName {
        /// The host's name.
        name: String,
        /// The rule it breaks.
        rule: String,
        /// The file in which a name can be set.
        path: PathBuf,
    },
    /// The settings cannot be used, and what was kept of earlier ones cannot either.
    #[error("{}, and the last good settings cannot be used either", Chain(broken.as_ref()))]
    NothingGood {
        /// What is wrong with the settings.
        broken: Box<SettingsError>,
        /// What is wrong with the last good ones.
        source: LastGoodError,
    },
}

/// Reads the settings of `host`; without a file, the defaults.
pub fn load(host: &Host) -> Result<Loaded, SettingsError> {
    Ok(on(host, read(host.root(), &host.name())?))
}

/// The same where something must be in force: settings that cannot be used leave those that were,
/// which are `before`, else the last good ones on disk.
pub fn load_or_last_good(host: &Host, before: Option<&Loaded>) -> Result<Loaded, SettingsError> {
    Ok(on(host, read_or_last_good(host.root(), &host.name(), before)?))
}

/// A node has the architecture of its machine, whoever looks.
fn on(host: &Host, loaded: Loaded) -> Loaded {
    let Some(told) = host.told() else { return loaded };
    let labels = loaded.settings.node_labels.clone();
    Loaded { node: Node::on(&told.machine, loaded.node.name.clone(), labels), ..loaded }
}

fn read_or_last_good(
    root: &Root,
    host: &str,
    before: Option<&Loaded>,
) -> Result<Loaded, SettingsError> {
    let broken = match read(root, host) {
        Err(broken) => broken,
        read => return read,
    };
    let last = match before {
        Some(before) => Ok(Some((before.settings.clone(), before.node.clone()))),
        None => last_good::load(root),
    };
    match last {
        Ok(Some((settings, node))) => {
            let broken = Some(format!("{}: the last good settings are in force", Chain(&broken)));
            Ok(Loaded { settings, node, warnings: Vec::new(), broken })
        }
        Ok(None) => Err(broken),
        Err(source) => Err(SettingsError::NothingGood { broken: Box::new(broken), source }),
    }
}

fn read(root: &Root, host: &str) -> Result<Loaded, SettingsError> {
    let path = root.settings();
    let document = document(&path)?;
    let (settings, warnings) = conf::settings::read(document)
        .map_err(|violations| SettingsError::Invalid { path: path.clone(), violations })?;
    let name = match &settings.node_name {
        Some(name) => name.clone(),
        // As kubelet does: a host's name may have upper case, a node's may not.
        None => host.to_ascii_lowercase().parse().map_err(|error: ParseError| {
            SettingsError::HostName { name: host.to_owned(), rule: error.rule, path: path.clone() }
        })?,
    };
    let warnings = warnings
        .iter()
        .map(|warning| format!("{}: {}", path.display(), Printable(warning)))
        .collect();
    let node = Node::new(name, settings.node_labels.clone());
    Ok(Loaded { settings, node, warnings, broken: None })
}

/// The settings as they are written; an absent file and an empty one say nothing.
fn document(path: &std::path::Path) -> Result<Value, SettingsError> {
    let nothing = Value::Object(Map::new());
    if !path.exists() && !path.is_symlink() {
        return Ok(nothing);
    }
    let documents = read_named(path)
        .and_then(|content| documents(&content))
        .map_err(|why| SettingsError::File { path: path.to_owned(), why })?;
    let mut documents = documents.into_iter();
    let first = documents.next();
    if let Some(second) = documents.next() {
        return Err(SettingsError::Documents { path: path.to_owned(), line: second.line });
    }
    Ok(first.map_or(nothing, |document| document.value))
}

#[cfg(test)]
mod tests;
