//! From a document of any shape to a raw spec: which fields have the wrong type, and which are
//! unknown.
//!
//! A spec that decodes is not checked yet: its types say no more than "a list of texts". The rules
//! follow in the modules of the kinds.

use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_path_to_error::{Path, Segment, Track};

use crate::violation::shown;
use crate::{Violation, Violations};

mod near;
mod path;
mod unknown;

pub(crate) use near::{hint, nearest};
pub(crate) use path::{FieldPath, child};
pub(crate) use unknown::{Fields, Unknown};

/// That many wrong types, and that many unknown fields of a sort, are told of one document:
/// looking for the next wrong type costs a pass over it, and nobody reads more.
const TOLD: usize = 20;

/// What decoding came to.
struct Decoded<T> {
    /// What could be decoded; fields of a wrong type are as if they were absent.
    raw: T,
    /// Fields of a wrong type.
    mistyped: Violations,
    /// Fields that are in no schema.
    unknown: Unknown,
}

/// Decodes `value` as [`decode`] does and lets `check` judge it by the rules of its kind. Unknown
/// fields join the `warnings`, but for those that may be meant to restrict something: they break
/// a rule.
pub(crate) fn read<Spec, T>(
    value: Value,
    at: &str,
    fields: Fields<'_>,
    warnings: &mut Vec<Violation>,
    check: impl FnOnce(Spec) -> Result<T, Violations>,
) -> Result<T, Violations>
where
    Spec: DeserializeOwned + Default,
{
    let Decoded { raw, mistyped, unknown } = decode(value, at, fields);
    warnings.extend(unknown.warnings);
    let undecoded = mistyped.0.into_iter().chain(unknown.refused).collect();
    with_rules(Violations(undecoded), check(raw))
}

/// All that is wrong: what was `undecoded`, and what the rules of the kind found on the rest. A
/// rule about a field that could not even be decoded is no news.
fn with_rules<T>(undecoded: Violations, checked: Result<T, Violations>) -> Result<T, Violations> {
    let rules = match checked {
        Ok(checked) => return undecoded.into_result().map(|()| checked),
        Err(rules) => rules.0,
    };
    let news =
        |rule: &Violation| !undecoded.0.iter().any(|wrong| path::related(&wrong.path, &rule.path));
    let news: Vec<_> = rules.into_iter().filter(news).collect();
    Err(Violations(undecoded.0.into_iter().chain(news).collect()))
}

