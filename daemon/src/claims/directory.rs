//! The directory form of [`Claims`]: blocks by the host's number, leases asked of the store.
//!
//! Nothing arbitrates between hosts here; `standalone: {host, hosts}` of railhead.yaml says which
//! numbers are this host's. A host that says nothing is alone: host 0 of 1.

use conf::block::{NodeBlock, PoolRef};
use conf::settings::{Settings, Standalone};
use conf::{AddressRange, NodeName};
use ipam::block::{Blocks, Kept, Sharing};
use ipam::blocks::{self, BlockError};
use ipam::durable::FileError;
use ipam::store::Loss;
use ipam::{Lease, Root, Store, StoreError, cooldown};

use super::{Claim, Claims, Pool, Release, Renumbering};

/// This node's blocks in directory mode.
#[derive(Debug, Clone)]
pub struct Directory {
    root: Root,
    node: NodeName,
    standalone: Standalone,
    cooldown_seconds: u32,
    /// Whether decisions are carried out.
    writes: bool,
}

/// A claim or release that did not happen.
#[derive(Debug, thiserror::Error)]
pub enum ClaimError {
    /// A block's file could not be read or written.
    #[error(transparent)]
    Block(#[from] BlockError),
    /// The leases could not be read: nobody knows which addresses are in use.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The leases were lost: nobody knows which addresses are in use.
    #[error("{0}")]
    Lost(Box<Loss>),
}

impl From<FileError> for ClaimError {
    fn from(error: FileError) -> Self {
        Self::Block(BlockError::File(error))
    }
}

impl ClaimError {
    /// One word for conditions.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Block(BlockError::File(_)) => "BlockFailed",
            Self::Block(BlockError::Damaged { .. }) => "BlockDamaged",
            Self::Store(error) => error.reason(),
            Self::Lost(_) => "StoreDamaged",
        }
    }
}

impl Directory {
    /// The blocks under `root` of the host that `settings` describe.
    pub fn new(root: &Root, node: &NodeName, settings: &Settings) -> Self {
        Self {
            root: root.clone(),
            node: node.clone(),
            standalone: settings.standalone,
            cooldown_seconds: settings.cooldown_seconds,
            writes: true,
        }
    }

    /// The same for somebody who only looks: comes to the same decisions, and writes nothing.
    pub fn looking(root: &Root, node: &NodeName, settings: &Settings) -> Self {
        Self { writes: false, ..Self::new(root, node, settings) }
    }

    /// How many leases of `pool` lie outside `range`; with no range, how many there are.
    fn leases_outside(
        &self,
        pool: &PoolRef,
        range: Option<AddressRange>,
    ) -> Result<usize, ClaimError> {
        // Opening makes the store, which whoever only looks must not.
        if !self.writes && !self.root.store().exists() {
            return Ok(0);
        }
        let leases = Store::open(&self.root)?.read(|txn| match txn.loss()? {
            None => Ok(txn.leases()?),
            Some(loss) => Err(ClaimError::Lost(Box::new(loss))),
        })?;
        let outside = |lease: &&Lease| {
            lease.pool == *pool && !range.is_some_and(|range| range.contains(lease.address))
        };
        Ok(leases.iter().filter(outside).count())
    }

    fn save(&self, block: NodeBlock) -> Result<Claim, ClaimError> {
        if self.writes {
            blocks::save(&self.root, &block)?;
        }
        Ok(Claim::Held(block))
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
            return self.save(wanted.clone());
        }
        let range = wanted.as_ref().map(|wanted| wanted.range);
        let leases = self.leases_outside(pool, range)?;
        if leases > 0 {
            return Ok(Claim::Kept { block: old, why: Renumbering::InUse { leases } });
        }
        match wanted {
            Some(_) if edited && Sharing::from(self.standalone) == Sharing::Shared => {
                Ok(Claim::Kept { block: old, why: Renumbering::Shared })
            }
            Some(wanted) => self.save(wanted),
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
            Some(wanted) if self.leases_outside(pool, range)? == 0 => self.save(wanted),
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
                return wanted.map_or_else(|| Ok(self.no_block()), |block| self.save(block));
            }
            Err(damage @ BlockError::Damaged { .. }) => return self.repair(&at, damage, wanted),
            Err(error) => return Err(error.into()),
        };
        match dealt.keep(&old, Sharing::from(self.standalone)) {
            Kept::Same(block) if self.is_own_number(&dealt, &old) => self.save(*block),
            Kept::Same(_) => self.follow(&at, old, wanted, false),
            Kept::Renumbered { .. } => self.follow(&at, old, wanted, true),
        }
    }

    fn release(&self, pool: &PoolRef) -> Result<Release, ClaimError> {
        match self.leases_outside(pool, None)? {
            0 => {
                self.remove(pool)?;
                Ok(Release::Released)
            }
            leases => Ok(Release::InUse { leases }),
        }
    }

    fn held(&self) -> Result<Vec<PoolRef>, ClaimError> {
        Ok(blocks::list(&self.root)?.into_iter().map(|(pool, _)| pool).collect())
    }
}

#[cfg(test)]
mod tests;
