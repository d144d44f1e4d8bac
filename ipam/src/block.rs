//! The blocks of a pool by number: pure arithmetic.
//!
//! ```text
//! IPPool    10.0.0.0/24, 100 each     .1-.100      .101-.200       what is left serves nobody
//! CIDRPool  10.0.0.0/24, /26 each     .0/26        .64/26          .128/26        .192/26
//!           index                     0            1               2              3
//! ```
//!
//! The numbering is nv-ipam's: an IPPool's block `k` starts at network + 1 + k × size (network + 0
//! where there is no network address: /31, /32, /127, /128), a CIDRPool's prefix `k` at network +
//! k × size. So a node that moves over from nv-ipam keeps its addresses. A block in which
//! exclusions and gateway leave nothing to give out is never dealt.

mod grid;

use std::collections::BTreeMap;
use std::net::IpAddr;

use conf::AddressRange;
use conf::address::{advance, number};
use conf::block::{NodeBlock, PoolKind, PoolRef, VERSION};
use conf::pool::{CidrPool, IndexRange, IpPool};
use conf::settings::Standalone;
use ipnetwork::IpNetwork;

use grid::Grid;

/// Whether other nodes have blocks of the same pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sharing {
    /// This node alone: any address of the pool may be asked for by name.
    Alone,
    /// Others too: only addresses of the node's own block may be.
    Shared,
}

impl From<Standalone> for Sharing {
    fn from(standalone: Standalone) -> Self {
        if standalone.hosts == 1 { Self::Alone } else { Self::Shared }
    }
}

/// What becomes of a block that a node has, now that its pool was edited.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kept {
    /// The same addresses, with the pool's present gateway, routes and exclusions.
    Same(Box<NodeBlock>),
    /// The pool now means other addresses by this number: leases of the old block would collide
    /// with what other nodes give out.
    Renumbered {
        /// What the block's number means now; `None` when there is no such block.
        now: Option<AddressRange>,
    },
}

/// The blocks of one pool.
#[derive(Debug, Clone)]
pub struct Blocks {
    pool: PoolRef,
    grid: Grid,
    /// The mask and the neighbours of all blocks; `None` when each block is a network of its own.
    subnet: Option<IpNetwork>,
    gateway: Gateway,
    exclusions: Vec<AddressRange>,
    per_node_exclusions: Vec<IndexRange>,
    /// Prefixes that are promised by name: to this node, or (`None`) to another or nobody.
    promised: BTreeMap<u64, Option<Promise>>,
    default_gateway: bool,
    routes: Vec<IpNetwork>,
}

/// A prefix that is promised to this node.
#[derive(Debug, Clone, Copy)]
struct Promise {
    gateway: Option<IpAddr>,
}

/// Where the gateway is.
#[derive(Debug, Clone, Copy)]
enum Gateway {
    /// The same for all blocks.
    At(Option<IpAddr>),
    /// In every block, this far from its first address.
    Index(u32),
}

impl Blocks {
    /// The blocks of an IPPool.
    pub fn of_ip_pool(pool: &IpPool) -> Self {
        let usable = hosts(pool.subnet);
        Self {
            pool: PoolRef { kind: PoolKind::IpPool, name: pool.name.clone() },
            grid: Grid::in_range(usable, u128::from(pool.per_node_block_size.get())),
            subnet: Some(pool.subnet),
            gateway: Gateway::At(pool.gateway),
            exclusions: AddressRange::coalesce(pool.exclusions.iter().copied()),
            per_node_exclusions: coalesce(&pool.per_node_exclusions),
            promised: BTreeMap::new(),
            default_gateway: pool.default_gateway,
            routes: pool.routes.clone(),
        }
    }

