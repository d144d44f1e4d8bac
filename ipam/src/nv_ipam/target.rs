//! Which address of which block: what was asked for, held against this node's blocks.

use std::net::IpAddr;

use conf::address::advance;
use conf::block::{NodeBlock, PoolRef};
use conf::cni::Error;
use conf::plugin::nv_ipam::Requested;

use super::error::{block_error, no_block, unfit};
use crate::allocate::Wish;
use crate::blocks;
use crate::paths::Root;

/// One address to be leased.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) block: NodeBlock,
    pub(super) wish: Wish,
    /// The address is to be the gateway itself, which has no gateway.
    pub(super) is_gateway: bool,
}

/// This node's block of `pool`.
pub(super) fn load(root: &Root, pool: &PoolRef) -> Result<NodeBlock, Error> {
    blocks::load(root, pool).map_err(|error| block_error(&error))?.ok_or_else(|| no_block(pool))
}

/// One target for each block, in their order.
pub(super) fn choose(blocks: Vec<NodeBlock>, request: &Requested) -> Result<Vec<Target>, Error> {
    let mut wished = match request {
        Requested::Addresses(addresses) => addresses.clone(),
        Requested::Any | Requested::Index(_) | Requested::Gateway => Vec::new(),
    };
    let mut targets = Vec::with_capacity(blocks.len());
    for block in blocks {
        let wish = match request {
            Requested::Any => Wish::Any,
            Requested::Index(index) => Wish::Exactly(by_index(&block, *index)?),
            Requested::Gateway => Wish::Exactly(gateway(&block)?),
            Requested::Addresses(_) => {
                match wished.iter().position(|address| block.network.contains(*address)) {
                    Some(at) => Wish::Exactly(by_name(&block, wished.remove(at))?),
                    None => Wish::Any,
                }
            }
        };
        targets.push(Target { block, wish, is_gateway: *request == Requested::Gateway });
    }
    match wished.first() {
        None => Ok(targets),
        Some(address) => {
            let networks: Vec<String> =
                targets.iter().map(|target| describe(&target.block)).collect();
            Err(unfit(format_args!(
                "ips: {address}: must be one address of each pool at most: {}",
                networks.join(", ")
            )))
        }
    }
}

/// An address that was asked for by name. Exclusions do not bind it: they keep addresses for
/// exactly such uses.
fn by_name(block: &NodeBlock, address: IpAddr) -> Result<IpAddr, Error> {
    if block.gateway == Some(address) {
        return Err(unfit(format_args!(
            "ips: {address}: must not be the gateway of {}; allocateDefaultGateway asks for that",
            block.pool
        )));
    }
    if !block.static_range.contains(address) {
        return Err(unfit(format_args!(
            "ips: {address}: must lie in {}, this node's part of {}",
            block.static_range, block.pool
        )));
    }
    Ok(address)
}

fn by_index(block: &NodeBlock, index: u32) -> Result<IpAddr, Error> {
    let address = advance(block.range.first(), u128::from(index));
    match address.filter(|address| block.range.contains(*address)) {
        None => Err(unfit(format_args!(
            "args.cni.allocateIPWithIndex: {index}: must be at most {}, since this node's block of \
             {} is {}",
            block.range.len_minus_one(),
            block.pool,
            block.range
        ))),
        Some(address) if block.gateway == Some(address) => Err(unfit(format_args!(
            "args.cni.allocateIPWithIndex: {index}: must not be the gateway {address} of {}; \
             allocateDefaultGateway asks for that",
            block.pool
        ))),
        Some(address) => Ok(address),
    }
}

fn gateway(block: &NodeBlock) -> Result<IpAddr, Error> {
    block.gateway.ok_or_else(|| {
        unfit(format_args!(
            "args.cni.allocateDefaultGateway: true: must be of a pool with a gateway, which {} has not",
            block.pool
        ))
    })
}

fn describe(block: &NodeBlock) -> String {
    format!("{} has {}", block.pool, block.network)
}
