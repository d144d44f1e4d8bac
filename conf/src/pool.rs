//! Address pools (`nv-ipam.nvidia.com/v1alpha1`): IPPool and CIDRPool, and their rules.
//!
//! An IPPool deals ranges of one subnet to nodes, which all are neighbours on one link. A CIDRPool
//! deals whole prefixes; each node is a subnet of its own.

use std::net::IpAddr;
use std::num::NonZeroU32;

use ipnetwork::IpNetwork;
use serde::{Deserialize, Serialize};

use crate::{AddressRange, PoolName};

mod allocation;
pub(crate) mod cidr_pool;
pub(crate) mod ip_pool;
mod rules;
pub mod selector;
pub(crate) mod spec;

pub use allocation::Allocation;
pub use selector::NodeSelector;

/// Addresses of every node's block by number, both ends included.
///
/// What 0 is depends on the kind: an IPPool's blocks start at their first address, a CIDRPool's
/// prefixes at the network address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct IndexRange {
    /// The first.
    pub first: u32,
    /// The last, not below `first`.
    pub last: u32,
}

/// An IPPool that keeps every rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IpPool {
    /// Its name.
    pub name: PoolName,
    /// The subnet that all nodes share, by its network address.
    pub subnet: IpNetwork,
    /// How many addresses a node gets; no more than the subnet has.
    pub per_node_block_size: NonZeroU32,
    /// The gateway, inside `subnet`.
    pub gateway: Option<IpAddr>,
    /// What no node gives out, inside `subnet`; may overlap.
    pub exclusions: Vec<AddressRange>,
    /// What no node gives out of its block; may overlap. 0 is the block's first address.
    pub per_node_exclusions: Vec<IndexRange>,
    /// For which nodes; `None` for all.
    pub node_selector: Option<NodeSelector>,
    /// Whether results carry a default route by `gateway`, which then is there.
    pub default_gateway: bool,
    /// Routes by `gateway`, which then is there, by their network addresses.
    pub routes: Vec<IpNetwork>,
    /// What was dealt to nodes already: whole blocks, no two alike.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allocations: Vec<Allocation>,
}

/// A prefix that is given to a node by name, or to nobody.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StaticAllocation {
    /// The node; `None` keeps the prefix from everybody.
    pub node: Option<String>,
    /// The gateway of this prefix, instead of the one by index.
    pub gateway: Option<IpAddr>,
    /// The prefix.
    pub prefix: IpNetwork,
}

/// A CIDRPool that keeps every rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CidrPool {
    /// Its name.
    pub name: PoolName,
    /// What is dealt, by its network address.
    pub cidr: IpNetwork,
    /// The length of a node's prefix: not shorter than `cidr`'s.
    pub per_node_prefix: u8,
    /// Which address of each prefix is the gateway, counted from the network address; `None` for
    /// no gateway.
    pub gateway_index: Option<u32>,
    /// What no node gives out, inside `cidr`; may overlap.
    pub exclusions: Vec<AddressRange>,
    /// What no node gives out of its prefix; may overlap. 0 is the prefix's network address.
    pub per_node_exclusions: Vec<IndexRange>,
    /// Prefixes that are given by name.
    pub static_allocations: Vec<StaticAllocation>,
    /// For which nodes; `None` for all.
    pub node_selector: Option<NodeSelector>,
    /// Whether results carry a default route by the gateway.
    pub default_gateway: bool,
    /// Routes by the gateway, by their network addresses.
    pub routes: Vec<IpNetwork>,
    /// What was dealt to nodes already: whole prefixes, no two alike.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allocations: Vec<Allocation>,
}

#[cfg(test)]
mod tests;
