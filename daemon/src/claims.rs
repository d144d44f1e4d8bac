//! Which addresses this node may give out: one block of each pool that selects it.
//!
//! ```text
//! pools of a snapshot --> settle --> Claims (directory | API server) --> blocks on disk --> plugins
//!                           |
//!                           +--> Standing of each pool: held, not for this node, refused
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use conf::block::{NodeBlock, PoolKind, PoolRef};
use conf::pool::{CidrPool, IpPool, NodeSelector};
use ipam::Lease;
use ipnetwork::IpNetwork;

use crate::settings::Node;
use crate::source::Objects;

pub mod directory;
mod error;
mod overlap;
mod standing;

pub use directory::Directory;
pub use error::ClaimError;
pub use overlap::{Overlap, overlaps};
pub use standing::Standing;

/// A pool of either kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pool {
    /// Nodes get ranges of one subnet.
    Ip(IpPool),
    /// Each node gets a subnet of its own.
    Cidr(CidrPool),
}

impl Pool {
    /// Which one.
    pub fn at(&self) -> PoolRef {
        match self {
            Self::Ip(pool) => PoolRef { kind: PoolKind::IpPool, name: pool.name.clone() },
            Self::Cidr(pool) => PoolRef { kind: PoolKind::CidrPool, name: pool.name.clone() },
        }
    }

    /// What it deals out of.
    pub fn network(&self) -> IpNetwork {
        match self {
            Self::Ip(pool) => pool.subnet,
            Self::Cidr(pool) => pool.cidr,
        }
    }

    /// Which nodes it deals to; `None` for all.
    pub fn selector(&self) -> Option<&NodeSelector> {
        match self {
            Self::Ip(pool) => pool.node_selector.as_ref(),
            Self::Cidr(pool) => pool.node_selector.as_ref(),
        }
    }

    /// Whether it deals to `node`.
    pub fn is_for(&self, node: &Node) -> bool {
        self.selector().is_none_or(|selector| selector.matches(node.name.as_str(), &node.labels))
    }
}

/// Claims and releases one node's blocks: by files and the host's number (a directory), or by
/// creating objects that an API server arbitrates.
///
/// What is claimed outlives the claimer; the plugins read it from disk.
pub trait Claims {
    /// Passes on what the plugins need besides blocks: how long a freed address rests.
    fn prepare(&self) -> Result<(), ClaimError>;

    /// Sees to it that this node has its block of `pool`, in the pool's present shape.
    fn claim(&self, pool: &Pool) -> Result<Claim, ClaimError>;

    /// Gives up the block of a pool that does not ask for it any more, once its grace is over and
    /// its addresses are given back.
    fn release(&self, pool: &PoolRef, why: Unasked) -> Result<Release, ClaimError>;

    /// The pools of which this node has a block.
    fn held(&self) -> Result<Vec<PoolRef>, ClaimError>;
}

/// What became of a claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Claim {
    /// The block is this node's.
    Held(Box<NodeBlock>),
    /// The block is this node's, but somebody holds the address that the pool has made its
    /// gateway.
    GatewayLeased {
        /// The block.
        block: Box<NodeBlock>,
        /// Who holds it.
        by: Box<Lease>,
    },
    /// The block stays as it is, though the pool was edited.
    Kept {
        /// The block.
        block: Box<NodeBlock>,
        /// Why.
        why: Renumbering,
    },
    /// There is no block for this node.
    NoBlock {
        /// Why not.
        why: String,
    },
}

/// Why an edit of a pool is not followed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Renumbering {
    /// Leases lie outside the block that the pool would mean now.
    InUse {
        /// How many.
        leases: usize,
    },
    /// Other hosts share the pool, and may still give out what the block would become.
    Shared,
}

/// Why no pool asks for a block any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unasked {
    /// The pool is gone.
    Gone,
    /// The pool does not select this node.
    NotSelected,
}

/// What became of a release.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Release {
    /// The block is nobody's now.
    Released,
    /// It stays for its grace, should the pool come back.
    Retained {
        /// Whether it gives out nothing more, but may just have.
        retired: bool,
        /// How much longer that is so.
        left: Duration,
    },
    /// Its grace is over. It gives out nothing more, and stays until its leases are given back.
    InUse {
        /// How many.
        leases: usize,
    },
}

/// Claims this node's block of every pool in `objects`, and releases all others.
///
/// A block is not released the moment nobody asks for it: labels flap, nodes are set up anew, and
/// a pool that is deleted and made again means to go on. So a release takes a grace, in which
/// everything works as before; then no new address is given out, and the block goes with its last
/// lease.
///
/// While the snapshot is incomplete no block is released: its pool may well be there.
pub fn settle(
    claims: &dyn Claims,
    objects: &Objects,
    node: &Node,
) -> Result<BTreeMap<PoolRef, Standing>, ClaimError> {
    claims.prepare()?;
    let mut standings = BTreeMap::new();
    for pool in objects.pools() {
        if pool.is_for(node) {
            let standing = claims.claim(&pool).map_or_else(Standing::Failed, Standing::Claimed);
            standings.insert(pool.at(), standing);
        } else {
            standings.insert(pool.at(), Standing::NotForThisNode);
        }
    }
    let invalid = invalid_pools(objects);
    for pool in claims.held()? {
        let claimed = standings
            .get(&pool)
            .is_some_and(|standing| !matches!(standing, Standing::NotForThisNode));
        if claimed || invalid.contains(&pool) || !objects.is_complete() {
            continue;
        }
        let why = match standings.get(&pool) {
            Some(_) => Unasked::NotSelected,
            None => Unasked::Gone,
        };
        let standing = match claims.release(&pool, why) {
            Ok(Release::Released) => continue,
            Ok(Release::Retained { retired, left }) => Standing::Retained { why, retired, left },
            Ok(Release::InUse { leases }) => Standing::Leaving { why, leases },
            Err(error) => Standing::Failed(error),
        };
        standings.insert(pool, standing);
    }
    Ok(standings)
}

/// Pools that are there, but break rules: their blocks stay.
fn invalid_pools(objects: &Objects) -> BTreeSet<PoolRef> {
    objects.problems.iter().filter_map(|problem| problem.object()?.to_pool()).collect()
}

#[cfg(test)]
mod tests;
