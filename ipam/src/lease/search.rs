//! The next free address of a block.

use std::net::IpAddr;

use conf::AddressRange;
use conf::address::advance;
use conf::block::NodeBlock;

use crate::store::key::PoolId;
use crate::store::{ReadTxn, StoreError};

impl ReadTxn<'_> {
    /// The next address after `cursor` that is neither taken, also in `others`, nor excluded nor the
    /// gateway, wrapping round at the end of the block.
    pub(crate) fn next_free(
        &self,
        pool: PoolId,
        others: &[PoolId],
        block: &NodeBlock,
        cursor: Option<IpAddr>,
    ) -> Result<Option<IpAddr>, StoreError> {
        let whole = block.range;
        let Some(cursor) = cursor.filter(|cursor| whole.contains(*cursor)) else {
            return self.first_free(pool, others, block, whole);
        };
        let behind = advance(cursor, 1).and_then(|first| AddressRange::new(first, whole.last()));
        if let Some(behind) = behind
            && let Some(address) = self.first_free(pool, others, block, behind)?
        {
            return Ok(Some(address));
        }
        match AddressRange::new(whole.first(), cursor) {
            Some(up_to) => self.first_free(pool, others, block, up_to),
            None => Ok(None),
        }
    }

    /// The first free address in `range`.
    ///
    /// Each round steps over a whole run, a whole exclusion or the gateway. Runs do not touch each
    /// other, so behind a run lies a free address or an exclusion: there are at most twice as many
    /// rounds as exclusions, plus three, however many addresses are taken. Each ends with a look-up
    /// in each of `others`; where they have taken addresses of this block, their runs are stepped
    /// over as well.
    fn first_free(
        &self,
        pool: PoolId,
        others: &[PoolId],
        block: &NodeBlock,
        range: AddressRange,
    ) -> Result<Option<IpAddr>, StoreError> {
        let mut address = range.first();
        loop {
            let obstacle = match withheld(block, address) {
                Some(withheld) => withheld,
                None => match self.taken_by(pool, others, address)? {
                    Some(run) => run.last(),
                    None => return Ok(Some(address)),
                },
            };
            match advance(obstacle, 1) {
                Some(next) if range.contains(next) => address = next,
                _ => return Ok(None),
            }
        }
    }
}

impl ReadTxn<'_> {
    /// The run of the pool, or else of one of `others`, that holds `address`.
    fn taken_by(
        &self,
        pool: PoolId,
        others: &[PoolId],
        address: IpAddr,
    ) -> Result<Option<AddressRange>, StoreError> {
        for pool in std::iter::once(pool).chain(others.iter().copied()) {
            if let Some(run) = self.run_at(pool, address)? {
                return Ok(Some(run));
            }
        }
        Ok(None)
    }
}

/// Where what withholds `address` from everybody ends: an exclusion, or the gateway.
pub(crate) fn withheld(block: &NodeBlock, address: IpAddr) -> Option<IpAddr> {
    let at = block.exclusions.partition_point(|exclusion| exclusion.last() < address);
    let exclusion = block.exclusions.get(at).filter(|exclusion| exclusion.contains(address));
    let gateway = block.gateway.filter(|gateway| *gateway == address);
    exclusion.map(|exclusion| exclusion.last()).or(gateway)
}
