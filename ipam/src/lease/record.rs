//! The leases themselves, by address and by owner.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::path::PathBuf;

use serde::Deserialize;

use super::Lease;
use crate::owner::AttachmentKey;
use crate::store::key::PoolId;
use crate::store::{ReadTxn, StoreError, WriteTxn, key};

/// What a [`Lease`] says of its container's network namespace.
#[derive(Deserialize)]
struct Sandbox {
    netns_cookie: Option<u64>,
    netns: Option<PathBuf>,
}

impl ReadTxn<'_> {
    /// All leases, by pool and address. One that cannot be read is an error: to leave it out
    /// would be to say that its address is free.
    pub fn leases(&self) -> Result<Vec<Lease>, StoreError> {
        let mut leases = Vec::new();
        self.scan(key::LEASES, |_, value| {
            leases.push(self.decode(value, || "a lease".to_owned())?);
            Ok(())
        })?;
        Ok(leases)
    }

    /// The network namespaces that leases are held for: the cookie, and the path where it was
    /// told. Each once. Of a lease no more is read: a full block has 65,000 of a few hundred
    /// namespaces, and others wait meanwhile.
    pub fn lease_sandboxes(&self) -> Result<BTreeSet<(u64, Option<PathBuf>)>, StoreError> {
        let mut sandboxes = BTreeSet::new();
        self.scan(key::LEASES, |_, value| {
            let sandbox: Sandbox = self.decode(value, || "a lease".to_owned())?;
            sandboxes.extend(sandbox.netns_cookie.map(|cookie| (cookie, sandbox.netns)));
            Ok(())
        })?;
        Ok(sandboxes)
    }

    /// The leases of one attachment, in all pools.
    pub fn leases_of(&self, owner: &AttachmentKey) -> Result<Vec<Lease>, StoreError> {
        let mut leases = Vec::new();
        for (pool, address) in self.held_by(owner)? {
            leases.extend(self.lease_at(pool, address)?);
        }
        Ok(leases)
    }

    /// Who holds `address` of `pool`.
    pub(crate) fn lease_at(
        &self,
        pool: PoolId,
        address: IpAddr,
    ) -> Result<Option<Lease>, StoreError> {
        self.json(&key::lease(pool, address), || format!("the lease of {address}"))
    }

    /// What `owner` holds, by pool; at most one address of each.
    pub(crate) fn held_by(
        &self,
        owner: &AttachmentKey,
    ) -> Result<Vec<(PoolId, IpAddr)>, StoreError> {
        let prefix = key::held(owner);
        let mut held = Vec::new();
        self.scan(&prefix, |found, value| {
            let pool = found.strip_prefix(prefix.as_slice()).and_then(key::pool_id);
            held.extend(pool.zip(key::address(value)));
            Ok(())
        })?;
        Ok(held)
    }

    /// What `owner` holds of one pool.
    pub(crate) fn held_of(
        &self,
        owner: &AttachmentKey,
        pool: PoolId,
    ) -> Result<Option<IpAddr>, StoreError> {
        Ok(self.get(&key::held_of(owner, pool))?.and_then(key::address))
    }
}

impl WriteTxn<'_> {
    /// Records `lease`, whose address is not leased. The caller sees to runs and cooling.
    pub(crate) fn put_lease(&mut self, pool: PoolId, lease: &Lease) -> Result<(), StoreError> {
        self.put_json(&key::lease(pool, lease.address), lease, || {
            format!("the lease of {}", lease.address)
        })?;
        self.put(&key::held_of(&lease.owner, pool), &key::address_bytes(lease.address))
    }

    /// Removes the record of a lease.
    pub(crate) fn remove_lease(
        &mut self,
        pool: PoolId,
        address: IpAddr,
        owner: &AttachmentKey,
    ) -> Result<(), StoreError> {
        self.delete(&key::lease(pool, address))?;
        self.delete(&key::held_of(owner, pool))?;
        Ok(())
    }
}
