//! How the pools are, as far as this node is concerned.

use std::collections::{BTreeMap, BTreeSet};

use conf::AddressRange;
use conf::block::PoolRef;
use serde::Serialize;

use crate::claims::{Claim, Standing};
use crate::judge::State;
use crate::source::Objects;
use crate::view::ipam::{Addresses, Pool};
use crate::view::{Cell, Table};

/// What the state of pools is made of.
#[derive(Debug, Clone, Copy)]
pub struct Pools<'a> {
    /// How this node would stand with each pool after a pass.
    pub standings: &'a BTreeMap<PoolRef, Standing>,
    /// The blocks that it has, and how full they are.
    pub addresses: &'a Addresses,
    /// The objects, with what is wrong with them.
    pub objects: &'a Objects,
}

/// How one pool is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PoolStatus {
    /// The pool, `ippool/NAME`.
    pub pool: PoolRef,
    /// The block that this node gives out.
    pub block: Option<AddressRange>,
    /// How many addresses of it are given out.
    pub used: Option<usize>,
    /// How many are free; as text, as in `railhead ipam`.
    pub free: Option<String>,
    /// Whether it is as the pool wants it.
    pub state: State,
    /// Why not.
    pub detail: Vec<String>,
}

impl Pools<'_> {
    /// Every pool of this node, those for other nodes left out.
    pub fn status(&self) -> Vec<PoolStatus> {
        let damaged = self.addresses.damaged.iter().map(|damaged| &damaged.pool);
        let held = self.addresses.pools.iter().map(|pool| &pool.pool).chain(damaged);
        let wanted = self.standings.iter().filter(|(_, standing)| is_for_us(standing));
        let all: BTreeSet<&PoolRef> = held.chain(wanted.map(|(pool, _)| pool)).collect();
        all.into_iter().map(|pool| self.one(pool)).collect()
    }

    fn one(&self, at: &PoolRef) -> PoolStatus {
        let held = self.addresses.pools.iter().find(|pool| pool.pool == *at);
        let (state, detail) = self.judge(at, held);
        PoolStatus {
            pool: at.clone(),
            block: held.map(|pool| pool.range),
            used: held.map(|pool| pool.used),
            free: held.map(|pool| pool.free.clone()),
            state,
            detail: detail.into_iter().collect(),
        }
    }

    fn judge(&self, at: &PoolRef, held: Option<&Pool>) -> (State, Option<String>) {
        let problem = self.objects.problems.iter().find(|problem| {
            problem.object().and_then(crate::source::ObjectRef::to_pool).as_ref() == Some(at)
        });
        if let Some(problem) = problem {
            return (State::Failed, Some(problem.to_string()));
        }
        match self.standings.get(at) {
            Some(Standing::Claimed(Claim::Held(block))) => match held {
                Some(held) if held.range == block.range => (State::InForce, None),
                _ => (State::Pending, Some(format!("to do: claim {}", block.range))),
            },
            Some(Standing::NotForThisNode) | None if self.objects.is_complete() => {
                (State::Pending, Some("to do: give up the block".to_owned()))
            }
            Some(Standing::NotForThisNode) | None => {
                (State::Failed, Some("kept: what cannot be read may ask for it".to_owned()))
            }
            Some(kept @ Standing::Retained { .. }) => (State::InForce, Some(kept.to_string())),
            Some(waits @ Standing::Leaving { .. }) => (State::Waits, Some(waits.to_string())),
            Some(standing) => (State::Failed, Some(standing.to_string())),
        }
    }
}

/// The table of these pools.
pub(in crate::view) fn table<'a>(all: impl IntoIterator<Item = &'a PoolStatus>) -> Table {
    let mut table = Table::new(["POOL", "BLOCK", "USED", "FREE", "STATE", "DETAIL"]);
    for pool in all {
        let row = [
            Cell::new(&pool.pool),
            Cell::maybe(pool.block),
            Cell::maybe_number(pool.used),
            Cell::maybe_number(pool.free.as_ref()),
            super::state(pool.state),
        ];
        table.row_with(row, &pool.detail);
    }
    table
}

fn is_for_us(standing: &Standing) -> bool {
    !matches!(standing, Standing::NotForThisNode)
}
