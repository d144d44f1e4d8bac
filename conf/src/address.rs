//! Ranges of IP addresses.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnetwork::IpNetwork;
use serde::{Deserialize, Serialize};

use crate::ParseError;

/// Addresses `first` to `last` of one family, both included; never empty.
///
/// In JSON `{"first": "10.0.0.10", "last": "10.0.0.20"}`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "Ends", into = "Ends")]
pub struct AddressRange {
    first: IpAddr,
    last: IpAddr,
}

impl AddressRange {
    /// The range from `first` to `last`; `None` when the families differ or it would be empty.
    pub fn new(first: IpAddr, last: IpAddr) -> Option<Self> {
        (first.is_ipv4() == last.is_ipv4() && first <= last).then_some(Self { first, last })
    }

    /// The range of one address.
    pub fn single(address: IpAddr) -> Self {
        Self { first: address, last: address }
    }

    /// All addresses of `network`.
    pub fn of_network(network: IpNetwork) -> Self {
        Self { first: network.network(), last: network.broadcast() }
    }

    /// The addresses of `network` that an interface may carry: not the network's own nor, in
    /// IPv4, the broadcast address, where there are such. There are none in /31, /32, /127 and
    /// /128 (RFC 3021, RFC 6164).
    pub fn hosts_of(network: IpNetwork) -> Self {
        let whole = Self::of_network(network);
        let second = advance(whole.first, 1);
        let last_but_one = advance(whole.first, whole.len_minus_one().saturating_sub(1));
        let inner = match network {
            IpNetwork::V4(v4) if v4.prefix() >= 31 => None,
            IpNetwork::V6(v6) if v6.prefix() >= 127 => None,
            IpNetwork::V4(_) => second.zip(last_but_one),
            IpNetwork::V6(_) => second.map(|second| (second, whole.last)),
        };
        inner.and_then(|(first, last)| Self::new(first, last)).unwrap_or(whole)
    }

    /// The first address.
    pub fn first(self) -> IpAddr {
        self.first
    }

    /// The last address.
    pub fn last(self) -> IpAddr {
        self.last
    }

    /// Whether `address` lies in it.
    pub fn contains(self, address: IpAddr) -> bool {
        self.first.is_ipv4() == address.is_ipv4() && self.first <= address && address <= self.last
    }

    /// What the two share, if anything.
    pub fn intersection(self, other: Self) -> Option<Self> {
        (self.first.is_ipv4() == other.first.is_ipv4())
            .then(|| Self::new(self.first.max(other.first), self.last.min(other.last)))
            .flatten()
    }

    /// How many addresses it holds, one less so that all of IPv6 fits.
    pub fn len_minus_one(self) -> u128 {
        number(self.last) - number(self.first)
    }

    /// The same addresses as disjoint, non-adjacent ranges in order, IPv4 first.
    pub fn coalesce(ranges: impl IntoIterator<Item = Self>) -> Vec<Self> {
        let mut sorted: Vec<Self> = ranges.into_iter().collect();
        sorted.sort();
        let mut out: Vec<Self> = Vec::with_capacity(sorted.len());
        for range in sorted {
            match out.last_mut() {
                Some(before)
                    if before.contains(range.first)
                        || successor(before.last) == Some(range.first) =>
                {
                    before.last = before.last.max(range.last);
                }
                _ => out.push(range),
            }
        }
        out
    }
}

impl fmt::Display for AddressRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.first == self.last {
            write!(f, "{}", self.first)
        } else {
            write!(f, "{}-{}", self.first, self.last)
        }
    }
}

/// An address as a number, for arithmetic within its family.
pub fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => u128::from(u32::from(v4)),
        IpAddr::V6(v6) => u128::from(v6),
    }
}

/// The address `steps` after `address`; `None` past the end of its family.
pub fn advance(address: IpAddr, steps: u128) -> Option<IpAddr> {
    match address {
        IpAddr::V4(v4) => {
            let sum = u32::from(v4).checked_add(u32::try_from(steps).ok()?)?;
            Some(IpAddr::V4(Ipv4Addr::from(sum)))
        }
        IpAddr::V6(v6) => Some(IpAddr::V6(Ipv6Addr::from(u128::from(v6).checked_add(steps)?))),
    }
}

/// The next address; `None` after the last of its family.
fn successor(address: IpAddr) -> Option<IpAddr> {
    advance(address, 1)
}

/// An address range as it is written.
#[derive(Serialize, Deserialize)]
struct Ends {
    first: IpAddr,
    last: IpAddr,
}

impl TryFrom<Ends> for AddressRange {
    type Error = ParseError;

    fn try_from(ends: Ends) -> Result<Self, ParseError> {
        Self::new(ends.first, ends.last)
            .ok_or_else(|| ParseError::new("must run from first to last within one family"))
    }
}

impl From<AddressRange> for Ends {
    fn from(range: AddressRange) -> Self {
        Self { first: range.first, last: range.last }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn v4(first: u8, last: u8) -> AddressRange {
        let address = |octet| IpAddr::V4(Ipv4Addr::new(10, 0, 0, octet));
        AddressRange::new(address(first), address(last)).unwrap()
    }

    fn members(ranges: &[AddressRange]) -> BTreeSet<u128> {
        ranges.iter().flat_map(|range| number(range.first)..=number(range.last)).collect()
    }

    proptest! {
        #[test]
        fn coalescing_keeps_the_addresses_and_leaves_gaps(
            ends in proptest::collection::vec((0u8..60, 0u8..6), 0..12),
        ) {
            let ranges: Vec<_> = ends.iter().map(|&(first, more)| v4(first, first + more)).collect();
            let out = AddressRange::coalesce(ranges.clone());
            prop_assert_eq!(members(&out), members(&ranges));
            for pair in out.windows(2) {
                prop_assert!(number(pair[0].last) + 1 < number(pair[1].first));
            }
        }

        #[test]
        fn an_intersection_holds_what_both_hold(a in 0u8..30, b in 0u8..9, c in 0u8..30, d in 0u8..9) {
            let (one, two) = (v4(a, a + b), v4(c, c + d));
            let both: BTreeSet<_> =
                members(&[one]).intersection(&members(&[two])).copied().collect();
            let shared = one.intersection(two);
            prop_assert_eq!(members(shared.as_slice()), both);
        }
    }

    #[test]
    fn families_never_mix() {
        let (four, six): (IpAddr, IpAddr) = ("0.0.0.1".parse().unwrap(), "::2".parse().unwrap());
        assert_eq!(AddressRange::new(four, six), None);
        let six = AddressRange::new(six, six).unwrap();
        assert!(!six.contains(four));
        assert_eq!(six.intersection(v4(0, 255)), None);
    }

    #[test]
    fn the_ends_of_both_families_do_not_wrap() {
        let whole = ["0.0.0.0-255.255.255.255", "::-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"];
        for text in whole {
            let (first, last) = text.split_once('-').unwrap();
            let range = AddressRange::new(first.parse().unwrap(), last.parse().unwrap()).unwrap();
            assert_eq!(range.to_string(), text);
            assert_eq!(successor(range.last()), None);
            assert_eq!(AddressRange::coalesce([range, range]), [range]);
        }
    }

    #[test]
    fn a_backward_range_is_not_read() {
        let text = r#"{"first": "10.0.0.2", "last": "10.0.0.1"}"#;
        assert!(serde_json::from_str::<AddressRange>(text).is_err());
    }
}
