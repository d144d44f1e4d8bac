//! What containers hold: VFs and addresses, by the plugins' records.

use std::collections::BTreeMap;
use std::error::Error;

use cni::attachment::{Record, State};
use conf::block::{NodeBlock, PoolRef};
use conf::{IfName, NetworkName, PciAddress};
use ipam::durable::FileError;
use ipam::{BootTime, PodRef, StoreError, blocks, cooldown};

use crate::host::Host;
use crate::view::ipam::{Addresses, Facts, Pool};

/// What containers hold.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Held {
    /// How many attachments there are, by how far they came: attached, in progress, released.
    pub attachments: [(&'static str, u64); 3],
    /// VFs that are attached, with who has them.
    pub vfs: BTreeMap<PciAddress, Option<Holder>>,
    /// Addresses, by pool.
    pub pools: Vec<(PoolRef, PoolUse)>,
}

/// Who has a VF.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// The pod, where the runtime told.
    pub pod: Option<PodRef>,
    /// The interface's name in it.
    pub interface: IfName,
    /// The CNI network.
    pub network: NetworkName,
}

/// How full a block is. Floating, since an IPv6 block may hold more than 64 bits count.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct PoolUse {
    /// Addresses that are given out.
    pub used: f64,
    /// Addresses that rest.
    pub cooling: f64,
    /// Addresses that are free.
    pub free: f64,
}

impl Held {
    /// Reads it, the store in one transaction.
    pub fn read(host: &Host) -> Result<Self, Box<dyn Error + Send + Sync>> {
        let mut facts = Facts {
            blocks: sound_blocks(host)?,
            cooldown: cooldown::load(host.root())?,
            ..Facts::default()
        };
        let (mut records, mut owners) = (Vec::new(), Vec::new());
        if let Some(store) = host.store() {
            (facts.leases, facts.cooling, records, owners) = store.read(|txn| {
                let (leases, cooling) = (txn.leases()?, txn.cooling()?);
                Ok::<_, StoreError>((
                    leases,
                    cooling,
                    txn.attachments::<Record>()?,
                    txn.vf_owners()?,
                ))
            })?;
        }
        let records: BTreeMap<_, Record> =
            records.into_iter().filter_map(|(key, record)| Some((key, record.ok()?))).collect();
        let count = |state| {
            let counted = records.values().filter(|record| record.state == state).count();
            u64::try_from(counted).unwrap_or(u64::MAX)
        };
        let attachments = [
            ("attached", count(State::Attached)),
            ("in_progress", count(State::Intent)),
            ("released", count(State::Released)),
        ];
        let vfs = owners.into_iter().map(|(vf, key)| (vf, records.get(&key).map(Holder::of)));
        let vfs = vfs.collect();
        let addresses = Addresses::of(facts, BootTime::now()?);
        Ok(Self { attachments, vfs, pools: addresses.pools.iter().map(PoolUse::of).collect() })
    }
}

/// This node's blocks; one that cannot be read is told by its pool's condition.
fn sound_blocks(host: &Host) -> Result<Vec<NodeBlock>, FileError> {
    Ok(blocks::list(host.root())?.into_iter().filter_map(|(_, block)| block.ok()).collect())
}

impl Holder {
    fn of(record: &Record) -> Self {
        Self {
            pod: record.pod.clone(),
            interface: record.key.ifname.clone(),
            network: record.network.clone(),
        }
    }
}

impl PoolUse {
    fn of(pool: &Pool) -> (PoolRef, Self) {
        let number = |count: usize| f64::from(u32::try_from(count).unwrap_or(u32::MAX));
        let told = Self {
            used: number(pool.used),
            cooling: number(pool.cooling),
            free: pool.free.parse().unwrap_or_default(),
        };
        (pool.pool.clone(), told)
    }
}
