//! Names of other plugins.

use std::fmt;
use std::str::FromStr;

use crate::{ParseError, serde_by_text};

/// The name of a plugin's executable, looked for in CNI_PATH: never a path of its own.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PluginName(String);

impl PluginName {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for PluginName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for PluginName {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
        if text.is_empty() || text.len() > 255 || text.starts_with('.') || !text.bytes().all(plain)
        {
            return Err(ParseError::new(
                "must be the name of a plugin: letters, digits, '-', '_' and '.', no path",
            ));
        }
        Ok(Self(text.to_owned()))
    }
}

serde_by_text!(PluginName);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_no_path() {
        for good in ["host-local", "nv-ipam", "static", "whereabouts2.0"] {
            assert!(good.parse::<PluginName>().is_ok(), "{good}");
        }
        for bad in ["", "../evil", "/bin/sh", "a/b", "..", ".hidden", "a b", "a\0"] {
            assert!(bad.parse::<PluginName>().is_err(), "{bad}");
        }
    }
}
