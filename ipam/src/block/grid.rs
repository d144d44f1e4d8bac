//! Equal spans of addresses, one after the other, by number.

use std::net::IpAddr;

use conf::AddressRange;
use conf::address::{advance, number};
use ipnetwork::IpNetwork;

/// Spans of `size` addresses, the first at `base`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Grid {
    base: IpAddr,
    /// Addresses of a span, at least 1.
    size: u128,
    /// The number of the last span; `None` when there is none. Not how many there are: ::/0 has
    /// 2^128 addresses, one more than a number can say.
    last: Option<u128>,
    /// The prefix length of a span that is a network.
    prefix: Option<u8>,
}

impl Grid {
    /// As many whole spans of `size` addresses as `range` has room for.
    pub(super) fn in_range(range: AddressRange, size: u128) -> Self {
        let size = size.max(1);
        let last = range.len_minus_one().checked_sub(size - 1).map(|rest| rest / size);
        Self { base: range.first(), size, last, prefix: None }
    }

    /// The networks of length `prefix` in `cidr`.
    pub(super) fn of_prefixes(cidr: IpNetwork, prefix: u8) -> Self {
        let bits = if cidr.is_ipv4() { 32 } else { 128 };
        let host_bits = u32::from(bits - prefix.min(bits));
        let more = u32::from(prefix.min(bits).saturating_sub(cidr.prefix()));
        Self {
            base: cidr.network(),
            size: 1u128.checked_shl(host_bits).unwrap_or(u128::MAX),
            last: Some(u128::MAX.checked_shr(128 - more).unwrap_or(0)),
            prefix: Some(prefix.min(bits)),
        }
    }

    /// The number of the last span; `None` when there is none.
    pub(super) fn last(&self) -> Option<u128> {
        self.last
    }

    /// The prefix length of each span, where they are networks.
    pub(super) fn prefix(&self) -> Option<u8> {
        self.prefix
    }

    /// The span with number `index`.
    pub(super) fn span(&self, index: u128) -> Option<AddressRange> {
        if self.last.is_none_or(|last| index > last) {
            return None;
        }
        let first = advance(self.base, index.checked_mul(self.size)?)?;
        AddressRange::new(first, advance(first, self.size - 1)?)
    }

    /// The number of the span that is exactly `range`.
    pub(super) fn index_of(&self, range: AddressRange) -> Option<u128> {
        let (first, _) = self.touching(range)?;
        (self.span(first) == Some(range)).then_some(first)
    }

    /// The numbers of the first and the last span that share an address with `range`.
    pub(super) fn touching(&self, range: AddressRange) -> Option<(u128, u128)> {
        let base = number(self.base);
        if range.first().is_ipv4() != self.base.is_ipv4() || number(range.last()) < base {
            return None;
        }
        let last = self.last?;
        let first = number(range.first()).saturating_sub(base) / self.size;
        let end = (number(range.last()) - base) / self.size;
        (first <= last).then_some((first, end.min(last)))
    }
}