    /// The blocks of a CIDRPool, as the node named `node` sees them: prefixes that
    /// staticAllocations promise to others do not exist for it.
    pub fn of_cidr_pool(pool: &CidrPool, node: &str) -> Self {
        let grid = Grid::of_prefixes(pool.cidr, pool.per_node_prefix);
        let promised = pool.static_allocations.iter().filter_map(|allocation| {
            let own = allocation.node.as_deref() == Some(node);
            let promise = own.then_some(Promise { gateway: allocation.gateway });
            Some((grid.index_of(allocation.prefix.network())?, promise))
        });
        Self {
            pool: PoolRef { kind: PoolKind::CidrPool, name: pool.name.clone() },
            promised: promised.collect(),
            grid,
            subnet: None,
            gateway: pool.gateway_index.map_or(Gateway::At(None), Gateway::Index),
            exclusions: AddressRange::coalesce(pool.exclusions.iter().copied()),
            per_node_exclusions: coalesce(&pool.per_node_exclusions),
            default_gateway: pool.default_gateway,
            routes: pool.routes.clone(),
        }
    }

    /// How many there are, usable or not.
    pub fn count(&self) -> u64 {
        self.grid.count()
    }

    /// The block with this number; `None` when there is none, when it is promised to another node
    /// or when it holds nothing to give out.
    pub fn block(&self, index: u64, sharing: Sharing) -> Option<NodeBlock> {
        let promise = self.promised.get(&index);
        if matches!(promise, Some(None)) {
            return None;
        }
        let span = self.grid.span(index)?;
        let network = match self.subnet {
            Some(subnet) => subnet,
            None => IpNetwork::new(span.first(), self.grid.prefix()?).ok()?,
        };
        let range = if self.subnet.is_some() { span } else { hosts(network) };
        let promised_gateway = promise.and_then(|promise| promise.as_ref()?.gateway);
        let gateway = promised_gateway.or_else(|| self.gateway_of(span));
        let exclusions = self.excluded(span, range);
        let block = NodeBlock {
            version: VERSION,
            pool: self.pool.clone(),
            index,
            range,
            network,
            gateway,
            default_gateway: self.default_gateway && gateway.is_some(),
            routes: if gateway.is_some() { self.routes.clone() } else { Vec::new() },
            exclusions,
            static_range: match (sharing, self.subnet) {
                (Sharing::Alone, Some(subnet)) => hosts(subnet),
                _ => range,
            },
        };
        has_something_to_give(&block).then_some(block)
    }

    /// The block of one host among several with no arbiter between them: the prefix promised to
    /// it, else the first usable one of `host`, `host + hosts`, `host + 2 × hosts`, …
    ///
    /// Takes as many steps as the pool has exclusions and promises, not as it has blocks.
    pub fn for_host(&self, standalone: Standalone) -> Option<NodeBlock> {
        let sharing = Sharing::from(standalone);
        let own = self.promised.iter().find(|(_, promise)| promise.is_some());
        if let Some((index, _)) = own {
            return self.block(*index, sharing);
        }
        if standalone.host >= standalone.hosts {
            return None;
        }
        let (host, hosts) = (u64::from(standalone.host), u64::from(standalone.hosts));
        let mut index = host;
        while index < self.count() {
            if let Some(block) = self.block(index, sharing) {
                return Some(block);
            }
            let next = self.next_candidate(index)?;
            // Up to the next number that is this host's.
            let behind = next.checked_sub(host)?;
            index = host.checked_add(behind.div_ceil(hosts).checked_mul(hosts)?)?;
        }
        None
    }

    /// What becomes of `kept`, a block of this pool that a node holds, under the pool's present
    /// spec.
    pub fn keep(&self, kept: &NodeBlock, sharing: Sharing) -> Kept {
        let same = |block: &NodeBlock| block.range == kept.range && block.network == kept.network;
        match self.block(kept.index, sharing) {
            Some(block) if same(&block) => Kept::Same(Box::new(block)),
            Some(block) => Kept::Renumbered { now: Some(block.range) },
            None => Kept::Renumbered { now: None },
        }
    }

