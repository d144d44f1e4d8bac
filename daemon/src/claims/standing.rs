//! How this node stands with a pool, in words.

use std::fmt;
use std::time::Duration;

use super::{Claim, ClaimError, Renumbering, Unasked};

/// How often to look whether leases were given back. Nobody waits for the block's going.
const LEASES: Duration = Duration::from_secs(60);

/// How this node stands with one pool.
#[derive(Debug)]
pub enum Standing {
    /// What a claim came to.
    Claimed(Claim),
    /// The pool does not select this node, and it has no block of it.
    NotForThisNode,
    /// No pool asks for the block; it stays for its grace.
    Retained {
        /// Why nobody asks.
        why: Unasked,
        /// Whether it gives out nothing more, but may just have.
        retired: bool,
        /// How much longer that is so.
        left: Duration,
    },
    /// No pool asks for the block, and its grace is over, but it is in use.
    Leaving {
        /// Why nobody asks.
        why: Unasked,
        /// How many leases there are.
        leases: usize,
    },
    /// Something went wrong.
    Failed(ClaimError),
}

impl Standing {
    /// One word for conditions.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Claimed(Claim::Held(_)) => "BlockHeld",
            Self::Claimed(Claim::GatewayLeased { .. }) => "GatewayInUse",
            Self::Claimed(Claim::Kept { .. }) => "RenumberingRefused",
            Self::Claimed(Claim::NoBlock { .. }) => "NoFreeBlock",
            Self::NotForThisNode => "NotSelected",
            Self::Retained { .. } => "Retained",
            Self::Leaving { .. } => "InUse",
            Self::Failed(error) => error.reason(),
        }
    }

    /// Whether this node's part is as the pool wants it.
    pub fn is_settled(&self) -> bool {
        matches!(self, Self::Claimed(Claim::Held(_)) | Self::NotForThisNode | Self::Retained { .. })
    }

    /// When to look again at what changes without an event: a grace that ends, a lease that is
    /// given back by a plugin, which tells nobody.
    pub fn look_again_in(&self) -> Option<Duration> {
        match self {
            Self::Retained { left, .. } => Some(*left),
            Self::Leaving { .. }
            | Self::Claimed(
                Claim::GatewayLeased { .. } | Claim::Kept { why: Renumbering::InUse { .. }, .. },
            ) => Some(LEASES),
            Self::Claimed(_) | Self::NotForThisNode | Self::Failed(_) => None,
        }
    }
}

impl fmt::Display for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Claimed(Claim::Held(block)) => write!(f, "this node gives out {}", block.range),
            Self::Claimed(Claim::GatewayLeased { block, by }) => write!(
                f,
                "this node gives out {}, but {} holds the gateway {}; delete that container",
                block.range, by.owner, by.address
            ),
            Self::Claimed(Claim::Kept { block, why }) => {
                write!(
                    f,
                    "the edit would renumber, so this node still gives out {}: {why}",
                    block.range
                )
            }
            Self::Claimed(Claim::NoBlock { why }) => f.write_str(why),
            Self::NotForThisNode => f.write_str("its nodeSelector does not select this node"),
            Self::Retained { why, retired: false, .. } => {
                write!(f, "{why}; its block stays for blockGraceSeconds, should that change")
            }
            Self::Retained { why, retired: true, .. } => {
                write!(f, "{why}; its block gives out nothing more, and goes within minutes")
            }
            Self::Leaving { why, leases } => write!(
                f,
                "{why}; its block gives out nothing more and stays until {} given back",
                Leases(*leases)
            ),
            Self::Failed(error) => write!(f, "{}", crate::chain::Chain(error)),
        }
    }
}

impl fmt::Display for Unasked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Gone => "the pool is gone",
            Self::NotSelected => "the pool does not select this node any more",
        })
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
