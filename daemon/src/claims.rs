//! Which addresses this node may give out: one block of each pool that selects it.
//!
//! ```text
//! pools of a snapshot --> settle --> Claims (directory | API server) --> blocks on disk --> plugins
//!                           |
//!                           +--> Standing of each pool: held, not for this node, refused
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use conf::block::{NodeBlock, PoolKind, PoolRef};
use conf::pool::{CidrPool, IpPool, NodeSelector};

use crate::settings::Node;
use crate::source::Objects;

pub mod directory;

pub use directory::{ClaimError, Directory};

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

    /// Whether it deals to `node`.
    pub fn is_for(&self, node: &Node) -> bool {
        let selector: Option<&NodeSelector> = match self {
            Self::Ip(pool) => pool.node_selector.as_ref(),
            Self::Cidr(pool) => pool.node_selector.as_ref(),
        };
        selector.is_none_or(|selector| selector.matches(node.name.as_str(), &node.labels))
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

    /// Gives up the block of a pool that is gone or does not select this node any more, unless
    /// its addresses are in use.
    fn release(&self, pool: &PoolRef) -> Result<Release, ClaimError>;

    /// The pools of which this node has a block.
    fn held(&self) -> Result<Vec<PoolRef>, ClaimError>;
}

/// What became of a claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Claim {
    /// The block is this node's.
    Held(NodeBlock),
    /// The block stays as it is, though the pool was edited.
    Kept {
        /// The block.
        block: NodeBlock,
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

/// What became of a release.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Release {
    /// The block is nobody's now.
    Released,
    /// It stays until its leases are given back.
    InUse {
        /// How many.
        leases: usize,
    },
}

/// How this node stands with one pool.
#[derive(Debug)]
pub enum Standing {
    /// What a claim came to.
    Claimed(Claim),
    /// The pool does not select this node, and it has no block of it.
    NotForThisNode,
    /// The pool is gone or does not select this node any more, but its block is in use.
    Leaving {
        /// How many leases there are.
        leases: usize,
    },
    /// Something went wrong.
    Failed(ClaimError),
}

/// Claims this node's block of every pool in `objects`, and releases all others.
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
        match claims.release(&pool) {
            Ok(Release::Released) => {}
            Ok(Release::InUse { leases }) => {
                standings.insert(pool, Standing::Leaving { leases });
            }
            Err(error) => {
                standings.insert(pool, Standing::Failed(error));
            }
        }
    }
    Ok(standings)
}

/// Pools that are there, but break rules: their blocks stay.
fn invalid_pools(objects: &Objects) -> BTreeSet<PoolRef> {
    objects.problems.iter().filter_map(|problem| problem.object()?.to_pool()).collect()
}

impl Standing {
    /// One word for conditions.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Claimed(Claim::Held(_)) => "BlockHeld",
            Self::Claimed(Claim::Kept { .. }) => "RenumberingRefused",
            Self::Claimed(Claim::NoBlock { .. }) => "NoFreeBlock",
            Self::NotForThisNode => "NotSelected",
            Self::Leaving { .. } => "InUse",
            Self::Failed(error) => error.reason(),
        }
    }

    /// Whether this node's part is as the pool wants it.
    pub fn is_settled(&self) -> bool {
        matches!(self, Self::Claimed(Claim::Held(_)) | Self::NotForThisNode)
    }
}

impl fmt::Display for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Claimed(Claim::Held(block)) => write!(f, "this node gives out {}", block.range),
            Self::Claimed(Claim::Kept { block, why }) => {
                write!(
                    f,
                    "the edit would renumber, so this node still gives out {}: {why}",
                    block.range
                )
            }
            Self::Claimed(Claim::NoBlock { why }) => f.write_str(why),
            Self::NotForThisNode => f.write_str("its nodeSelector does not select this node"),
            Self::Leaving { leases } => write!(
                f,
                "the pool is gone or does not select this node any more; its block stays until \
                 {} given back",
                Leases(*leases)
            ),
            Self::Failed(error) => write!(f, "{}", crate::chain::Chain(error)),
        }
    }
}

impl fmt::Display for Renumbering {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InUse { leases } => write!(
                f,
                "{} outside the new block; delete those containers first",
                Leases(*leases)
            ),
            Self::Shared => f.write_str(
                "other hosts share the pool; remove it on all of them, then add it in its new shape",
            ),
        }
    }
}

/// `1 lease is`, `7 leases are`.
struct Leases(usize);

impl fmt::Display for Leases {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.0, if self.0 == 1 { "lease is" } else { "leases are" })
    }
}

#[cfg(test)]
mod tests;
