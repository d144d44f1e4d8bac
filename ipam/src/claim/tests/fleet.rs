//! An arbiter in memory, and many nodes that ask it.

use super::*;

/// `node-00007`.
pub(super) fn node(number: u32) -> NodeName {
    format!("node-{number:05}").parse().unwrap()
}

/// Records of blocks: who makes one first has it. It knows nothing else, as an API server.
#[derive(Debug, Default)]
pub(super) struct Arbiter {
    pub(super) geometry: Option<PoolGeometry>,
    pub(super) blocks: BTreeMap<u128, NodeName>,
    /// The same by node, as labels let an API server answer.
    by_node: BTreeMap<NodeName, BTreeSet<u128>>,
    /// How often it was asked for a record, and for a list.
    pub(super) creates: u64,
    pub(super) lists: u64,
}

impl Arbiter {
    /// Records that `node` has block `index`, unless another has it; tells whose it is now.
    pub(super) fn record(&mut self, index: u128, node: &NodeName) -> &NodeName {
        let owner = self.blocks.entry(index).or_insert_with(|| node.clone());
        if owner == node {
            self.by_node.entry(node.clone()).or_default().insert(index);
        }
        owner
    }

    /// Removes the record of block `index`.
    pub(super) fn forget(&mut self, index: u128) {
        let owner = self.blocks.remove(&index).unwrap();
        self.by_node.get_mut(&owner).unwrap().remove(&index);
    }

    /// The blocks of `node`.
    pub(super) fn own(&self, node: &NodeName) -> Vec<u128> {
        self.by_node.get(node).into_iter().flatten().copied().collect()
    }

    /// Answers one question of `node`.
    pub(super) fn answer(&mut self, next: Next, node: &NodeName) -> Next {
        match next {
            Next::Geometry(asked) => {
                let recorded =
                    self.geometry.get_or_insert_with(|| asked.geometry().clone()).clone();
                asked.answer(recorded)
            }
            Next::Own(asked) => asked.answer(self.own(node)),
            Next::Create(asked) => {
                self.creates += 1;
                let owner = self.record(asked.index(), node);
                if owner == node { Next::Done(asked.ours()) } else { asked.taken() }
            }
            Next::List(asked) => {
                self.lists += 1;
                asked.answer(self.blocks.keys().copied())
            }
            Next::Done(found) => Next::Done(found),
        }
    }

    /// One node's whole search, with nobody in between.
    pub(super) fn claim(&mut self, blocks: &Blocks, node: &NodeName) -> Found {
        let mut next = Search::begin(blocks, node);
        loop {
            next = match self.answer(next, node) {
                Next::Done(found) => return found,
                next => next,
            };
        }
    }
}

/// Nodes that search at the same time, each at a question of its own.
pub(super) struct Fleet {
    pub(super) arbiter: Arbiter,
    pool: IpPool,
    searches: Vec<Next>,
}

impl Fleet {
    pub(super) fn new(pool: IpPool, nodes: u32) -> Self {
        let mut fleet = Self { arbiter: Arbiter::default(), pool, searches: Vec::new() };
        fleet.searches = (0..nodes).map(|at| fleet.begin(at)).collect();
        fleet
    }

    fn begin(&self, at: u32) -> Next {
        Search::begin(&Blocks::of_ip_pool(&self.pool, &node(at)), &node(at))
    }

    /// Node `at` asks its question and gets the answer.
    pub(super) fn step(&mut self, at: u32) {
        let next = self.searches[at as usize].clone();
        self.searches[at as usize] = self.arbiter.answer(next, &node(at));
    }

    /// Node `at` asks its question and is killed before the answer comes; then it begins anew.
    pub(super) fn lose_the_answer(&mut self, at: u32) {
        self.step(at);
        self.searches[at as usize] = self.begin(at);
    }

    /// Node `at` is gone, and with it its blocks; later it begins anew.
    pub(super) fn leave(&mut self, at: u32) {
        self.arbiter.own(&node(at)).into_iter().for_each(|index| self.arbiter.forget(index));
        self.searches[at as usize] = self.begin(at);
    }

    /// All go on, one question each in turn, until all are done.
    pub(super) fn finish(&mut self) -> Vec<Found> {
        let everyone = 0..u32::try_from(self.searches.len()).unwrap();
        loop {
            let found: Vec<Found> = self
                .searches
                .iter()
                .map_while(|next| match next {
                    Next::Done(found) => Some(found.clone()),
                    _ => None,
                })
                .collect();
            if found.len() == self.searches.len() {
                return found;
            }
            everyone.clone().for_each(|at| self.step(at));
        }
    }
}
