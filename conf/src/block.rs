//! One node's block of one pool: all that a plugin needs to give out addresses, complete in
//! itself, so that no other object has to be read (or be reachable) for it.
//!
//! Blocks are files on the node. [`NodeBlock`] is the format; it carries a version, and reading
//! one checks it, so that a damaged file is an error and not a wrong address.

mod geometry;

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use ipnetwork::IpNetwork;
use serde::{Deserialize, Serialize};

use crate::{AddressRange, BootId, ParseError, PoolName, serde_by_text};

pub use geometry::{BlockSize, PoolGeometry};

/// Which kind of pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PoolKind {
    /// `IPPool`: nodes get ranges of one subnet.
    IpPool,
    /// `CIDRPool`: each node gets a subnet of its own.
    CidrPool,
}

impl fmt::Display for PoolKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::IpPool => "ippool",
            Self::CidrPool => "cidrpool",
        })
    }
}

impl FromStr for PoolKind {
    type Err = ParseError;

    /// In any case, as `poolType` of the plugin's config allows.
    fn from_str(text: &str) -> Result<Self, ParseError> {
        match text.to_ascii_lowercase().as_str() {
            "ippool" => Ok(Self::IpPool),
            "cidrpool" => Ok(Self::CidrPool),
            _ => Err(ParseError::new("must be ippool or cidrpool")),
        }
    }
}

/// A pool: its kind and name, `ippool/blue`. The two kinds have name spaces of their own.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PoolRef {
    /// Its kind.
    pub kind: PoolKind,
    /// Its name.
    pub name: PoolName,
}

impl fmt::Display for PoolRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.kind, self.name)
    }
}

impl FromStr for PoolRef {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let (kind, name) =
            text.split_once('/').ok_or_else(|| ParseError::new("must be a pool, KIND/NAME"))?;
        Ok(Self { kind: kind.parse()?, name: name.parse()? })
    }
}

serde_by_text!(PoolRef);

/// The version of [`NodeBlock`]'s format that this build writes and reads.
pub const VERSION: u32 = 1;

/// One node's block of one pool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Unchecked")]
pub struct NodeBlock {
    /// [`VERSION`].
    pub version: u32,
    /// Whose block it is.
    pub pool: PoolRef,
    /// Which block of the pool, from 0.
    pub index: u128,
    /// The addresses that may be given out, less `gateway` and `exclusions`.
    pub range: AddressRange,
    /// The network whose prefix length goes into results: an IPPool's subnet, or the node's own
    /// prefix of a CIDRPool.
    pub network: IpNetwork,
    /// The gateway; never given out.
    pub gateway: Option<IpAddr>,
    /// Whether results carry a default route by `gateway`.
    pub default_gateway: bool,
    /// Further routes by `gateway`.
    pub routes: Vec<IpNetwork>,
    /// What must not be given out: the union of the pool's and the node's exclusions, sorted,
    /// disjoint, and inside `range`.
    pub exclusions: Vec<AddressRange>,
    /// Where an address that is asked for by name may lie; exclusions do not bind it.
    pub static_range: AddressRange,
    /// Since when no pool asks for it any more; absent while one does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub leaving: Option<Leaving>,
    /// Whether somebody held `gateway` when an edit of the pool made it the gateway.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub gateway_is_leased: bool,
}

/// A block that outlives what asked for it: the pool is gone, or does not select the node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Leaving {
    /// In which run of the machine that was seen first.
    pub boot: BootId,
    /// When, in nanoseconds of that run's `CLOCK_BOOTTIME`, which nobody can set.
    pub since: u64,
    /// Whether the pool was gone altogether.
    pub gone: bool,
    /// Whether its time is up: who holds an address keeps it, and nobody gets another.
    pub retired: bool,
}

impl NodeBlock {
    /// Whether nobody gets an address of it any more.
    pub fn is_retired(&self) -> bool {
        self.leaving.as_ref().is_some_and(|leaving| leaving.retired)
    }
}

/// A block as it is written, before its rules are checked.
#[derive(Deserialize)]
struct Unchecked {
    version: u32,
    pool: PoolRef,
    index: u128,
    range: AddressRange,
    network: IpNetwork,
    gateway: Option<IpAddr>,
    default_gateway: bool,
    routes: Vec<IpNetwork>,
    exclusions: Vec<AddressRange>,
    static_range: AddressRange,
    #[serde(default)]
    leaving: Option<Leaving>,
    #[serde(default)]
    gateway_is_leased: bool,
}

impl TryFrom<Unchecked> for NodeBlock {
    type Error = ParseError;

    fn try_from(raw: Unchecked) -> Result<Self, ParseError> {
        let rule = |held: bool, rule: &str| if held { Ok(()) } else { Err(ParseError::new(rule)) };
        rule(
            raw.version == VERSION,
            "version must be 1; this block was written by a newer railhead",
        )?;
        let inside = |range: AddressRange| {
            raw.network.contains(range.first()) && raw.network.contains(range.last())
        };
        rule(inside(raw.range), "range must lie in network")?;
        rule(inside(raw.static_range), "static_range must lie in network")?;
        rule(
            raw.gateway.is_none_or(|gateway| raw.network.contains(gateway)),
            "gateway must lie in network",
        )?;
        let reachable = raw.gateway.is_some() || (!raw.default_gateway && raw.routes.is_empty());
        rule(reachable, "default_gateway and routes need a gateway")?;
        let family = raw.network.is_ipv4();
        rule(
            raw.routes.iter().all(|route| route.is_ipv4() == family),
            "routes must be of network's family",
        )?;
        let exclusions = AddressRange::coalesce(
            raw.exclusions.iter().filter_map(|exclusion| exclusion.intersection(raw.range)),
        );
        Ok(Self {
            version: raw.version,
            pool: raw.pool,
            index: raw.index,
            range: raw.range,
            network: raw.network,
            gateway: raw.gateway,
            default_gateway: raw.default_gateway,
            routes: raw.routes,
            exclusions,
            static_range: raw.static_range,
            leaving: raw.leaving,
            gateway_is_leased: raw.gateway_is_leased,
        })
    }
}

#[cfg(test)]
mod tests;
