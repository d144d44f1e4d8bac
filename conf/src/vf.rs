//! Words for virtual functions.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::{ParseError, serde_by_text};

/// A VF's number on its PF: `virtfnN` in sysfs, `IFLA_VF_*` `vf` in netlink, from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct VfIndex(pub u16);

impl fmt::Display for VfIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// VFs `first` to `last` of a PF, both included: `0-3`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VfRange {
    first: u16,
    last: u16,
}

impl VfRange {
    /// The range from `first` to `last`; `None` when it would be empty.
    pub fn new(first: u16, last: u16) -> Option<Self> {
        (first <= last).then_some(Self { first, last })
    }

    /// VFs 0 to `count` - 1; `None` for no VFs.
    pub fn whole(count: u16) -> Option<Self> {
        count.checked_sub(1).map(|last| Self { first: 0, last })
    }

    /// The first VF.
    pub fn first(self) -> VfIndex {
        VfIndex(self.first)
    }

    /// The last VF.
    pub fn last(self) -> VfIndex {
        VfIndex(self.last)
    }

    /// Whether `index` lies in it.
    pub fn contains(self, index: VfIndex) -> bool {
        (self.first..=self.last).contains(&index.0)
    }

    /// Whether the two share a VF.
    pub fn overlaps(self, other: Self) -> bool {
        self.first <= other.last && other.first <= self.last
    }

    /// The smallest range that holds both.
    pub fn span(self, other: Self) -> Self {
        Self { first: self.first.min(other.first), last: self.last.max(other.last) }
    }

    /// Its VFs, in order.
    pub fn indices(self) -> impl Iterator<Item = VfIndex> {
        (self.first..=self.last).map(VfIndex)
    }
}

impl fmt::Display for VfRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.first, self.last)
    }
}

impl FromStr for VfRange {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let number = |digits: &str| {
            let plain = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
            plain.then(|| digits.parse().ok()).flatten()
        };
        text.split_once('-')
            .and_then(|(first, last)| Self::new(number(first)?, number(last)?))
            .ok_or_else(|| {
                ParseError::new("must be a VF range FIRST-LAST with FIRST not above LAST")
            })
    }
}

serde_by_text!(VfRange);

/// A switch of a VF (`spoofchk`, `trust`): `on` or `off`, nothing else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnOff {
    /// On.
    On,
    /// Off.
    Off,
}

impl From<bool> for OnOff {
    fn from(on: bool) -> Self {
        if on { Self::On } else { Self::Off }
    }
}

impl fmt::Display for OnOff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::On => "on",
            Self::Off => "off",
        })
    }
}

impl FromStr for OnOff {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        match text {
            "on" => Ok(Self::On),
            "off" => Ok(Self::Off),
            _ => Err(ParseError::new("must be \"on\" or \"off\"")),
        }
    }
}

/// A VF's link state policy (`IFLA_VF_LINK_STATE`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LinkState {
    /// Follows the PF's link.
    Auto,
    /// Always up.
    Enable,
    /// Always down.
    Disable,
}

impl fmt::Display for LinkState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Auto => "auto",
            Self::Enable => "enable",
            Self::Disable => "disable",
        })
    }
}

impl FromStr for LinkState {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        match text {
            "auto" => Ok(Self::Auto),
            "enable" => Ok(Self::Enable),
            "disable" => Ok(Self::Disable),
            _ => Err(ParseError::new("must be \"auto\", \"enable\" or \"disable\"")),
        }
    }
}

/// Whether a VF's driver is bound anew when the VF is given back, which takes away whatever its
/// container left on its interface.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ResetOnRelease {
    /// Not even where something is left that nothing else takes away.
    Never,
    /// Where something is left that nothing else takes away.
    #[default]
    Needed,
    /// Each time.
    Always,
}

impl ResetOnRelease {
    /// Whether it is what applies where nothing is said.
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

impl FromStr for ResetOnRelease {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        match text {
            "never" => Ok(Self::Never),
            "needed" => Ok(Self::Needed),
            "always" => Ok(Self::Always),
            _ => Err(ParseError::new("must be \"never\", \"needed\" or \"always\"")),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn range_round_trips(first: u16, more in 0u16..100) {
            let range = VfRange::new(first, first.saturating_add(more)).unwrap();
            prop_assert_eq!(range.to_string().parse(), Ok(range));
        }

        #[test]
        fn overlap_is_a_shared_vf(a in 0u16..20, b in 0u16..20, c in 0u16..20, d in 0u16..20) {
            let (one, two) = (VfRange::new(a.min(b), a.max(b)).unwrap(), VfRange::new(c.min(d), c.max(d)).unwrap());
            prop_assert_eq!(one.overlaps(two), one.indices().any(|index| two.contains(index)));
        }
    }

    #[test]
    fn malformed_ranges_are_refused() {
        for text in ["3-1", "a-b", "0-1#2", "", "-1", "1-", "+0-1", "0-70000"] {
            assert!(text.parse::<VfRange>().is_err(), "{text}");
        }
    }
}
