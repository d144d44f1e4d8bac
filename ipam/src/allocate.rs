//! Giving out one address.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use conf::block::{NodeBlock, PoolRef};
use conf::{AddressRange, NetworkName};

use crate::clock::BootTime;
use crate::lease::pool::PoolRecord;
use crate::lease::search::withheld;
use crate::lease::{Lease, PodRef};
use crate::owner::AttachmentKey;
use crate::store::key::PoolId;
use crate::store::{Loss, StoreError, WriteTxn};

/// For whom an address is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The CNI network.
    pub network: NetworkName,
    /// The attachment.
    pub key: AttachmentKey,
    /// The pod, where the runtime told.
    pub pod: Option<PodRef>,
    /// `CNI_NETNS`.
    pub netns: Option<PathBuf>,
    /// The cookie of that namespace.
    pub netns_cookie: Option<u64>,
}

impl Identity {
    /// Its lease of `address`.
    pub(crate) fn lease(&self, pool: PoolRef, address: IpAddr, granted_at: BootTime) -> Lease {
        Lease {
            pool,
            address,
            owner: self.key.clone(),
            network: self.network.clone(),
            pod: self.pod.clone(),
            granted_at,
            netns_cookie: self.netns_cookie,
            netns: self.netns.clone(),
            recovered: false,
        }
    }
}

/// Which address is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wish {
    /// The next free one.
    Any,
    /// This one, exclusions notwithstanding.
    Exactly(IpAddr),
}

/// Where a granted address comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// It was free.
    Free,
    /// The attachment held it already.
    Held,
    /// It was still cooling, and nothing else was free, or it was asked for by name.
    Cooling,
}

/// An address that was given out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grant {
    /// The address.
    pub address: IpAddr,
    /// Where it comes from.
    pub source: Source,
}

/// Why no address was given out. Nothing is changed then, once the transaction is aborted.
#[derive(Debug, thiserror::Error)]
pub enum AllocateError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The store was damaged: live containers may hold any address.
    #[error("give out an address of {pool}: {loss}")]
    Lost {
        /// The pool.
        pool: PoolRef,
        /// What happened to the store.
        loss: Loss,
    },
    /// Nobody asks for the block any more, and its time is up.
    #[error(
        "give out an address of {pool}: the pool is gone or does not select this node any more, \
         and its block only stays for those who hold an address of it"
    )]
    Retired {
        /// The pool.
        pool: PoolRef,
    },
    /// Another attachment holds the address that was asked for.
    #[error("give out {} of {}: it is held by {}", lease.address, lease.pool, lease.owner)]
    Held {
        /// The other's lease.
        lease: Box<Lease>,
    },
    /// All addresses are leased, excluded or the gateway.
    #[error("give out an address of {pool}: all of this node's block {range} are in use")]
    Exhausted {
        /// The pool.
        pool: PoolRef,
        /// The node's block.
        range: AddressRange,
    },
}

/// Gives `identity` an address of `block`, or the one it holds of that pool already.
///
/// The second call for the same attachment gives what the first gave, so a caller may repeat an
/// ADD whose answer it did not get. A held address that does not fit the wish or the block any
/// more is given back first.
///
/// No address that this node has given out of one pool is given out of another: their networks
/// may overlap, and one may be the other by a second name.
///
/// # Errors
/// The transaction must then be aborted, which [`crate::Store::write`] does on `Err`.
pub fn allocate(
    txn: &mut WriteTxn<'_>,
    block: &NodeBlock,
    wish: Wish,
    identity: &Identity,
    now: BootTime,
    cooldown: Duration,
) -> Result<Grant, AllocateError> {
    if let Some(loss) = txn.loss()? {
        return Err(AllocateError::Lost { pool: block.pool.clone(), loss });
    }
    let known = txn.pool(&block.pool)?;
    let held = match &known {
        Some(record) => match txn.held_of(&identity.key, record.id)? {
            None => txn.adopt(record.id, &block.pool, identity)?,
            held => held,
        },
        None => None,
    };
    if let Some(address) = held.filter(|held| still_fits(*held, wish, block)) {
        return Ok(Grant { address, source: Source::Held });
    }
    if block.is_retired() {
        return Err(AllocateError::Retired { pool: block.pool.clone() });
    }
    txn.require_room()?;
    let record = match known {
        Some(record) => record,
        None => txn.new_pool(&block.pool)?,
    };
    let pool = record.id;
    if let Some(address) = held {
        txn.give_back(pool, address, &identity.key, now)?;
    }
    let others: Vec<PoolId> = txn.pool_ids()?.filter(|other| *other != pool).collect();
    let grant = match wish {
        Wish::Exactly(address) => exactly(txn, pool, &others, address)?,
        Wish::Any => any(txn, record, &others, block, now, cooldown)?,
    };
    txn.put_lease(pool, &identity.lease(block.pool.clone(), grant.address, now))?;
    Ok(grant)
}

