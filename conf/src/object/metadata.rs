//! `metadata`: what matters of it.

use serde_json::{Map, Value};

use crate::name::{SUBDOMAIN_RULE, is_subdomain};
use crate::violation::{REQUIRED, quoted, shown};
use crate::{Violation, Violations};

/// The metadata of an object.
#[derive(Debug, Default)]
pub(super) struct Metadata {
    /// Its name; empty when it has none that an object can have.
    pub(super) name: String,
    /// The number of its spec's version.
    pub(super) generation: Option<i64>,
}

/// Reads `metadata`. Only its name can be wrong: the API server has made the rest, or nothing
/// depends on it.
pub(super) fn read(metadata: Option<Value>) -> (Metadata, Violations) {
    let mut broken = Violations::default();
    let fields = match metadata {
        None | Some(Value::Null) => Map::new(),
        Some(Value::Object(fields)) => fields,
        Some(other) => {
            broken.push(Violation::new("metadata", shown(&other), "must be an object"));
            return (Metadata::default(), broken);
        }
    };
    let name = match fields.get("name") {
        Some(Value::String(name)) => {
            let valid = is_subdomain(name);
            broken.require(valid, "metadata.name", quoted(name), SUBDOMAIN_RULE);
            // A name that is none must not get into messages or paths.
            if valid { name.clone() } else { String::new() }
        }
        None | Some(Value::Null) => {
            broken.push(Violation::new("metadata.name", "", REQUIRED));
            String::new()
        }
        Some(other) => {
            let rule = "must be a text; put it in quotes";
            broken.push(Violation::new("metadata.name", shown(other), rule));
            String::new()
        }
    };
    let generation = fields.get("generation").and_then(Value::as_i64);
    (Metadata { name, generation }, broken)
}
