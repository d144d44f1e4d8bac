//! Drift: a PF that was as wished, and is not any more although the wish is the same.

use std::collections::BTreeMap;

use conf::PciAddress;
use conf::desired::DesiredPf;

use crate::reconcile::Pass;

/// The drift of each PF since the daemon started.
#[derive(Debug, Clone, Default)]
pub(super) struct Drift {
    pfs: BTreeMap<PciAddress, Watch>,
}

/// How often a PF drifted and was put right.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Times {
    /// How often it was seen to have drifted.
    pub(super) seen: u64,
    /// How often it was as wished again afterwards.
    pub(super) repaired: u64,
}

/// One PF that is wished for.
#[derive(Debug, Clone)]
struct Watch {
    wish: DesiredPf,
    at: Standing,
    times: Times,
}

/// How a PF stands with its wish.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    /// It was never as wished since the wish is this one: what is missing is work, and no drift.
    Coming,
    InForce,
    Drifted,
}

impl Drift {
    /// Looks at what a pass found and left.
    pub(super) fn passed(&mut self, pass: &Pass) {
        let wished = &pass.situation.desired().pfs;
        self.pfs.retain(|pf, _| wished.contains_key(pf));
        for (pf, wish) in wished {
            let was_off = pass.planned.lane(*pf).is_some();
            let failed = pass.lanes.get(pf).is_some_and(|lane| !lane.failures.is_empty());
            let is_off = failed || pass.left.lane(*pf).is_some();
            let watch = self.pfs.entry(*pf).or_insert_with(|| Watch::new(wish));
            if watch.wish != *wish {
                (watch.wish, watch.at) = (wish.clone(), Standing::Coming);
            }
            watch.pass(was_off, is_off);
        }
    }

    /// How often the PF drifted; `None` for one that is not wished for.
    pub(super) fn of(&self, pf: PciAddress) -> Option<Times> {
        self.pfs.get(&pf).map(|watch| watch.times)
    }
}

impl Watch {
    fn new(wish: &DesiredPf) -> Self {
        Self { wish: wish.clone(), at: Standing::Coming, times: Times::default() }
    }

    /// A pass found the PF other than wished, or not, and left it so, or not.
    fn pass(&mut self, was_off: bool, is_off: bool) {
        if self.at == Standing::InForce && (was_off || is_off) {
            self.at = Standing::Drifted;
            self.times.seen += 1;
        }
        if !is_off {
            if self.at == Standing::Drifted {
                self.times.repaired += 1;
            }
            self.at = Standing::InForce;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::specimen::desired;

    fn after(passes: &[(bool, bool)]) -> Times {
        let mut watch = Watch::new(&desired(2, []));
        for (was_off, is_off) in passes {
            watch.pass(*was_off, *is_off);
        }
        watch.times
    }

    #[test]
    fn what_was_never_in_force_has_not_drifted() {
        assert_eq!(after(&[(true, true), (true, true), (true, false)]), Times::default());
    }

    #[test]
    fn drift_counts_once_until_it_is_repaired() {
        let work = (true, false);
        let rest = (false, false);
        let waits = (true, true);
        assert_eq!(after(&[work, rest]), Times { seen: 0, repaired: 0 });
        assert_eq!(after(&[work, rest, work]), Times { seen: 1, repaired: 1 });
        assert_eq!(after(&[work, waits, waits]), Times { seen: 1, repaired: 0 });
        assert_eq!(after(&[work, waits, waits, rest]), Times { seen: 1, repaired: 1 });
        assert_eq!(after(&[work, work, work]), Times { seen: 2, repaired: 2 });
    }

    /// A step that failed, though in the end nothing was left to be done.
    #[test]
    fn what_fails_is_not_repaired() {
        assert_eq!(after(&[(true, false), (false, true)]), Times { seen: 1, repaired: 0 });
    }
}
