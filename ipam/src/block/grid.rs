//! Equal spans of addresses, one after the other, by number.

use std::net::IpAddr;

use conf::AddressRange;
use conf::address::{advance, number};
use ipnetwork::IpNetwork;

/// `count` spans of `size` addresses, the first at `base`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Grid {
    base: IpAddr,
    /// Addresses of a span, at least 1.
    size: u128,
    count: u64,
    /// The prefix length of a span that is a network.
    prefix: Option<u8>,
}

impl Grid {
    /// As many whole spans of `size` addresses as `range` has room for.
    pub(super) fn in_range(range: AddressRange, size: u128) -> Self {
        let size = size.max(1);
        // (len - 1 - (size - 1)) / size + 1, without the overflow of len = 2^128.
        let count = match range.len_minus_one().checked_sub(size - 1) {
            Some(rest) => (rest / size).saturating_add(1),
            None => 0,
        };
        let count = u64::try_from(count).unwrap_or(u64::MAX);
        Self { base: range.first(), size, count, prefix: None }
    }

    /// The networks of length `prefix` in `cidr`.
    pub(super) fn of_prefixes(cidr: IpNetwork, prefix: u8) -> Self {
        let bits = if cidr.is_ipv4() { 32 } else { 128 };
        let host_bits = u32::from(bits - prefix.min(bits));
        let more = u32::from(prefix.saturating_sub(cidr.prefix()));
        Self {
            base: cidr.network(),
            size: 1u128.checked_shl(host_bits).unwrap_or(u128::MAX),
            count: 1u64.checked_shl(more).unwrap_or(u64::MAX),
            prefix: Some(prefix.min(bits)),
        }
    }

    pub(super) fn count(&self) -> u64 {
        self.count
    }

    /// The prefix length of each span, where they are networks.
    pub(super) fn prefix(&self) -> Option<u8> {
        self.prefix
    }

    /// The span with number `index`.
    pub(super) fn span(&self, index: u64) -> Option<AddressRange> {
        if index >= self.count {
            return None;
        }
        let first = advance(self.base, u128::from(index).checked_mul(self.size)?)?;
        AddressRange::new(first, advance(first, self.size - 1)?)
    }

    /// The number of the span that holds `address`.
    pub(super) fn index_of(&self, address: IpAddr) -> Option<u64> {
        if address.is_ipv4() != self.base.is_ipv4() {
            return None;
        }
        let steps = number(address).checked_sub(number(self.base))? / self.size;
        u64::try_from(steps).ok().filter(|index| *index < self.count)
    }
}
