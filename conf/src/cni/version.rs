//! Versions of the CNI protocol.

use std::fmt;
use std::str::FromStr;

use crate::{ParseError, serde_by_text};

/// A version of the protocol, which fixes the shape of results.
///
/// Versions are exact words, not ranges: `1.0` is no version. An empty text is 0.1.0, as is a
/// config without `cniVersion` (CNI specification, and what Multus sends for a
/// NetworkAttachmentDefinition that names none).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Version {
    V0_1_0,
    V0_2_0,
    V0_3_0,
    V0_3_1,
    V0_4_0,
    V1_0_0,
    V1_1_0,
}

impl Version {
    /// Every version, oldest first.
    pub const ALL: [Self; 7] = [
        Self::V0_1_0,
        Self::V0_2_0,
        Self::V0_3_0,
        Self::V0_3_1,
        Self::V0_4_0,
        Self::V1_0_0,
        Self::V1_1_0,
    ];

    /// The newest version, used where a caller's own is not known.
    pub const NEWEST: Self = Self::V1_1_0;

    /// The word on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::V0_1_0 => "0.1.0",
            Self::V0_2_0 => "0.2.0",
            Self::V0_3_0 => "0.3.0",
            Self::V0_3_1 => "0.3.1",
            Self::V0_4_0 => "0.4.0",
            Self::V1_0_0 => "1.0.0",
            Self::V1_1_0 => "1.1.0",
        }
    }

    /// Whether results list interfaces (0.3.0 and later).
    pub fn lists_interfaces(self) -> bool {
        self >= Self::V0_3_0
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Version {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        if text.is_empty() {
            return Ok(Self::V0_1_0);
        }
        Self::ALL.into_iter().find(|version| version.as_str() == text).ok_or_else(|| {
            let known = Self::ALL.map(Self::as_str).join(", ");
            ParseError::new(format!("must be one of {known}"))
        })
    }
}

serde_by_text!(Version);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_exact_words() {
        for version in Version::ALL {
            assert_eq!(version.to_string().parse(), Ok(version));
        }
        assert_eq!("".parse(), Ok(Version::V0_1_0));
        for bad in ["1.0", "1.1.0 ", "v1.0.0", "1.2.0", "0.3", "one"] {
            assert!(bad.parse::<Version>().is_err(), "{bad}");
        }
    }

    #[test]
    fn versions_are_ordered_by_age() {
        assert!(Version::ALL.is_sorted());
        assert_eq!(Version::ALL.last(), Some(&Version::NEWEST));
    }
}
