//! Names of other plugins.

use std::fmt;
use std::str::FromStr;

use crate::name::text;
use crate::{ParseError, serde_by_text};

text!(
    /// The name of a plugin's executable, looked for in CNI_PATH: never a path of its own.
    PluginName,
    |text| {
        let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
        (1..=255).contains(&text.len()) && !text.starts_with('.') && text.bytes().all(plain)
    },
    "must be the name of a plugin: letters, digits, '-', '_' and '.', no path"
);

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
