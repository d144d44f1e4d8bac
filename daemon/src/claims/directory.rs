//! The directory form of [`Claims`]: blocks by the host's number, leases asked of the store.
//!
//! Nothing arbitrates between hosts here; `standalone: {host, hosts}` of railhead.yaml says which
//! numbers are this host's. A host that says nothing is alone: host 0 of 1.

use std::time::Duration;

use conf::block::{NodeBlock, PoolRef};
use conf::settings::{Settings, Standalone};
use conf::{AddressRange, NodeName};
use ipam::block::{Blocks, Kept, Sharing};
use ipam::blocks::{self, BlockError};
use ipam::{Lease, Moment, Root, Store, cooldown};

use super::{Claim, ClaimError, Claims, Pool, Release, Renumbering, Unasked};
use crate::recorded::Leases;

mod leaving;

use leaving::Stage;

/// This node's blocks in directory mode.
#[derive(Debug, Clone)]
pub struct Directory {
    root: Root,
    node: NodeName,
    standalone: Standalone,
    cooldown_seconds: u32,
    block_grace: Duration,
    now: Moment,
    /// Whether decisions are carried out.
    writes: bool,
    /// What the store said, of a host that is not here.
    told: Option<Leases>,
}

impl Directory {
    /// The blocks under `root` of the host that `settings` describe.
    pub fn new(root: &Root, node: &NodeName, settings: &Settings, now: Moment) -> Self {
        Self {
            root: root.clone(),
            node: node.clone(),
            standalone: settings.standalone,
            cooldown_seconds: settings.cooldown_seconds,
            block_grace: Duration::from_secs(settings.block_grace_seconds.into()),
            now,
            writes: true,
            told: None,
        }
    }

    /// The same for somebody who only looks: comes to the same decisions, and writes nothing.
    pub fn looking(root: &Root, node: &NodeName, settings: &Settings, now: Moment) -> Self {
        Self { writes: false, ..Self::new(root, node, settings, now) }
    }

    /// The same of a host that is not here, whose store said that.
    #[must_use]
    pub fn told(self, leases: Option<&Leases>) -> Self {
        Self { told: leases.cloned(), ..self }
    }

    /// The leases of `pool`.
    fn leases(&self, pool: &PoolRef) -> Result<Vec<Lease>, ClaimError> {
        let mut leases = match (&self.told, Store::existing(&self.root)) {
            (Some(Leases { loss: Some(loss), .. }), _) => {
                return Err(ClaimError::Lost(Box::new(loss.clone())));
            }
            (Some(Leases { leases, .. }), _) => leases.clone(),
            (None, None) => return Ok(Vec::new()),
            (None, Some(store)) => store.read(|txn| match txn.loss()? {
                None => Ok(txn.leases()?),
                Some(loss) => Err(ClaimError::Lost(Box::new(loss))),
            })?,
        };
        leases.retain(|lease| lease.pool == *pool);
        Ok(leases)
    }

    /// How many leases of `pool` lie outside `range`; with no range, how many there are.
    fn leases_outside(
        &self,
        pool: &PoolRef,
        range: Option<AddressRange>,
    ) -> Result<usize, ClaimError> {
        let outside = |lease: &&Lease| !range.is_some_and(|range| range.contains(lease.address));
        Ok(self.leases(pool)?.iter().filter(outside).count())
    }

    /// Makes `block` this node's, which has held `old` of that pool so far.
    fn save(&self, old: Option<&NodeBlock>, block: NodeBlock) -> Result<Claim, ClaimError> {
        let by = self.lease_of_new_gateway(old, &block)?;
        let block = NodeBlock { gateway_is_leased: by.is_some(), ..block };
        self.write(&block)?;
        Ok(match by {
            Some(by) => Claim::GatewayLeased { block: Box::new(block), by: Box::new(by) },
            None => Claim::Held(Box::new(block)),
        })
    }

    /// Who holds the gateway of `block` since before it was the gateway. A container that asked
    /// for the gateway's address (`allocateDefaultGateway`) holds it with good reason.
    fn lease_of_new_gateway(
        &self,
        old: Option<&NodeBlock>,
        block: &NodeBlock,
    ) -> Result<Option<Lease>, ClaimError> {
        let (Some(old), Some(gateway)) = (old, block.gateway) else { return Ok(None) };
        if old.gateway == block.gateway && !old.gateway_is_leased {
            return Ok(None);
        }
        let leases = self.leases(&block.pool)?;
        Ok(leases.into_iter().find(|lease| lease.address == gateway))
    }

    fn write(&self, block: &NodeBlock) -> Result<(), ClaimError> {
        if self.writes {
            blocks::save(&self.root, block)?;
        }
        Ok(())
    }

    fn remove(&self, pool: &PoolRef) -> Result<(), ClaimError> {
        if self.writes {
            blocks::remove(&self.root, pool)?;
        }
        Ok(())
    }