/// Decodes `value`, which stands at `at` in its document and has these `fields`.
///
/// A field that is null counts as absent, as it does for the API server; not so below a field that
/// restricts something, where it is a value that somebody forgot, or a template had none for.
fn decode<T>(mut value: Value, at: &str, fields: Fields<'_>) -> Decoded<T>
where
    T: DeserializeOwned + Default,
{
    let mut mistyped = Violations::default();
    nulls_that_restrict(&value, &FieldPath::default(), at, fields, &mut mistyped);
    drop_nulls(&mut value);
    loop {
        let mut unknown = Vec::new();
        match attempt(&value, fields.known, &mut unknown) {
            Ok(raw) => {
                return Decoded { raw, mistyped, unknown: Unknown::of(&unknown, at, fields) };
            }
            Err((path, message)) => {
                let found = path.find(&value).map(shown).unwrap_or_default();
                mistyped.push(Violation::new(path.display(at), found, expected(&message)));
                let hopeless = !path.remove_from(&mut value);
                if mistyped.0.len() >= TOLD && !hopeless {
                    // This also keeps rules from being told about what was not even decoded.
                    let rule = "has more fields of a wrong type; these were the first";
                    mistyped.push(Violation::new(at, "", rule));
                }
                if hopeless || mistyped.0.len() > TOLD {
                    return Decoded { raw: T::default(), mistyped, unknown: Unknown::default() };
                }
            }
        }
    }
}

/// The first list or scalar below `value` where `known` says that there are fields.
///
/// Looked for before serde does: it would take a list as a struct's fields in order.
fn not_an_object(value: &Value, path: &FieldPath, known: &[&str]) -> Option<FieldPath> {
    let pattern = path.pattern();
    let within = |separator: &str| {
        let prefix = if pattern.is_empty() { String::new() } else { pattern.clone() + separator };
        known.iter().any(|field| field.len() > prefix.len() && field.starts_with(&prefix))
    };
    match value {
        Value::Object(fields) if within(".") => fields
            .iter()
            .find_map(|(key, field)| not_an_object(field, &path.clone().key(key), known)),
        Value::Array(items) if !pattern.is_empty() && within("[].") => items
            .iter()
            .enumerate()
            .find_map(|(index, item)| not_an_object(item, &path.clone().index(index), known)),
        Value::Object(_) => None,
        _ => within(".").then(|| path.clone()),
    }
}

/// One pass: the spec, or where it has a wrong type and what serde says to it.
fn attempt<T: DeserializeOwned>(
    value: &Value,
    known: &[&str],
    unknown: &mut Vec<FieldPath>,
) -> Result<T, (FieldPath, String)> {
    if let Some(path) = not_an_object(value, &FieldPath::default(), known) {
        return Err((path, ", expected an object".to_owned()));
    }
    let mut track = Track::new();
    let deserializer = serde_path_to_error::Deserializer::new(value, &mut track);
    let mut ignored = |path: serde_ignored::Path<'_>| unknown.push(FieldPath::from(&path));
    serde_ignored::deserialize(deserializer, &mut ignored)
        .map_err(|error| (FieldPath::from(&track.path()), error.to_string()))
}

/// The rule behind serde's message "invalid type: string "x", expected i64".
fn expected(message: &str) -> String {
    let wanted = message.rsplit_once(", expected ").map_or(message, |(_, wanted)| wanted);
    match wanted {
        "i64" => "must be a whole number".to_owned(),
        "a boolean" => "must be true or false".to_owned(),
        "a sequence" => "must be a list".to_owned(),
        "a map" | "an object" => "must be an object".to_owned(),
        "a string" => "must be a text; put it in quotes".to_owned(),
        other => format!("must be {other}"),
    }
}

/// Tells of fields that are null where they may restrict something.
fn nulls_that_restrict(
    value: &Value,
    path: &FieldPath,
    at: &str,
    fields: Fields<'_>,
    told: &mut Violations,
) {
    match value {
        Value::Object(members) => {
            let restricts = fields.restricts(&path.pattern());
            for (key, member) in members {
                let path = path.clone().key(key);
                if member.is_null() && restricts && told.0.len() < TOLD {
                    told.push(Violation::new(path.display(at), "null", NULL));
                }
                nulls_that_restrict(member, &path, at, fields, told);
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                nulls_that_restrict(item, &path.clone().index(index), at, fields, told);
            }
        }
        _ => {}
    }
}

/// What is said of a null that may restrict something.
const NULL: &str = "must have a value; leave it out if it is not to restrict anything";

/// Removes fields that are null, at any depth.
fn drop_nulls(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.retain(|_, field| !field.is_null());
            fields.values_mut().for_each(drop_nulls);
        }
        Value::Array(items) => items.iter_mut().for_each(drop_nulls),
        _ => {}
    }
}

impl From<&Path> for FieldPath {
    fn from(path: &Path) -> Self {
        path.iter().fold(Self::default(), |path, segment| match segment {
            Segment::Seq { index } => path.index(*index),
            Segment::Map { key } | Segment::Enum { variant: key } => path.key(key),
            // What a deserializer without positions reports; JSON values have them all.
            Segment::Unknown => path.key("?"),
        })
    }
}

impl From<&serde_ignored::Path<'_>> for FieldPath {
    fn from(path: &serde_ignored::Path<'_>) -> Self {
        use serde_ignored::Path;
        match path {
            Path::Root => Self::default(),
            Path::Seq { parent, index } => Self::from(*parent).index(*index),
            Path::Map { parent, key } => Self::from(*parent).key(key),
            Path::Some { parent }
            | Path::NewtypeStruct { parent }
            | Path::NewtypeVariant { parent } => Self::from(*parent),
        }
    }
}

#[cfg(test)]
mod tests;
