//! Leases made again from what the kernel shows, after the store was lost.
//!
//! An address that stands on an interface in a live network namespace, inside what this node gives
//! out, is leased again. Whose it was is not known, so the lease stands under a name made of the
//! namespace's cookie; ADD, DEL and CHECK that come with that namespace and that interface find it
//! as their own, and it ends with the namespace at the latest.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use conf::block::{NodeBlock, PoolRef};
use conf::{ContainerId, IfName, NetworkName};

use crate::allocate::Identity;
use crate::clock::BootTime;
use crate::lease::Lease;
use crate::owner::AttachmentKey;
use crate::store::key::{self, PoolId};
use crate::store::{Loss, ReadTxn, StoreError, WriteTxn};

/// How long after the damage was met the addresses are looked for: an attachment that was under
/// way then has its address on an interface by now, or has failed.
pub const SETTLE: Duration = Duration::from_secs(10);

/// The network that a lease made again stands under. GC of no network frees it.
const NETWORK: &str = "recovered";

/// An address on an interface in a live network namespace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sighting {
    /// The address.
    pub address: IpAddr,
    /// The interface; `None` when no container could have asked for such a name.
    pub ifname: Option<IfName>,
    /// The namespace's cookie.
    pub netns_cookie: u64,
    /// A way to it.
    pub netns: PathBuf,
}

/// What a sighting says was leased: every pool that could have given the address, since networks
/// that do not reach each other may use the same ones.
fn pools<'b>(
    blocks: &'b [NodeBlock],
    sighting: &Sighting,
) -> impl Iterator<Item = &'b PoolRef> + use<'b> {
    let address = sighting.address;
    blocks
        .iter()
        .filter(move |block| block.range.contains(address) || block.static_range.contains(address))
        .map(|block| &block.pool)
}

/// The name that the lease numbered `number` on an interface of a namespace stands under.
fn stand_in(cookie: u64, ifname: Option<&IfName>, number: u32) -> Option<AttachmentKey> {
    let container: ContainerId = format!("{NETWORK}-{cookie}.{number}").parse().ok()?;
    let ifname = match ifname {
        Some(ifname) => ifname.clone(),
        None => "unnamed".parse().ok()?,
    };
    Some(AttachmentKey { container, ifname })
}

impl ReadTxn<'_> {
    /// The leases that were made again for an interface of the namespace with this cookie.
    pub fn recovered(&self, cookie: u64, ifname: &IfName) -> Result<Vec<Lease>, StoreError> {
        let mut owners = BTreeSet::new();
        self.scan(&key::held_by_containers(&format!("{NETWORK}-{cookie}.")), |found, _| {
            owners.extend(key::held_owner(found).filter(|owner| owner.ifname == *ifname));
            Ok(())
        })?;
        let mut leases = Vec::new();
        for owner in owners {
            leases.extend(self.leases_of(&owner)?);
        }
        Ok(leases)
    }
}

impl WriteTxn<'_> {
    /// Leases again what was seen, and forgets the loss: addresses are given out from here on.
    /// `None`, and nothing changed, when `loss` is not what is remembered: somebody else was
    /// faster, or the store was lost once more.
    ///
    /// `seen` must be all that live namespaces have, looked at [`SETTLE`] after the loss.
    pub fn recover(
        &mut self,
        loss: &Loss,
        blocks: &[NodeBlock],
        seen: &[Sighting],
        now: BootTime,
    ) -> Result<Option<usize>, StoreError> {
        if self.loss()?.as_ref() != Some(loss) {
            return Ok(None);
        }
        let mut count = 0;
        for sighting in seen {
            for pool in pools(blocks, sighting) {
                count += usize::from(self.lease_again(pool, sighting, now)?);
            }
        }
        self.accept_loss()?;
        Ok(Some(count))
    }

    fn lease_again(
        &mut self,
        pool: &PoolRef,
        sighting: &Sighting,
        now: BootTime,
    ) -> Result<bool, StoreError> {
        self.require_room()?;
        let id = match self.pool(pool)? {
            Some(record) => record.id,
            None => self.new_pool(pool)?.id,
        };
        if self.lease_at(id, sighting.address)?.is_some() {
            return Ok(false);
        }
        let Some(owner) = self.free_stand_in(id, sighting)? else { return Ok(false) };
        let Ok(network) = NETWORK.parse::<NetworkName>() else { return Ok(false) };
        self.take_address(id, sighting.address)?;
        let lease = Lease {
            pool: pool.clone(),
            address: sighting.address,
            owner,
            network,
            pod: None,
            granted_at: now,
            netns_cookie: Some(sighting.netns_cookie),
            netns: Some(sighting.netns.clone()),
            recovered: true,
        };
        self.put_lease(id, &lease)?;
        Ok(true)
    }

    /// The first name for the sighting that holds nothing of the pool.
    fn free_stand_in(
        &self,
        pool: PoolId,
        sighting: &Sighting,
    ) -> Result<Option<AttachmentKey>, StoreError> {
        for number in 0.. {
            let owner = stand_in(sighting.netns_cookie, sighting.ifname.as_ref(), number);
            let Some(owner) = owner else { break };
            if self.held_of(&owner, pool)?.is_none() {
                return Ok(Some(owner));
            }
        }
        Ok(None)
    }

    /// Gives back what was leased again for an interface of the namespace with this cookie.
    pub fn release_recovered(
        &mut self,
        cookie: u64,
        ifname: &IfName,
        now: BootTime,
    ) -> Result<Vec<Lease>, StoreError> {
        let leases = self.recovered(cookie, ifname)?;
        self.end(leases, now)
    }

    /// Puts what was leased again of `pool`, whose number is `id`, for the very interface of
    /// `identity` under its name.
    pub(crate) fn adopt(
        &mut self,
        id: PoolId,
        pool: &PoolRef,
        identity: &Identity,
    ) -> Result<Option<IpAddr>, StoreError> {
        let Some(cookie) = identity.netns_cookie else { return Ok(None) };
        let recovered = self.recovered(cookie, &identity.key.ifname)?;
        let Some(lease) = recovered.into_iter().find(|lease| lease.pool == *pool) else {
            return Ok(None);
        };
        self.remove_lease(id, lease.address, &lease.owner)?;
        let own = identity.lease(lease.pool, lease.address, lease.granted_at);
        self.put_lease(id, &own)?;
        Ok(Some(own.address))
    }
}

#[cfg(test)]
mod tests;
