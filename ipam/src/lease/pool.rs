//! Pools in the store: each has a small number, so that keys stay short, and a cursor.

use std::net::IpAddr;

use conf::block::PoolRef;
use serde::{Deserialize, Serialize};

use crate::store::key::PoolId;
use crate::store::{ReadTxn, StoreError, WriteTxn, key};

/// What the store knows about a pool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PoolRecord {
    pub(crate) id: PoolId,
    /// The address that was given out last by round robin.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) cursor: Option<IpAddr>,
}

impl ReadTxn<'_> {
    /// The pool's record; `None` when none of its addresses was ever given out.
    pub(crate) fn pool(&self, pool: &PoolRef) -> Result<Option<PoolRecord>, StoreError> {
        self.json(&key::pool(pool), || format!("the record of pool {pool}"))
    }

    /// The numbers of all pools that ever had a record.
    pub(crate) fn pool_ids(&self) -> Result<impl Iterator<Item = PoolId> + use<>, StoreError> {
        Ok((0..self.next_pool()?.0).map(PoolId))
    }

    fn next_pool(&self) -> Result<PoolId, StoreError> {
        Ok(self.json(&key::next_pool(), number_of_pools)?.unwrap_or(PoolId(0)))
    }
}

fn number_of_pools() -> String {
    "the number of pools".to_owned()
}

impl WriteTxn<'_> {
    /// Makes the record of a pool that has none.
    pub(crate) fn new_pool(&mut self, pool: &PoolRef) -> Result<PoolRecord, StoreError> {
        let id = self.next_pool()?;
        self.put_json(&key::next_pool(), &PoolId(id.0.wrapping_add(1)), number_of_pools)?;
        let record = PoolRecord { id, cursor: None };
        self.put_pool(pool, &record)?;
        Ok(record)
    }

    /// Writes the pool's record.
    pub(crate) fn put_pool(
        &mut self,
        pool: &PoolRef,
        record: &PoolRecord,
    ) -> Result<(), StoreError> {
        self.put_json(&key::pool(pool), record, || format!("the record of pool {pool}"))
    }
}
