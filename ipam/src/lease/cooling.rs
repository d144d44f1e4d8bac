//! Addresses that were given back and rest for a while.
//!
//! A peer may still hold the dead container's neighbour entry or connections; a new container
//! with that address at once would get its traffic.

use std::net::IpAddr;
use std::time::Duration;

use conf::block::PoolRef;
use serde::{Deserialize, Serialize};

use super::Lease;
use crate::clock::BootTime;
use crate::owner::AttachmentKey;
use crate::store::key::PoolId;
use crate::store::{ReadTxn, StoreError, WriteTxn, key};

/// How many addresses one allocation frees whose rest is over: two, so that they are freed faster
/// than they can come, and no allocation pays for all of a large release.
const FREED_AT_ONCE: usize = 2;

/// How many of any pool are freed in one transaction where there is no room.
const FREED_ON_A_FULL_STORE: usize = 8;

/// An address at rest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cooling {
    /// The pool it belongs to.
    pub pool: PoolRef,
    /// The address.
    pub address: IpAddr,
    /// When it was given back.
    pub released_at: BootTime,
    /// Who held it last.
    #[serde(flatten)]
    pub owner: AttachmentKey,
}

impl ReadTxn<'_> {
    /// All addresses at rest, by pool, the longest at rest first. Some may have rested long
    /// enough: they are freed as allocations come by.
    pub fn cooling(&self) -> Result<Vec<Cooling>, StoreError> {
        let mut cooling = Vec::new();
        self.scan(key::COOLING, |_, value| {
            cooling.push(self.decode(value, || "a cooling address".to_owned())?);
            Ok(())
        })?;
        Ok(cooling)
    }

    /// The address of the pool that has rested longest of those that `fits` holds for.
    pub(crate) fn longest_cooling(
        &self,
        pool: PoolId,
        fits: impl Fn(IpAddr) -> bool,
    ) -> Result<Option<(BootTime, IpAddr)>, StoreError> {
        let prefix = key::cooling_of(pool);
        let mut from = prefix.clone();
        while let Some((found, _)) = self.at_or_after(&from)? {
            let parts = found.strip_prefix(prefix.as_slice()).and_then(key::cooling_parts);
            match parts {
                Some((_, address)) if !fits(address) => from = [found, b"\0"].concat(),
                other => return Ok(other),
            }
        }
        Ok(None)
    }
}

impl WriteTxn<'_> {
    /// Lays the address of `lease` to rest; it stays in its run.
    pub(crate) fn cool(
        &mut self,
        pool: PoolId,
        lease: &Lease,
        now: BootTime,
    ) -> Result<(), StoreError> {
        let cooling = Cooling {
            pool: lease.pool.clone(),
            address: lease.address,
            released_at: now,
            owner: lease.owner.clone(),
        };
        let address = lease.address;
        let name = || format!("the rest of {address}");
        self.put_json(&key::cooling(pool, now, address), &cooling, name)?;
        self.put_json(&key::cooling_since(pool, address), &now, name)
    }

    /// Ends the rest of `address`, which stays in its run; `false` when it was not at rest.
    pub(crate) fn wake(&mut self, pool: PoolId, address: IpAddr) -> Result<bool, StoreError> {
        let since = key::cooling_since(pool, address);
        let name = || format!("the rest of {address}");
        let Some(released_at) = self.json(&since, name)? else { return Ok(false) };
        self.delete(&since)?;
        self.delete(&key::cooling(pool, released_at, address))
    }

    /// Frees addresses of any pool that have rested for `cooldown`, a few of them, and tells how
    /// many: to be called until there are none. Allocations free those of their own pool; this is
    /// for when records of rests take the room that an allocation needs.
    ///
    /// A few only, since what they stand on is copied before it is removed, on a file system that
    /// is full.
    pub fn free_rested_anywhere(
        &mut self,
        now: BootTime,
        cooldown: Duration,
    ) -> Result<usize, StoreError> {
        let mut freed = 0;
        for pool in self.pool_ids()? {
            while freed < FREED_ON_A_FULL_STORE && self.free_longest(pool, now, cooldown)? {
                freed += 1;
            }
        }
        Ok(freed)
    }

    /// Frees a few addresses that have rested for `cooldown`.
    pub(crate) fn free_rested(
        &mut self,
        pool: PoolId,
        now: BootTime,
        cooldown: Duration,
    ) -> Result<(), StoreError> {
        for _ in 0..FREED_AT_ONCE {
            if !self.free_longest(pool, now, cooldown)? {
                break;
            }
        }
        Ok(())
    }

    /// Frees the address of the pool that has rested longest; `false` where none has rested for
    /// `cooldown`.
    fn free_longest(
        &mut self,
        pool: PoolId,
        now: BootTime,
        cooldown: Duration,
    ) -> Result<bool, StoreError> {
        match self.longest_cooling(pool, |_| true)? {
            Some((released_at, address)) if now.since(released_at) >= cooldown => {
                self.wake(pool, address)?;
                self.free_address(pool, address)?;
                Ok(true)
            }
            _ => Ok(false),
        }
    }
}
