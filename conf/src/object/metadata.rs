//! `metadata`: what matters of it.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::Metadata;
use crate::name::{SUBDOMAIN_RULE, is_subdomain};
use crate::violation::{quoted, shown};
use crate::{Violation, Violations};

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
            broken.push(Violation::new("metadata.name", "", "must be given"));
            String::new()
        }
        Some(other) => {
            let rule = "must be a text; put it in quotes";
            broken.push(Violation::new("metadata.name", shown(other), rule));
            String::new()
        }
    };
    let text = |key: &str| fields.get(key).and_then(Value::as_str).map(str::to_owned);
    let metadata = Metadata {
        name,
        namespace: text("namespace"),
        labels: texts(fields.get("labels")),
        annotations: texts(fields.get("annotations")),
        generation: fields.get("generation").and_then(Value::as_i64),
    };
    (metadata, broken)
}

/// The entries of a map that are texts.
fn texts(map: Option<&Value>) -> BTreeMap<String, String> {
    map.and_then(Value::as_object)
        .into_iter()
        .flatten()
        .filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())))
        .collect()
}