    /// The least number above an unusable `index` that may be usable; `None` when none can be.
    fn next_candidate(&self, index: u64) -> Option<u64> {
        let span = self.grid.span(index)?;
        let next = index.checked_add(1)?;
        let after = self.exclusions.partition_point(|range| range.last() < span.last());
        if let Some(exclusion) = self.exclusions.get(after)
            && exclusion.contains(span.last())
        {
            // Skips what lies wholly inside the exclusion.
            let last = self.grid.index_of(exclusion.last()).unwrap_or(u64::MAX);
            return Some(last.max(next));
        }
        let excluded = after
            .checked_sub(1)
            .and_then(|before| self.exclusions.get(before))
            .is_some_and(|range| range.intersection(span).is_some());
        let shared_gateway =
            matches!(self.gateway, Gateway::At(Some(gateway)) if span.contains(gateway));
        let special = excluded || shared_gateway || self.promised.contains_key(&index);
        // Nothing that is this block's alone: what makes it unusable does so in every block.
        special.then_some(next)
    }

    fn gateway_of(&self, span: AddressRange) -> Option<IpAddr> {
        match self.gateway {
            Gateway::At(gateway) => gateway,
            Gateway::Index(steps) => {
                advance(span.first(), u128::from(steps)).filter(|address| span.contains(*address))
            }
        }
    }

    /// The union of the pool's exclusions and the node's, inside `range`.
    fn excluded(&self, span: AddressRange, range: AddressRange) -> Vec<AddressRange> {
        let first = self.exclusions.partition_point(|exclusion| exclusion.last() < range.first());
        let of_pool = self
            .exclusions
            .get(first..)
            .unwrap_or_default()
            .iter()
            .take_while(|exclusion| exclusion.first() <= range.last())
            .copied();
        let of_node = self.per_node_exclusions.iter().filter_map(|indices| {
            let first = advance(span.first(), u128::from(indices.first))?;
            let last = advance(span.first(), u128::from(indices.last)).unwrap_or(span.last());
            AddressRange::new(first, last)
        });
        AddressRange::coalesce(
            of_pool.chain(of_node).filter_map(|exclusion| exclusion.intersection(range)),
        )
    }
}

/// The addresses of `network` that an interface may carry: not the network's own nor, in IPv4,
/// the broadcast address, where there are such (they are not in /31, /32, /127 and /128).
pub fn hosts(network: IpNetwork) -> AddressRange {
    let (first, last) = (network.network(), network.broadcast());
    let whole = AddressRange::new(first, last);
    let inner = match network {
        IpNetwork::V4(v4) if v4.prefix() >= 31 => whole,
        IpNetwork::V6(v6) if v6.prefix() >= 127 => whole,
        IpNetwork::V4(_) => advance(first, 1)
            .zip(advance(first, (number(last) - number(first)).saturating_sub(1)))
            .and_then(|(second, last_but_one)| AddressRange::new(second, last_but_one)),
        IpNetwork::V6(_) => advance(first, 1).and_then(|second| AddressRange::new(second, last)),
    };
    // A network holds at least its own address.
    inner.or(whole).unwrap_or(AddressRange::single(first))
}

/// The union of `ranges`, as few as they can be: they are gone through for every block that is
/// looked at.
fn coalesce(ranges: &[IndexRange]) -> Vec<IndexRange> {
    let mut sorted = ranges.to_vec();
    sorted.sort();
    let mut out: Vec<IndexRange> = Vec::new();
    for range in sorted {
        match out.last_mut() {
            Some(before) if range.first <= before.last.saturating_add(1) => {
                before.last = before.last.max(range.last);
            }
            _ => out.push(range),
        }
    }
    out
}

/// Whether gateway and exclusions leave an address.
fn has_something_to_give(block: &NodeBlock) -> bool {
    let len = |range: AddressRange| range.len_minus_one();
    let gateway = block.gateway.is_some_and(|gateway| {
        block.range.contains(gateway)
            && !block.exclusions.iter().any(|exclusion| exclusion.contains(gateway))
    });
    // Every count is one less than it seems: all of IPv6 has 2^128 addresses.
    let excluded = block.exclusions.iter().map(|exclusion| len(*exclusion));
    let mut taken: Option<u128> = None;
    for more in excluded.chain(gateway.then_some(0)) {
        taken = Some(taken.map_or(more, |sum| sum.saturating_add(more).saturating_add(1)));
    }
    taken.is_none_or(|taken| taken < len(block.range))
}

#[cfg(test)]
mod tests;
