//! The envelope of a custom resource: `apiVersion`, `kind`, `metadata`, `spec`.
//!
//! ```text
//! Value --read--> Read { object: Ok(Object) | Err(every broken rule), warnings }
//! ```
//!
//! `status` is someone's report. Of a pool it tells which blocks nodes have already; it is read
//! for nothing else. Metadata that does not matter here is left alone.

use serde_json::{Map, Value};

use crate::document::{FieldPath, Fields, Unknown};
use crate::policy::Policy;
use crate::pool::{CidrPool, IpPool};
use crate::violation::{REQUIRED, quoted};
use crate::{Violation, Violations, document, policy, pool};

mod kind;
mod list;
mod metadata;

use kind::Kind;
use metadata::Metadata;

pub use kind::is_handled;
pub use list::read_all;

/// A custom resource that keeps every rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Object {
    /// SriovNetworkNodePolicy.
    Policy(Policy),
    /// IPPool.
    IpPool(IpPool),
    /// CIDRPool.
    CidrPool(CidrPool),
    /// A kind of railhead's API groups that this version does not act on.
    Unhandled {
        /// `GROUP/VERSION`.
        api_version: String,
        /// The kind.
        kind: String,
        /// The object's name.
        name: String,
    },
}

/// What reading one document came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Read {
    /// The kind it claims to be; empty when it claims none.
    pub kind: String,
    /// The name it claims to have; empty when it claims none.
    pub name: String,
    /// The number of its spec's version; only the API server gives one.
    pub generation: Option<i64>,
    /// The object, or every rule that it breaks.
    pub object: Result<Object, Violations>,
    /// What is not wrong but surely not meant: unknown fields, kinds that nothing acts on.
    pub warnings: Vec<Violation>,
}

/// The fields of every object.
const ENVELOPE: &[&str] = &["apiVersion", "kind", "metadata", "spec", "status"];

/// The policy that the SR-IOV Network Operator makes for itself; it selects nothing.
const OPERATORS_OWN: &str = "default";

/// Reads one document. Never panics, whatever comes.
pub fn read(document: Value) -> Read {
    let Value::Object(mut fields) = document else {
        return refused(Violation::new(
            "",
            crate::violation::shown(&document),
            "must be an object with apiVersion, kind, metadata and spec",
        ));
    };
    let mut broken = Violations::default();
    let api_version = text(&fields, "apiVersion", &mut broken);
    let kind_name = text(&fields, "kind", &mut broken);
    let (metadata, name_violations) = metadata::read(fields.remove("metadata"));
    broken.0.extend(name_violations.0);
    let known = (!api_version.is_empty() && !kind_name.is_empty())
        .then(|| kind::find(&api_version, &kind_name));
    let kind = known.as_ref().and_then(|found| found.as_ref().ok());
    let unknown = unknown(&fields, kind.and_then(|kind| spec_fields(*kind)));
    broken.0.extend(unknown.refused);
    let mut warnings = unknown.warnings;
    let object = match known {
        None => Err(Violations::default()),
        Some(Err(violation)) => Err(Violations(vec![violation])),
        Some(Ok(kind)) => {
            let spec = fields.remove("spec").unwrap_or_default();
            let object = object(kind, &api_version, &metadata.name, spec, &mut warnings);
            object.map(|object| with_status(object, fields.get("status"), &mut warnings))
        }
    };
    // One list of all that is wrong: with the envelope first.
    let object = match object {
        Ok(object) => broken.into_result().map(|()| object),
        Err(spec) => Err(Violations(broken.0.into_iter().chain(spec.0).collect())),
    };
    // Only what looks like a kind gets into messages as one.
    let word = kind_name.len() <= 63 && kind_name.bytes().all(|b| b.is_ascii_alphanumeric());
    let kind_name = if word { kind_name } else { String::new() };
    let Metadata { name, generation } = metadata;
    Read { kind: kind_name, name, generation, object, warnings }
}

