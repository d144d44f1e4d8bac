//! Addresses that are not free, as ranges: one record for each run of neighbours.

use std::net::IpAddr;

use conf::AddressRange;
use conf::address::{advance, number};

use crate::store::key::PoolId;
use crate::store::{ReadTxn, StoreError, WriteTxn, key};

impl ReadTxn<'_> {
    /// The run that holds `address`. One look-up.
    pub(crate) fn run_at(
        &self,
        pool: PoolId,
        address: IpAddr,
    ) -> Result<Option<AddressRange>, StoreError> {
        let run = self.run_from_at_or_before(pool, address)?;
        Ok(run.filter(|run| run.contains(address)))
    }

    /// The run that begins at `address`, or the nearest before it. One look-up.
    fn run_from_at_or_before(
        &self,
        pool: PoolId,
        address: IpAddr,
    ) -> Result<Option<AddressRange>, StoreError> {
        let found = self.at_or_before(&key::run(pool, address))?;
        Ok(found.and_then(|(found, value)| {
            let first = key::address(found.strip_prefix(key::runs(pool).as_slice())?)?;
            AddressRange::new(first, key::address(value)?)
        }))
    }
}

impl WriteTxn<'_> {
    /// Takes `address`: it joins the runs beside it. Taking it twice is fine.
    pub(crate) fn take_address(&mut self, pool: PoolId, address: IpAddr) -> Result<(), StoreError> {
        let before = self.run_from_at_or_before(pool, address)?;
        if before.is_some_and(|run| run.contains(address)) {
            return Ok(());
        }
        let joined = before.filter(|run| advance(run.last(), 1) == Some(address));
        let first = joined.map_or(address, AddressRange::first);
        let mut last = address;
        if let Some(next) = advance(address, 1) {
            let next = key::run(pool, next);
            if let Some(end) = self.get(&next)?.and_then(key::address) {
                last = end;
                self.delete(&next)?;
            }
        }
        self.put(&key::run(pool, first), &key::address_bytes(last))
    }

    /// Frees `address`: its run is shortened, or split in two. Freeing it twice is fine.
    pub(crate) fn free_address(&mut self, pool: PoolId, address: IpAddr) -> Result<(), StoreError> {
        let Some(run) = self.run_at(pool, address)? else { return Ok(()) };
        match before(address).filter(|_| run.first() < address) {
            Some(last) => self.put(&key::run(pool, run.first()), &key::address_bytes(last))?,
            None => {
                self.delete(&key::run(pool, address))?;
            }
        }
        match advance(address, 1).filter(|_| address < run.last()) {
            Some(first) => self.put(&key::run(pool, first), &key::address_bytes(run.last())),
            None => Ok(()),
        }
    }
}

/// The address before `address`; `None` before the first of its family.
fn before(address: IpAddr) -> Option<IpAddr> {
    let first = match address {
        IpAddr::V4(_) => IpAddr::from([0; 4]),
        IpAddr::V6(_) => IpAddr::from([0; 16]),
    };
    advance(first, number(address).checked_sub(1)?)
}
