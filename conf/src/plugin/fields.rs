//! Reads the fields of one JSON object and collects every rule that is broken, so that an author
//! learns of all mistakes at once.

use std::fmt;
use std::str::FromStr;

use serde_json::{Map, Value};

use crate::cni::{Code, Error};
use crate::{ParseError, Violation, Violations};

/// The fields of one object, and what is wrong with them so far.
pub(super) struct Fields<'a> {
    object: &'a Map<String, Value>,
    /// Put before each key in a violation: empty, or `runtimeConfig.`.
    prefix: &'static str,
    violations: Violations,
}

impl<'a> Fields<'a> {
    pub(super) fn new(object: &'a Map<String, Value>, prefix: &'static str) -> Self {
        Self { object, prefix, violations: Violations::default() }
    }

    /// The value at `key`; null is absent.
    pub(super) fn value(&self, key: &str) -> Option<&'a Value> {
        self.object.get(key).filter(|value| !value.is_null())
    }

    /// The text at `key`. An empty text is absent, as a Go plugin sees it.
    pub(super) fn text(&mut self, key: &str) -> Option<&'a str> {
        let value = self.value(key)?;
        if value.as_str().is_none() {
            self.refuse(key, "must be a string");
        }
        value.as_str().filter(|text| !text.is_empty())
    }

    /// The text at `key`, parsed.
    pub(super) fn parse<T: FromStr<Err = ParseError>>(&mut self, key: &str) -> Option<T> {
        self.text(key)?.parse().map_err(|cause| self.refuse(key, cause)).ok()
    }

    /// The whole number at `key`, checked by its type.
    pub(super) fn number<T: TryFrom<i64>>(&mut self, key: &str) -> Option<T>
    where
        T::Error: fmt::Display,
    {
        let Some(number) = self.value(key)?.as_i64() else {
            self.refuse(key, "must be a whole number");
            return None;
        };
        T::try_from(number).map_err(|cause| self.refuse(key, cause)).ok()
    }

    /// The object at `key`.
    pub(super) fn object(&mut self, key: &str) -> Option<&'a Map<String, Value>> {
        let value = self.value(key)?;
        if !value.is_object() {
            self.refuse(key, "must be an object");
        }
        value.as_object()
    }

    /// Notes that `key` breaks `rule`.
    pub(super) fn refuse(&mut self, key: &str, rule: impl fmt::Display) {
        let value = self.value(key).map(Value::to_string).unwrap_or_default();
        let path = format!("{}{key}", self.prefix);
        self.violations.push(Violation::new(path, shortened(&value), rule.to_string()));
    }

    /// Takes over what is wrong elsewhere in the same document.
    pub(super) fn absorb(&mut self, other: Fields<'_>) {
        self.violations.0.extend(other.violations.0);
    }

    /// What is wrong, if anything, as code 7.
    pub(super) fn finish(self) -> Result<(), Error> {
        self.violations.into_result().map_err(|violations| {
            Error::new(Code::InvalidConfig, format!("invalid config: {violations}"))
        })
    }
}

/// Enough of a value to recognise it: messages end up in events and logs.
fn shortened(text: &str) -> String {
    const MOST: usize = 80;
    if text.chars().count() <= MOST {
        return text.to_owned();
    }
    let head: String = text.chars().take(MOST).collect();
    format!("{head}…")
}
