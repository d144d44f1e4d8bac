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
mod numbers;

use std::collections::BTreeMap;
use std::net::IpAddr;

use conf::address::advance;
use conf::block::{NodeBlock, PoolGeometry, VERSION};
use conf::pool::{Allocation, CidrPool, IndexRange, IpPool};
use conf::settings::Standalone;
use conf::{AddressRange, NodeName};
use ipnetwork::IpNetwork;

use grid::Grid;
use numbers::union;

pub use numbers::Numbers;

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
    geometry: PoolGeometry,
    grid: Grid,
    /// The mask and the neighbours of all blocks; `None` when each block is a network of its own.
    subnet: Option<IpNetwork>,
    gateway: Gateway,
    exclusions: Vec<AddressRange>,
    /// First and last index of each run that every node excludes of its block.
    per_node_exclusions: Vec<(u128, u128)>,
    /// Blocks that are not for whoever comes: promised to this node by name, or (`None`) another
    /// node's or nobody's.
    promised: BTreeMap<u128, Option<Promise>>,
    /// The block that this node had before.
    adopted: Option<u128>,
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
    /// The blocks of an IPPool, as the node named `node` sees them: those that other nodes have
    /// already do not exist for it.
    pub fn of_ip_pool(pool: &IpPool, node: &NodeName) -> Self {
        let usable = AddressRange::hosts_of(pool.subnet);
        let size = u128::from(pool.per_node_block_size.get());
        let blocks = Self {
            geometry: PoolGeometry::of_ip_pool(pool),
            grid: Grid::in_range(usable, size),
            subnet: Some(pool.subnet),
            gateway: Gateway::At(pool.gateway),
            exclusions: AddressRange::coalesce(pool.exclusions.iter().copied()),
            per_node_exclusions: indexes(&pool.per_node_exclusions),
            promised: BTreeMap::new(),
            adopted: None,
            default_gateway: pool.default_gateway,
            routes: pool.routes.clone(),
        };
        blocks.with_allocations(&pool.allocations, node)
    }

    /// The blocks of a CIDRPool, as the node named `node` sees them: prefixes that other nodes
    /// have already, or that staticAllocations promise to others, do not exist for it.
    pub fn of_cidr_pool(pool: &CidrPool, node: &NodeName) -> Self {
        let grid = Grid::of_prefixes(pool.cidr, pool.per_node_prefix);
        let promised = pool.static_allocations.iter().filter_map(|allocation| {
            let own = allocation.node.as_deref() == Some(node.as_str());
            let promise = own.then_some(Promise { gateway: allocation.gateway });
            Some((grid.index_of(AddressRange::of_network(allocation.prefix))?, promise))
        });
        let blocks = Self {
            geometry: PoolGeometry::of_cidr_pool(pool),
            promised: promised.collect(),
            adopted: None,
            grid,
            subnet: None,
            gateway: pool.gateway_index.map_or(Gateway::At(None), Gateway::Index),
            exclusions: AddressRange::coalesce(pool.exclusions.iter().copied()),
            per_node_exclusions: indexes(&pool.per_node_exclusions),
            default_gateway: pool.default_gateway,
            routes: pool.routes.clone(),
        };
        blocks.with_allocations(&pool.allocations, node)
    }

    /// The same blocks, of which `allocations` were dealt already. What the spec promises by name
    /// counts for more.
    fn with_allocations(mut self, allocations: &[Allocation], node: &NodeName) -> Self {
        for allocation in allocations {
            let Some(index) = self.grid.index_of(allocation.range) else { continue };
            if allocation.node == *node {
                self.adopted = Some(index);
            } else {
                self.promised.entry(index).or_insert(None);
            }
        }
        self
    }

    /// The block that the pool's spec promises this node by name.
    pub fn promised(&self) -> Option<u128> {
        self.promised.iter().find(|(_, promise)| promise.is_some()).map(|(index, _)| *index)
    }

    /// The block that the pool's status says this node has, where it can go on with it: there is
    /// something to give out, and the spec promises it to nobody.
    pub fn adopted(&self) -> Option<u128> {
        self.adopted.filter(|index| {
            !self.promised.contains_key(index) && self.block(*index, Sharing::Shared).is_some()
        })
    }

    /// What their numbers mean.
    pub fn geometry(&self) -> &PoolGeometry {
        &self.geometry
    }

    /// The number of the last one, usable or not; `None` when there is none.
    pub fn last(&self) -> Option<u128> {
        self.grid.last()
    }

    /// The block with this number; `None` when there is none, when it is promised to another node
    /// or when it holds nothing to give out.
    pub fn block(&self, index: u128, sharing: Sharing) -> Option<NodeBlock> {
        let promise = self.promised.get(&index);
        if matches!(promise, Some(None)) {
            return None;
        }
        let gateway = promise.and_then(|promise| promise.as_ref()?.gateway);
        self.usable(index, gateway, sharing)
    }

    /// The block with this number, whomever it is promised to; `None` when it holds nothing to
    /// give out. `gateway` is its own instead of the pool's.
    fn usable(&self, index: u128, gateway: Option<IpAddr>, sharing: Sharing) -> Option<NodeBlock> {
        let span = self.grid.span(index)?;
        let (network, range) = self.dealt_as(span)?;
        let gateway = gateway.or_else(|| self.gateway_of(span));
        let exclusions = AddressRange::coalesce(
            self.excluded_of_pool(range).chain(self.excluded_of_node(span, range)),
        );
        let static_range = match (sharing, self.subnet) {
            (Sharing::Alone, Some(subnet)) => AddressRange::hosts_of(subnet),
            _ => range,
        };
        is_left(range, gateway, &exclusions).then(|| NodeBlock {
            version: VERSION,
            pool: self.geometry.pool.clone(),
            index,
            range,
            network,
            gateway,
            default_gateway: self.default_gateway && gateway.is_some(),
            routes: if gateway.is_some() { self.routes.clone() } else { Vec::new() },
            exclusions,
            static_range,
            leaving: None,
            gateway_is_leased: false,
        })
    }

    /// The numbers of the blocks that are dealt to whoever comes: those that hold something to
    /// give out and are promised to nobody.
    ///
    /// Takes as many steps as the pool has exclusions and promises, not as it has blocks.
    pub fn open(&self) -> Numbers {
        if !self.ordinary_is_usable() {
            return Numbers::none();
        }
        let gateway = match self.gateway {
            Gateway::At(Some(gateway)) => Some(AddressRange::single(gateway)),
            Gateway::At(None) | Gateway::Index(_) => None,
        };
        let mut closed: Vec<(u128, u128)> =
            self.promised.keys().map(|index| (*index, *index)).collect();
        for special in self.exclusions.iter().copied().chain(gateway) {
            let Some((first, last)) = self.grid.touching(special) else { continue };
            // What lies wholly inside an exclusion needs no look.
            if last - first > 1 {
                closed.push((first + 1, last - 1));
            }
            let edges = [first, last].into_iter();
            let unusable = edges.filter(|at| self.usable(*at, None, Sharing::Shared).is_none());
            closed.extend(unusable.map(|at| (at, at)));
        }
        Numbers::new(self.grid.last(), closed)
    }

    /// Whether a block that no exclusion of the pool and no gateway of the subnet touches holds
    /// something to give out: all such blocks are alike.
    fn ordinary_is_usable(&self) -> bool {
        let Some(span) = self.grid.span(0) else { return false };
        let Some((_, range)) = self.dealt_as(span) else { return false };
        let gateway = match self.gateway {
            Gateway::At(_) => None,
            Gateway::Index(_) => self.gateway_of(span),
        };
        let excluded = AddressRange::coalesce(self.excluded_of_node(span, range));
        is_left(range, gateway, &excluded)
    }

    /// The network and the addresses of the block at `span`.
    fn dealt_as(&self, span: AddressRange) -> Option<(IpNetwork, AddressRange)> {
        match self.subnet {
            Some(subnet) => Some((subnet, span)),
            None => {
                let network = IpNetwork::new(span.first(), self.grid.prefix()?).ok()?;
                Some((network, AddressRange::hosts_of(network)))
            }
        }
    }

    /// The block of one host among several with no arbiter between them: the prefix promised to
    /// it, else the block that it had before, else the first usable one of `host`,
    /// `host + hosts`, `host + 2 × hosts`, …
    pub fn for_host(&self, standalone: Standalone) -> Option<NodeBlock> {
        let sharing = Sharing::from(standalone);
        if let Some(index) = self.promised().or_else(|| self.adopted()) {
            return self.block(index, sharing);
        }
        let Standalone { host, hosts } = standalone;
        if host >= hosts {
            return None;
        }
        let index = self.open().first_of(u128::from(host), u128::from(hosts))?;
        self.block(index, sharing)
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

    fn gateway_of(&self, span: AddressRange) -> Option<IpAddr> {
        match self.gateway {
            Gateway::At(gateway) => gateway,
            Gateway::Index(steps) => {
                advance(span.first(), u128::from(steps)).filter(|address| span.contains(*address))
            }
        }
    }

    /// What the pool excludes of `range`.
    fn excluded_of_pool(&self, range: AddressRange) -> impl Iterator<Item = AddressRange> {
        let first = self.exclusions.partition_point(|exclusion| exclusion.last() < range.first());
        let from = self.exclusions.get(first..).unwrap_or_default().iter();
        from.take_while(move |exclusion| exclusion.first() <= range.last())
            .filter_map(move |exclusion| exclusion.intersection(range))
    }

    /// What every node excludes of its block, of the one at `span` that deals `range`.
    fn excluded_of_node(
        &self,
        span: AddressRange,
        range: AddressRange,
    ) -> impl Iterator<Item = AddressRange> {
        self.per_node_exclusions.iter().filter_map(move |(first, last)| {
            let first = advance(span.first(), *first)?;
            let last = advance(span.first(), *last).unwrap_or(span.last());
            AddressRange::new(first, last)?.intersection(range)
        })
    }
}

/// The union of `ranges`, as few as they can be: they are gone through for every block that is
/// looked at.
fn indexes(ranges: &[IndexRange]) -> Vec<(u128, u128)> {
    union(ranges.iter().map(|range| (range.first.into(), range.last.into())))
}

/// Whether `gateway` and `exclusions`, which are disjoint and inside it, leave an address of
/// `range`.
fn is_left(range: AddressRange, gateway: Option<IpAddr>, exclusions: &[AddressRange]) -> bool {
    let gateway = gateway.is_some_and(|gateway| {
        range.contains(gateway) && !exclusions.iter().any(|excluded| excluded.contains(gateway))
    });
    // Every count is one less than it seems: all of IPv6 has 2^128 addresses.
    let excluded = exclusions.iter().map(|excluded| excluded.len_minus_one());
    let mut taken: Option<u128> = None;
    for more in excluded.chain(gateway.then_some(0)) {
        taken = Some(taken.map_or(more, |sum| sum.saturating_add(more).saturating_add(1)));
    }
    taken.is_none_or(|taken| taken < range.len_minus_one())
}

#[cfg(test)]
mod tests;
