//! This node's blocks of pools to measure with, and leases in them.

use std::net::Ipv4Addr;
use std::time::Duration;

use anyhow::{Context, Result};
use conf::block::NodeBlock;
use ipam::allocate::{Identity, Wish, allocate};
use ipam::{AttachmentKey, BootTime, Root, Store, blocks};
use serde_json::json;

/// Gives this node the block of all addresses of the IPPool `name`, whose subnet is 10.0.0.0/LENGTH.
pub(super) fn ipv4(name: &str, length: u8) -> Result<NodeBlock> {
    let size = 1u32 << (32 - u32::from(length));
    let address = |index: u32| Ipv4Addr::from_bits(Ipv4Addr::new(10, 0, 0, 0).to_bits() + index);
    give(
        name,
        &format!("10.0.0.0/{length}"),
        &address(1).to_string(),
        &address(size - 2).to_string(),
    )
}

/// The same for fd00::/64.
pub(super) fn ipv6(name: &str) -> Result<NodeBlock> {
    give(name, "fd00::/64", "fd00::1", "fd00::ffff:ffff:ffff:ffff")
}

fn give(name: &str, network: &str, first: &str, last: &str) -> Result<NodeBlock> {
    let range = json!({"first": first, "last": last});
    let block = json!({
        "version": conf::block::VERSION, "pool": format!("ippool/{name}"), "index": 0, "range": range,
        "network": network, "gateway": first, "default_gateway": false, "routes": [], "exclusions": [],
        "static_range": range,
    });
    let block: NodeBlock = serde_json::from_value(block).context("make a block")?;
    blocks::save(&Root::system(), &block).context("write a block")?;
    Ok(block)
}

/// Leases `count` addresses of the block, to as many containers.
pub(super) fn lease(block: &NodeBlock, count: usize) -> Result<()> {
    let now = BootTime::now().context("read the clock")?;
    store()?.write(|txn| {
        for number in 0..count {
            allocate(
                txn,
                block,
                Wish::Any,
                &identity(owner(block, number)?)?,
                now,
                Duration::ZERO,
            )?;
        }
        anyhow::Ok(())
    })
}

/// Gives back what the containers of these numbers hold of the block, long ago.
pub(super) fn give_back(block: &NodeBlock, numbers: &[usize]) -> Result<()> {
    store()?.write(|txn| {
        for number in numbers {
            txn.release(&owner(block, *number)?, BootTime::from_start(Duration::ZERO))?;
        }
        anyhow::Ok(())
    })
}

/// How many addresses of all pools are leased.
pub(super) fn leased() -> Result<usize> {
    let leases = store()?.read(|txn| txn.leases());
    Ok(leases.context("read the leases")?.len())
}

fn identity(key: AttachmentKey) -> Result<Identity> {
    let network = "bench".parse().context("a network's name")?;
    Ok(Identity { network, key, pod: None, netns: None, netns_cookie: None })
}

fn owner(block: &NodeBlock, number: usize) -> Result<AttachmentKey> {
    let container = format!("{}-{number}", block.pool.name).parse().context("a container's id")?;
    let ifname = "net1".parse().context("an interface's name")?;
    Ok(AttachmentKey { container, ifname })
}

fn store() -> Result<Store> {
    Store::open(&Root::system()).context("open the store")
}