/// What is unknown beside the spec, which has `spec` as its fields: one that belongs there is as
/// lost as if it were misspelt.
fn unknown(fields: &Map<String, Value>, spec: Option<Fields<'_>>) -> Unknown {
    let unknown = fields.keys().filter(|key| !ENVELOPE.contains(&key.as_str()));
    let unknown: Vec<_> = unknown.map(|key| FieldPath::default().key(key)).collect();
    let Some(spec) = spec.filter(|_| !unknown.is_empty()) else {
        return Unknown::of(&unknown, "", Fields { known: ENVELOPE, restricting: &[] });
    };
    let below = |fields: &[&str]| fields.iter().map(|field| format!("spec.{field}")).collect();
    let (known, restricting): (Vec<_>, Vec<_>) = (below(spec.known), below(spec.restricting));
    let known: Vec<&str> =
        ENVELOPE.iter().copied().chain(known.iter().map(String::as_str)).collect();
    let restricting: Vec<&str> = restricting.iter().map(String::as_str).collect();
    Unknown::of(&unknown, "", Fields { known: &known, restricting: &restricting })
}

/// The fields of a kind's spec; `None` for one that is known by name only.
fn spec_fields(kind: Kind) -> Option<Fields<'static>> {
    match kind {
        Kind::Policy => Some(policy::spec::FIELDS),
        Kind::IpPool => Some(pool::spec::IP_POOL_FIELDS),
        Kind::CidrPool => Some(pool::spec::CIDR_POOL_FIELDS),
        Kind::Other(_) => None,
    }
}

fn refused(violation: Violation) -> Read {
    Read {
        kind: String::new(),
        name: String::new(),
        generation: None,
        object: Err(Violations(vec![violation])),
        warnings: Vec::new(),
    }
}

/// The text of a field that must be there; empty when it is not.
fn text(fields: &Map<String, Value>, field: &str, broken: &mut Violations) -> String {
    match fields.get(field) {
        Some(Value::String(text)) if !text.is_empty() => text.clone(),
        None | Some(Value::Null | Value::String(_)) => {
            broken.push(Violation::new(field, "", REQUIRED));
            String::new()
        }
        Some(other) => {
            broken.push(Violation::new(field, crate::violation::shown(other), "must be a text"));
            String::new()
        }
    }
}

/// The object of `kind` with this name and spec.
fn object(
    kind: Kind,
    api_version: &str,
    name: &str,
    spec: Value,
    warnings: &mut Vec<Violation>,
) -> Result<Object, Violations> {
    let unhandled = |kind: &str| Object::Unhandled {
        api_version: api_version.to_owned(),
        kind: kind.to_owned(),
        name: name.to_owned(),
    };
    match kind {
        Kind::Policy if name == OPERATORS_OWN => {
            warnings.push(Violation::new(
                "metadata.name",
                quoted(name),
                "belongs to the SR-IOV Network Operator's own policy; it is not acted upon",
            ));
            Ok(unhandled("SriovNetworkNodePolicy"))
        }
        Kind::Policy => {
            let check = |spec| policy::rules::check(name, &spec);
            document::read(spec, "spec", policy::spec::FIELDS, warnings, check).map(Object::Policy)
        }
        Kind::IpPool => {
            let check = |spec| pool::ip_pool::check(name, &spec);
            document::read(spec, "spec", pool::spec::IP_POOL_FIELDS, warnings, check)
                .map(Object::IpPool)
        }
        Kind::CidrPool => {
            let check = |spec| pool::cidr_pool::check(name, &spec);
            document::read(spec, "spec", pool::spec::CIDR_POOL_FIELDS, warnings, check)
                .map(Object::CidrPool)
        }
        Kind::Other(kind) => {
            warnings.push(Violation::new(
                "kind",
                quoted(kind),
                "is a kind that this version of railhead does not act upon",
            ));
            Ok(unhandled(kind))
        }
    }
}

/// The object with what its status tells that is not in the spec.
fn with_status(object: Object, status: Option<&Value>, warnings: &mut Vec<Violation>) -> Object {
    match object {
        Object::IpPool(pool) => Object::IpPool(pool.with_status(status, warnings)),
        Object::CidrPool(pool) => Object::CidrPool(pool.with_status(status, warnings)),
        other => other,
    }
}

#[cfg(test)]
mod tests;
