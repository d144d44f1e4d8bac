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
    /// One that nothing is done about, whatever it says.
    Skipped {
        /// Whether its kind is known, and may be acted upon by a later version.
        is_known: bool,
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
    /// What is not wrong but surely not meant: unknown fields.
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
    // Only what looks like a kind gets into messages as one.
    let word = kind_name.len() <= 63 && kind_name.bytes().all(|b| b.is_ascii_alphanumeric());
    let kind_name = if word { kind_name } else { String::new() };
    let kind = known.as_ref().and_then(|found| found.as_ref().ok());
    if let Some(other @ (Kind::Other | Kind::Foreign)) = kind {
        let is_known = *other == Kind::Other;
        return Read {
            kind: kind_name,
            object: Ok(Object::Skipped { is_known }),
            ..Read::default()
        };
    }
    let unknown = unknown(&fields, kind.and_then(|kind| spec_fields(*kind)));
    broken.0.extend(unknown.refused);
    let mut warnings = unknown.warnings;
    let object = match known {
        None => Err(Violations::default()),
        Some(Err(violation)) => Err(Violations(vec![violation])),
        Some(Ok(kind)) => {
            let spec = fields.remove("spec").unwrap_or_default();
            let object = object(kind, &metadata.name, spec, &mut warnings);
            object.map(|object| with_status(object, fields.get("status"), &mut warnings))
        }
    };
    // One list of all that is wrong: with the envelope first.
    let object = match object {
        Ok(object) => broken.into_result().map(|()| object),
        Err(spec) => Err(Violations(broken.0.into_iter().chain(spec.0).collect())),
    };
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
        Kind::Other | Kind::Foreign => None,
    }
}

fn refused(violation: Violation) -> Read {
    Read { object: Err(Violations(vec![violation])), ..Read::default() }
}

impl Default for Read {
    fn default() -> Self {
        Self {
            kind: String::new(),
            name: String::new(),
            generation: None,
            object: Err(Violations::default()),
            warnings: Vec::new(),
        }
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
    name: &str,
    spec: Value,
    warnings: &mut Vec<Violation>,
) -> Result<Object, Violations> {
    match kind {
        Kind::Policy if name == OPERATORS_OWN => {
            warnings.push(Violation::new(
                "metadata.name",
                quoted(name),
                "belongs to the SR-IOV Network Operator's own policy; it is not acted upon",
            ));
            Ok(Object::Skipped { is_known: true })
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
        Kind::Other => Ok(Object::Skipped { is_known: true }),
        Kind::Foreign => Ok(Object::Skipped { is_known: false }),
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
