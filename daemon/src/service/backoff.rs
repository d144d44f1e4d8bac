//! When to try again what did not work, and look again at what waits.

use std::collections::BTreeMap;
use std::time::Duration;

use conf::PciAddress;

use crate::plan::Blocked;
use crate::reconcile::PfOutcome;

/// The first retry.
const FIRST: Duration = Duration::from_secs(1);

/// No retry comes later than that.
const LAST: Duration = Duration::from_secs(300);

/// How often to look at what waits for somebody whose going makes no event: a process that closes
/// a VFIO group, a plugin that gives a lock back.
const WAITING: Duration = Duration::from_secs(15);

/// Times between retries, each twice the one before.
#[derive(Debug, Default)]
pub(super) struct Backoff {
    failures: u32,
}

impl Backoff {
    /// When to look again after a pass that came to this; `None` when no time changes anything.
    pub(super) fn after(&mut self, pfs: &BTreeMap<PciAddress, PfOutcome>) -> Option<Duration> {
        if !pfs.values().all(PfOutcome::is_at_rest) {
            return Some(self.failed());
        }
        self.failures = 0;
        let waits = pfs.values().flat_map(|pf| &pf.blocked).any(Blocked::is_wait);
        waits.then_some(WAITING)
    }

    /// It failed: when to try again.
    pub(super) fn failed(&mut self) -> Duration {
        let times = 2u32.saturating_pow(self.failures.min(16));
        self.failures = self.failures.saturating_add(1);
        FIRST.saturating_mul(times).min(LAST)
    }
}

#[cfg(test)]
mod tests {
    use conf::VfIndex;

    use super::*;

    #[test]
    fn doubles_to_a_limit_and_starts_over() {
        let mut backoff = Backoff::default();
        let seconds: Vec<u64> = (0..11).map(|_| backoff.failed().as_secs()).collect();
        assert_eq!(seconds, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]);
        assert_eq!(backoff.after(&BTreeMap::new()), None);
        assert_eq!(backoff.failed(), FIRST);
    }

    #[test]
    fn what_lasts_is_not_tried_again_and_what_waits_is_looked_at() {
        let no_iommu = || Blocked::NoIommu { vfs: vec![VfIndex(1)] };
        let in_use = || Blocked::ForeignVfs { have: 1, wanted: 2, users: Vec::new() };
        let unreadable = || Blocked::Unreadable { why: "it is gone".to_owned() };
        let after = |blocked: [Vec<Blocked>; 2]| {
            let pfs = ["0000:01:00.0", "0000:02:00.0"].into_iter().zip(blocked);
            let pfs = pfs.map(|(pf, blocked)| (pf.parse().unwrap(), outcome(blocked)));
            Backoff::default().after(&pfs.collect())
        };
        assert_eq!(after([vec![], vec![no_iommu()]]), None);
        assert_eq!(after([vec![in_use()], vec![no_iommu()]]), Some(WAITING));
        assert_eq!(after([vec![unreadable()], vec![no_iommu()]]), Some(FIRST));
    }

    fn outcome(blocked: Vec<Blocked>) -> PfOutcome {
        let label = "ens1f0".to_owned();
        PfOutcome { label, done: 0, failures: Vec::new(), left: Vec::new(), blocked }
    }
}
