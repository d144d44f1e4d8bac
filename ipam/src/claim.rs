//! How a node comes by a block that no other node has: pure decisions.
//!
//! An arbiter keeps one record for each block that is taken, named by pool and number, and lets
//! the first who makes it have it. That is all it does, so many nodes can ask at once and nobody
//! has to lead. Which record to make is decided here:
//!
//! ```text
//! Search::begin -> Geometry   the first node of all writes down what the numbers mean
//!               -> Own        whoever has a block keeps it
//!               -> Create     by hash of pool and node, then on with a step of the node's own,
//!                             at most 8 times: at half load 2 tries are enough on average
//!               -> List       in a crowded pool: see what is taken, choose among what is free
//!               -> Done
//! ```
//!
//! Each question is a value that takes its own answer, so the caller may ask over any wire, be
//! killed in between and begin anew. A record that is there already and carries this node's name
//! is a success: the answer to the first try was lost.
//!
//! Whoever gives a block up marks its record and leaves it: while it is there nobody else gets the
//! block, which is the grace that neighbours' caches need; whoever keeps the records tidy removes
//! it later.

mod hash;
mod order;

use conf::NodeName;
use conf::block::PoolGeometry;

use crate::block::{Blocks, Numbers, Sharing};
use hash::{Use, hash};
use order::Order;

/// So many blocks are tried one by one before all are listed: 8 find a free one with a
/// probability of 99.6 % at half load, and cost less than a list of thousands.
const TRIES: u32 = 8;

/// One node's search for a block of one pool.
#[derive(Debug, Clone)]
pub struct Search {
    /// What the pool's numbers mean to this node.
    geometry: PoolGeometry,
    /// What is dealt to whoever comes first.
    open: Numbers,
    /// The prefix that the pool's spec promises this node.
    promised: Option<u128>,
    /// The block that this node had before there was an arbiter, until another turns out to have it.
    adopted: Option<u128>,
    order: Option<Order>,
    choice: u64,
    /// How many were tried since the search began, or since all were listed.
    tries: u32,
    /// What is free as far as the last list and the tries since then tell.
    free: Option<Numbers>,
}

/// What is to be asked of the arbiter, or what the search came to.
#[derive(Debug, Clone)]
pub enum Next {
    /// Record the pool's geometry unless one is recorded.
    Geometry(GeometryAsked),
    /// Which of the pool's blocks are recorded as this node's? No cache may answer.
    Own(OwnAsked),
    /// Record a block as this node's.
    Create(CreateAsked),
    /// Which of the pool's blocks are recorded at all?
    List(ListAsked),
    /// The search is over.
    Done(Found),
}

/// What a search came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// A block is recorded as this node's.
    Held {
        /// Its number.
        index: u128,
        /// Others that are recorded as this node's, to be given up once nothing of them is in use.
        surplus: Vec<u128>,
    },
    /// Every block is taken, or there is none that holds anything to give out.
    NoFree,
    /// The prefix that the pool's spec promises this node is another node's still.
    PromisedIsTaken {
        /// Its number.
        index: u128,
    },
    /// The pool's numbers mean something else to the nodes that have blocks.
    OtherGeometry {
        /// What they mean to them.
        recorded: PoolGeometry,
    },
}

impl Search {
    /// Begins the search of the node named `node` for one of `blocks`, which it sees as that node.
    pub fn begin(blocks: &Blocks, node: &NodeName) -> Next {
        let geometry = blocks.geometry().clone();
        let of = |what_for| hash(what_for, &geometry.pool, node);
        let promised = blocks.promised();
        // A prefix that is promised and holds nothing to give out is no reason to take another.
        let open = match promised {
            Some(_) => Numbers::none(),
            None => blocks.open(),
        };
        Next::Geometry(GeometryAsked(Self {
            order: Order::new(open.count(), of(Use::Start), of(Use::Step)),
            choice: of(Use::Choice),
            promised: promised.filter(|index| blocks.block(*index, Sharing::Shared).is_some()),
            adopted: blocks.adopted(),
            geometry,
            open,
            tries: 0,
            free: None,
        }))
    }

    /// The next block to try, among those that are free as far as is known.
    fn next(self) -> Next {
        let next = match &self.free {
            Some(free) => {
                let rank = u128::from(self.choice).checked_rem(free.count());
                rank.and_then(|rank| free.nth(rank))
            }
            None => {
                let place = self.order.and_then(|order| order.at(u128::from(self.tries)));
                place.and_then(|place| self.open.nth(place))
            }
        };
        let is_listed = self.free.is_some();
        match next {
            Some(index) if self.tries < TRIES => Next::Create(CreateAsked { search: self, index }),
            None if is_listed || self.order.is_none() => Next::Done(Found::NoFree),
            _ => Next::List(ListAsked(self)),
        }
    }
}

/// The question which geometry is recorded.
#[derive(Debug, Clone)]
pub struct GeometryAsked(Search);

impl GeometryAsked {
    /// What to record where nothing is recorded.
    pub fn geometry(&self) -> &PoolGeometry {
        &self.0.geometry
    }

    /// Goes on with what is `recorded` now.
    pub fn answer(self, recorded: PoolGeometry) -> Next {
        if recorded == self.0.geometry {
            Next::Own(OwnAsked(self.0))
        } else {
            Next::Done(Found::OtherGeometry { recorded })
        }
    }
}

/// The question which blocks are this node's.
#[derive(Debug, Clone)]
pub struct OwnAsked(Search);

impl OwnAsked {
    /// Goes on with the numbers that are recorded as this node's.
    pub fn answer(self, own: impl IntoIterator<Item = u128>) -> Next {
        let search = self.0;
        let mut own: Vec<u128> = own.into_iter().collect();
        own.sort_unstable();
        own.dedup();
        let kept = match search.promised {
            // The admin's word counts for more than what was.
            Some(promised) => own.iter().position(|index| *index == promised),
            // One that was excluded since is better than none: it keeps what is in use.
            None => own
                .iter()
                .position(|index| search.open.contains(*index))
                .or_else(|| (!own.is_empty()).then_some(0)),
        };
        if let Some(at) = kept {
            let index = own.remove(at);
            return Next::Done(Found::Held { index, surplus: own });
        }
        match search.promised.or(search.adopted) {
            Some(index) => Next::Create(CreateAsked { search, index }),
            None => search.next(),
        }
    }
}

/// The question whether a block can be had.
#[derive(Debug, Clone)]
pub struct CreateAsked {
    search: Search,
    index: u128,
}

impl CreateAsked {
    /// The block's number.
    pub fn index(&self) -> u128 {
        self.index
    }

    /// The block is recorded as this node's: just now, or before.
    pub fn ours(self) -> Found {
        Found::Held { index: self.index, surplus: Vec::new() }
    }

    /// The block is recorded as another node's.
    pub fn taken(self) -> Next {
        let Self { mut search, index } = self;
        if search.promised == Some(index) {
            return Next::Done(Found::PromisedIsTaken { index });
        }
        // The block that the node had before was asked for ahead of the order.
        if search.adopted.take().is_none() {
            search.tries += 1;
        }
        search.free = search.free.map(|free| free.without([index]));
        search.next()
    }
}

/// The question which blocks are taken.
#[derive(Debug, Clone)]
pub struct ListAsked(Search);

impl ListAsked {
    /// Goes on with the numbers that are recorded, whosever they are.
    pub fn answer(self, taken: impl IntoIterator<Item = u128>) -> Next {
        let mut search = self.0;
        search.free = Some(search.open.without(taken));
        search.tries = 0;
        search.next()
    }
}

#[cfg(test)]
mod tests;
