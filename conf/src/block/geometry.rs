//! What a pool's block numbers mean.

use std::fmt;
use std::net::IpAddr;
use std::num::NonZeroU32;

use serde::{Deserialize, Serialize};

use super::{PoolKind, PoolRef};
use crate::AddressRange;
use crate::pool::{CidrPool, IpPool};

/// What must stay while nodes hold blocks of a pool: where block 0 begins, and how large blocks
/// are. While that is so a number means the same addresses on every node, and whoever has the
/// number has the addresses.
///
/// The pool's far end is not part of it: a subnet that grows from /24 to /23 moves no block.
///
/// In JSON `{"pool": "ippool/blue", "first": "192.168.0.1", "perNodeBlockSize": 4}`, or with
/// `perNodeNetworkPrefix`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PoolGeometry {
    /// Whose blocks.
    pub pool: PoolRef,
    /// The first address of block 0.
    pub first: IpAddr,
    /// How large a block is.
    #[serde(flatten)]
    pub size: BlockSize,
}

/// How large a block is, in the words of the pool's spec.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum BlockSize {
    /// So many addresses.
    PerNodeBlockSize(NonZeroU32),
    /// A prefix of this length.
    PerNodeNetworkPrefix(u8),
}

impl PoolGeometry {
    /// That of an IPPool.
    pub fn of_ip_pool(pool: &IpPool) -> Self {
        Self {
            pool: PoolRef { kind: PoolKind::IpPool, name: pool.name.clone() },
            first: AddressRange::hosts_of(pool.subnet).first(),
            size: BlockSize::PerNodeBlockSize(pool.per_node_block_size),
        }
    }

    /// That of a CIDRPool.
    pub fn of_cidr_pool(pool: &CidrPool) -> Self {
        Self {
            pool: PoolRef { kind: PoolKind::CidrPool, name: pool.name.clone() },
            first: pool.cidr.network(),
            size: BlockSize::PerNodeNetworkPrefix(pool.per_node_prefix),
        }
    }
}

impl fmt::Display for PoolGeometry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.size {
            BlockSize::PerNodeBlockSize(size) => {
                write!(f, "blocks of {size} addresses from {}", self.first)
            }
            BlockSize::PerNodeNetworkPrefix(length) => {
                write!(f, "prefixes of length {length} from {}", self.first)
            }
        }
    }
}
