//! When to try again what did not work, and look again at what waits.

use std::time::Duration;

/// The first retry.
const FIRST: Duration = Duration::from_secs(1);

/// No retry comes later than that.
const LAST: Duration = Duration::from_secs(300);

/// How often to look at what waits for somebody whose going makes no event: a process that closes
/// a VFIO group, a plugin that gives a lock back.
pub(super) const WAITING: Duration = Duration::from_secs(15);

/// Times between retries, each twice the one before.
#[derive(Debug, Default)]
pub(super) struct Backoff {
    failures: u32,
}

impl Backoff {
    /// It failed: when to try again.
    pub(super) fn failed(&mut self) -> Duration {
        let times = 2u32.saturating_pow(self.failures.min(16));
        self.failures = self.failures.saturating_add(1);
        FIRST.saturating_mul(times).min(LAST)
    }

    /// It worked.
    pub(super) fn worked(&mut self) {
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_to_a_limit_and_starts_over() {
        let mut backoff = Backoff::default();
        let seconds: Vec<u64> = (0..11).map(|_| backoff.failed().as_secs()).collect();
        assert_eq!(seconds, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]);
        backoff.worked();
        assert_eq!(backoff.failed(), FIRST);
    }
}
