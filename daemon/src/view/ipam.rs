//! Addresses: this node's blocks, and who holds what of them.

use std::net::IpAddr;
use std::time::Duration;

use conf::address::number;
use conf::block::{NodeBlock, PoolRef};
use conf::{AddressRange, ContainerId, IfName, NetworkName};
use ipam::lease::Cooling;
use ipam::store::Loss;
use ipam::{BootTime, Lease};
use ipnetwork::IpNetwork;
use serde::Serialize;

use super::{Cell, Table, Tone, View, age};
use crate::snapshot::short;

/// Blocks and leases, by pool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Addresses {
    /// This node's blocks.
    pub pools: Vec<Pool>,
    /// The addresses that are given out.
    pub leases: Vec<Held>,
    /// Blocks that cannot be read, and why.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub damaged: Vec<Damaged>,
    /// Leases that were lost, and what to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub loss: Option<String>,
}

/// One block and how full it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Pool {
    /// The pool, `ippool/NAME`.
    pub pool: PoolRef,
    /// Which block of it.
    pub block_index: u128,
    /// The block.
    pub range: AddressRange,
    /// The network whose mask the addresses get.
    pub network: IpNetwork,
    /// The gateway.
    pub gateway: Option<IpAddr>,
    /// Addresses that can be given out: those of the block less gateway and exclusions. As text,
    /// since an IPv6 block may hold more than a JSON number does.
    pub usable: String,
    /// How many are given out.
    pub used: usize,
    /// How many rest.
    pub cooling: usize,
    /// How many are free.
    pub free: String,
}

/// One address that is given out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Held {
    /// Its pool.
    pub pool: PoolRef,
    /// The address.
    pub address: IpAddr,
    /// The container.
    pub container: ContainerId,
    /// The interface's name in it.
    pub interface: IfName,
    /// `NAMESPACE/NAME` of the pod, where the runtime told.
    pub pod: Option<String>,
    /// The CNI network.
    pub network: NetworkName,
    /// For how long, in seconds.
    pub age_seconds: u64,
}

/// A block that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Damaged {
    /// Its pool.
    pub pool: PoolRef,
    /// Why not.
    pub why: String,
}

/// What the view is made of.
#[derive(Debug, Default)]
pub struct Facts {
    /// This node's blocks.
    pub blocks: Vec<NodeBlock>,
    /// Blocks that cannot be read.
    pub damaged: Vec<Damaged>,
    /// All leases.
    pub leases: Vec<Lease>,
    /// All addresses at rest, those too that have rested long enough.
    pub cooling: Vec<Cooling>,
    /// Leases that were lost.
    pub loss: Option<Loss>,
    /// How long an address rests.
    pub cooldown: Duration,
}

impl Addresses {
    /// The state `now`.
    pub fn of(facts: Facts, now: BootTime) -> Self {
        let resting = |cooling: &&Cooling| now.since(cooling.released_at) < facts.cooldown;
        let pool = |block: &NodeBlock| {
            let inside = |address: IpAddr| block.range.contains(address);
            let used = facts
                .leases
                .iter()
                .filter(|lease| lease.pool == block.pool && inside(lease.address))
                .count();
            let cooling = facts
                .cooling
                .iter()
                .filter(resting)
                .filter(|cooling| cooling.pool == block.pool && inside(cooling.address))
                .count();
            Pool::of(block, used, cooling)
        };
        Self {
            pools: facts.blocks.iter().map(pool).collect(),
            leases: facts.leases.iter().map(|lease| Held::of(lease, now)).collect(),
            damaged: facts.damaged,
            loss: facts.loss.as_ref().map(ToString::to_string),
        }
    }
}

impl Pool {
    fn of(block: &NodeBlock, used: usize, cooling: usize) -> Self {
        let usable = usable(block);
        let taken = u128::try_from(used.saturating_add(cooling)).unwrap_or(u128::MAX);
        Self {
            pool: block.pool.clone(),
            block_index: block.index,
            range: block.range,
            network: block.network,
            gateway: block.gateway,
            usable: usable.to_string(),
            used,
            cooling,
            free: usable.saturating_sub(taken).to_string(),
        }
    }
}

impl Held {
    fn of(lease: &Lease, now: BootTime) -> Self {
        Self {
            pool: lease.pool.clone(),
            address: lease.address,
            container: lease.owner.container.clone(),
            interface: lease.owner.ifname.clone(),
            pod: lease.pod.as_ref().map(ToString::to_string),
            network: lease.network.clone(),
            age_seconds: now.since(lease.granted_at).as_secs(),
        }
    }
}

impl View for Addresses {
    fn tables(&self) -> Vec<Table> {
        let mut pools = Table::new([
            "POOL", "BLOCK", "NETWORK", "GATEWAY", "USABLE", "USED", "COOLING", "FREE",
        ]);
        for pool in &self.pools {
            let full = if pool.free == "0" { Tone::Bad } else { Tone::Plain };
            pools.row([
                Cell::new(&pool.pool),
                Cell::new(pool.range),
                Cell::new(pool.network),
                Cell::maybe(pool.gateway),
                Cell::number(&pool.usable),
                Cell::number(pool.used),
                Cell::number(pool.cooling),
                Cell::number(&pool.free).tone(full),
            ]);
        }
        let mut leases =
            Table::new(["POOL", "ADDRESS", "CONTAINER", "INTERFACE", "POD", "NETWORK", "AGE"]);
        for held in &self.leases {
            leases.row([
                Cell::new(&held.pool),
                Cell::new(held.address),
                Cell::new(short(held.container.as_str())),
                Cell::new(&held.interface),
                Cell::maybe(held.pod.as_ref()),
                Cell::new(&held.network),
                Cell::new(age(Duration::from_secs(held.age_seconds))),
            ]);
        }
        let mut damaged = Table::new(["POOL", "CANNOT BE READ"]);
        for one in &self.damaged {
            damaged.row([Cell::new(&one.pool), Cell::new(&one.why).tone(Tone::Bad)]);
        }
        vec![pools, leases, damaged]
    }

    fn nothing(&self) -> &'static str {
        "no blocks: no IPPool or CIDRPool selects this node, or `railhead apply` has not run yet"
    }
}

/// How many addresses a block can give out.
fn usable(block: &NodeBlock) -> u128 {
    let len = |range: AddressRange| {
        number(range.last()).saturating_sub(number(range.first())).saturating_add(1)
    };
    let excluded: u128 =
        block.exclusions.iter().map(|range| len(*range)).fold(0, u128::saturating_add);
    let gateway = block.gateway.is_some_and(|gateway| {
        block.range.contains(gateway)
            && !block.exclusions.iter().any(|exclusion| exclusion.contains(gateway))
    });
    len(block.range).saturating_sub(excluded).saturating_sub(u128::from(gateway))
}

#[cfg(test)]
mod tests;