    /// Whether `block` is one that this host may go on holding, going by its number: the one
    /// promised to the node by name, else the one that it had before or any of the host's own.
    fn is_own_number(&self, dealt: &Blocks, block: &NodeBlock) -> bool {
        let Standalone { host, hosts } = self.standalone;
        let is_hosts = block.index.checked_rem(u128::from(hosts)) == Some(u128::from(host));
        match dealt.promised() {
            Some(promised) => promised == block.index,
            None => is_hosts || dealt.adopted() == Some(block.index),
        }
    }

    /// The pool now means `wanted` where this node held `old`: followed when nobody is hurt.
    fn follow(
        &self,
        pool: &PoolRef,
        old: NodeBlock,
        wanted: Option<NodeBlock>,
        edited: bool,
    ) -> Result<Claim, ClaimError> {
        if let Some(wanted) = wanted.as_ref().filter(|wanted| wanted.range == old.range) {
            return self.save(Some(&old), wanted.clone());
        }
        let range = wanted.as_ref().map(|wanted| wanted.range);
        let leases = self.leases_outside(pool, range)?;
        if leases > 0 {
            return Ok(Claim::Kept { block: Box::new(old), why: Renumbering::InUse { leases } });
        }
        // A pool that was removed and comes back in another shape was removed on all hosts.
        let was_gone = old.leaving.as_ref().is_some_and(|leaving| leaving.gone);
        let is_shared = Sharing::from(self.standalone) == Sharing::Shared;
        match wanted {
            Some(_) if edited && is_shared && !was_gone => {
                Ok(Claim::Kept { block: Box::new(old), why: Renumbering::Shared })
            }
            Some(wanted) => self.save(Some(&old), wanted),
            None => {
                self.remove(pool)?;
                Ok(self.no_block())
            }
        }
    }

    /// A block whose file is damaged: written anew unless leases say that it was another.
    fn repair(
        &self,
        pool: &PoolRef,
        damage: BlockError,
        wanted: Option<NodeBlock>,
    ) -> Result<Claim, ClaimError> {
        let range = wanted.as_ref().map(|wanted| wanted.range);
        match wanted {
            Some(wanted) if self.leases_outside(pool, range)? == 0 => self.save(None, wanted),
            _ => Err(damage.into()),
        }
    }

    fn no_block(&self) -> Claim {
        let Standalone { host, hosts } = self.standalone;
        let why = if hosts == 1 {
            "gateway and exclusions leave no address in any of its blocks".to_owned()
        } else {
            format!(
                "it has no block for host {host} of {hosts} (standalone in railhead.yaml): make \
                 blocks smaller or the pool larger"
            )
        };
        Claim::NoBlock { why }
    }
}

impl Claims for Directory {
    fn prepare(&self) -> Result<(), ClaimError> {
        if self.writes {
            cooldown::save(&self.root, self.cooldown_seconds)?;
        }
        Ok(())
    }

    fn claim(&self, pool: &Pool) -> Result<Claim, ClaimError> {
        let at = pool.at();
        let dealt = match pool {
            Pool::Ip(pool) => Blocks::of_ip_pool(pool, &self.node),
            Pool::Cidr(pool) => Blocks::of_cidr_pool(pool, &self.node),
        };
        let wanted = dealt.for_host(self.standalone);
        let old = match blocks::load(&self.root, &at) {
            Ok(Some(old)) => old,
            Ok(None) => {
                return wanted.map_or_else(|| Ok(self.no_block()), |block| self.save(None, block));
            }
            Err(damage @ BlockError::Damaged { .. }) => return self.repair(&at, damage, wanted),
            Err(error) => return Err(error.into()),
        };
        match dealt.keep(&old, Sharing::from(self.standalone)) {
            Kept::Same(block) if self.is_own_number(&dealt, &old) => self.save(Some(&old), *block),
            Kept::Same(_) => self.follow(&at, old, wanted, false),
            Kept::Renumbered { .. } => self.follow(&at, old, wanted, true),
        }
    }

    fn release(&self, pool: &PoolRef, why: Unasked) -> Result<Release, ClaimError> {
        match blocks::load(&self.root, pool) {
            Ok(None) => return Ok(Release::Released),
            Ok(Some(block)) => {
                let (note, stage) =
                    leaving::note(block.leaving.as_ref(), why, &self.now, self.block_grace);
                let retired = note.retired;
                self.write(&NodeBlock { leaving: Some(note), ..block })?;
                if let Stage::Waiting(left) = stage {
                    return Ok(Release::Retained { retired, left });
                }
            }
            // Nothing can be noted in it, and nobody gets an address of it.
            Err(BlockError::Damaged { .. }) => {}
            Err(error) => return Err(error.into()),
        }
        match self.leases(pool)?.len() {
            0 => {
                self.remove(pool)?;
                Ok(Release::Released)
            }
            leases => Ok(Release::InUse { leases }),
        }
    }

    fn held(&self) -> Result<Vec<PoolRef>, ClaimError> {
        Ok(blocks::pools(&self.root)?)
    }
}

#[cfg(test)]
mod tests;
