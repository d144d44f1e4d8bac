//! Giving addresses back.

use std::collections::BTreeSet;
use std::net::IpAddr;

use conf::NetworkName;

use crate::clock::BootTime;
use crate::lease::Lease;
use crate::owner::AttachmentKey;
use crate::store::key::PoolId;
use crate::store::{StoreError, WriteTxn};

impl WriteTxn<'_> {
    /// Gives back all that `owner` holds, in all pools, whatever its config says by now. Their
    /// addresses cool from `now` on. Nothing held is an empty list, not an error.
    pub fn release(
        &mut self,
        owner: &AttachmentKey,
        now: BootTime,
    ) -> Result<Vec<Lease>, StoreError> {
        let mut released = Vec::new();
        for (pool, address) in self.held_by(owner)? {
            released.extend(self.give_back(pool, address, owner, now)?);
        }
        Ok(released)
    }

    /// Gives back what was asked for by `network` and belongs to none of `valid`.
    pub fn release_stale(
        &mut self,
        network: &NetworkName,
        valid: &BTreeSet<AttachmentKey>,
        now: BootTime,
    ) -> Result<Vec<Lease>, StoreError> {
        let stale: Vec<Lease> = self
            .leases()?
            .into_iter()
            .filter(|lease| lease.network == *network && !lease.recovered)
            .filter(|lease| !valid.contains(&lease.owner))
            .collect();
        self.end(stale, now)
    }

    /// Gives back what was leased for the namespaces with these cookies, which are gone. What
    /// belongs to a recorded attachment goes back with that.
    pub fn release_dead(
        &mut self,
        cookies: &BTreeSet<u64>,
        now: BootTime,
    ) -> Result<Vec<Lease>, StoreError> {
        let mut dead = Vec::new();
        for lease in self.leases()? {
            let is_dead = lease.netns_cookie.is_some_and(|cookie| cookies.contains(&cookie));
            if is_dead && !self.has_attachment(&lease.owner)? {
                dead.push(lease);
            }
        }
        self.end(dead, now)
    }

    /// Gives back `leases`, and tells which of them stood.
    pub(crate) fn end(
        &mut self,
        leases: Vec<Lease>,
        now: BootTime,
    ) -> Result<Vec<Lease>, StoreError> {
        let mut released = Vec::with_capacity(leases.len());
        for lease in leases {
            if let Some(record) = self.pool(&lease.pool)? {
                released.extend(self.give_back(record.id, lease.address, &lease.owner, now)?);
            }
        }
        Ok(released)
    }

    /// Ends one lease; its address cools from `now` on.
    pub(crate) fn give_back(
        &mut self,
        pool: PoolId,
        address: IpAddr,
        owner: &AttachmentKey,
        now: BootTime,
    ) -> Result<Option<Lease>, StoreError> {
        let lease = self.lease_at(pool, address)?.filter(|lease| lease.owner == *owner);
        if let Some(lease) = &lease {
            self.remove_lease(pool, address, owner)?;
            self.cool(pool, lease, now)?;
        }
        Ok(lease)
    }
}
