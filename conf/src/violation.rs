//! A broken rule, told so that its author can mend it.

use std::fmt;

use crate::ParseError;

/// One field that breaks one rule.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Violation {
    /// Where, in the words of the document: `spec.nicSelector.pfNames[1]`; empty for all of it.
    pub path: String,
    /// What stands there, as JSON or plain text; empty when nothing does.
    pub value: String,
    /// The rule, as the end of a sentence: "must be between 0 and 99".
    pub rule: String,
}

impl Violation {
    /// A violation of `rule` by `value` at `path`.
    pub fn new(path: impl Into<String>, value: impl fmt::Display, rule: impl Into<String>) -> Self {
        Self { path: path.into(), value: value.to_string(), rule: rule.into() }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for part in [&self.path, &self.value] {
            if !part.is_empty() {
                write!(f, "{part}: ")?;
            }
        }
        f.write_str(&self.rule)
    }
}

/// Every rule that one document breaks; never empty where it is an error.
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub struct Violations(pub Vec<Violation>);

impl Violations {
    /// Adds one.
    pub fn push(&mut self, violation: Violation) {
        self.0.push(violation);
    }

    /// Adds one unless the rule `held`.
    pub(crate) fn require(
        &mut self,
        held: bool,
        path: impl Into<String>,
        value: impl fmt::Display,
        rule: impl Into<String>,
    ) {
        if !held {
            self.push(Violation::new(path, value, rule));
        }
    }

    /// What `text` at `path` parses to; else `None` and a violation.
    pub(crate) fn parse<T>(&mut self, path: impl Into<String>, text: &str) -> Option<T>
    where
        T: std::str::FromStr<Err = ParseError>,
    {
        self.keep(text.parse(), path, quoted(text))
    }

    /// What is given at `path`; else `None` and a violation.
    pub(crate) fn given<T>(&mut self, value: Option<T>, path: &str) -> Option<T> {
        self.keep(value.ok_or_else(|| ParseError::new(REQUIRED)), path, "")
    }

    /// What was made of `value` at `path`; else `None` and a violation.
    pub(crate) fn keep<T>(
        &mut self,
        made: Result<T, ParseError>,
        path: impl Into<String>,
        value: impl fmt::Display,
    ) -> Option<T> {
        match made {
            Ok(made) => Some(made),
            Err(error) => {
                self.push(Violation::new(path, value, error.rule));
                None
            }
        }
    }

    /// `Ok` when no rule was broken.
    pub fn into_result(self) -> Result<(), Self> {
        if self.0.is_empty() { Ok(()) } else { Err(self) }
    }
}

impl fmt::Display for Violations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, violation) in self.0.iter().enumerate() {
            if at > 0 {
                f.write_str("; ")?;
            }
            violation.fmt(f)?;
        }
        Ok(())
    }
}

impl std::error::Error for Violations {}

/// The rule of a field that must be there.
pub(crate) const REQUIRED: &str = "must be given";

/// The most characters of a value that a message repeats.
const SHOWN: usize = 120;

/// `text` as a JSON string, cut when it is long: what a stranger wrote must not flood or forge
/// messages.
pub(crate) fn quoted(text: &str) -> String {
    cut(&serde_json::Value::from(text).to_string())
}

/// `value` as JSON, cut when it is long.
pub(crate) fn shown(value: &serde_json::Value) -> String {
    cut(&value.to_string())
}

fn cut(json: &str) -> String {
    let plain: String = json.chars().filter(|c| !c.is_control()).collect();
    match plain.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", plain.get(..end).unwrap_or_default()),
        None => plain,
    }
}