fn still_fits(address: IpAddr, wish: Wish, block: &NodeBlock) -> bool {
    match wish {
        Wish::Any => block.range.contains(address) && block.gateway != Some(address),
        Wish::Exactly(wished) => address == wished,
    }
}

/// The address that was asked for by name. Someone who names an address wants it at once: it need
/// not have cooled. The cursor stays, or static addresses would make round robin jump.
fn exactly(
    txn: &mut WriteTxn<'_>,
    pool: PoolId,
    others: &[PoolId],
    address: IpAddr,
) -> Result<Grant, AllocateError> {
    for pool in std::iter::once(pool).chain(others.iter().copied()) {
        if let Some(lease) = txn.lease_at(pool, address)? {
            return Err(AllocateError::Held { lease: Box::new(lease) });
        }
    }
    let source = if txn.wake(pool, address)? { Source::Cooling } else { Source::Free };
    txn.take_address(pool, address)?;
    Ok(Grant { address, source })
}

/// The next address by round robin; when none is free, the one that has cooled longest.
fn any(
    txn: &mut WriteTxn<'_>,
    mut record: PoolRecord,
    others: &[PoolId],
    block: &NodeBlock,
    now: BootTime,
    cooldown: Duration,
) -> Result<Grant, AllocateError> {
    txn.free_rested(record.id, now, cooldown)?;
    let grant = match txn.next_free(record.id, others, block, record.cursor)? {
        Some(address) => Grant { address, source: Source::Free },
        None => {
            let (released_at, address) = longest_cooling(txn, record.id, others, block)?;
            // Only a few rested addresses are freed at a time, so this one may have rested enough.
            let rested = now.since(released_at) >= cooldown;
            Grant { address, source: if rested { Source::Free } else { Source::Cooling } }
        }
    };
    txn.take_address(record.id, grant.address)?;
    record.cursor = Some(grant.address);
    txn.put_pool(&block.pool, &record)?;
    Ok(grant)
}

/// Wakes the address of `block` that has cooled longest, and tells since when.
///
/// Addresses that are now excluded or outside the block, since the pool was edited, go on cooling.
fn longest_cooling(
    txn: &mut WriteTxn<'_>,
    pool: PoolId,
    others: &[PoolId],
    block: &NodeBlock,
) -> Result<(BootTime, IpAddr), AllocateError> {
    // What cannot be read is not free.
    let elsewhere =
        |address| others.iter().any(|pool| !matches!(txn.run_at(*pool, address), Ok(None)));
    let fits = |address| {
        block.range.contains(address) && withheld(block, address).is_none() && !elsewhere(address)
    };
    match txn.longest_cooling(pool, fits)? {
        Some((released_at, address)) => {
            txn.wake(pool, address)?;
            Ok((released_at, address))
        }
        None => Err(AllocateError::Exhausted { pool: block.pool.clone(), range: block.range }),
    }
}

#[cfg(test)]
pub(crate) mod tests;
