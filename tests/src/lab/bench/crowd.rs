//! Many at once: throughput, and how long each of them took.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};

/// What came of it.
#[derive(Debug, Default)]
pub(super) struct Crowd {
    /// From the first start to the last end.
    pub(super) took: Duration,
    /// Each process from its start to its end.
    pub(super) times: Vec<Duration>,
}

impl Crowd {
    /// Has `workers` do `rounds` between them, each round by its number: what it gives is what its processes took.
    pub(super) fn at_work(
        workers: usize,
        rounds: usize,
        round: impl Fn(usize) -> Result<Vec<Duration>> + Sync,
    ) -> Result<Self> {
        let next = AtomicUsize::new(0);
        let work = || {
            let mut times = Vec::new();
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= rounds {
                    return anyhow::Ok(times);
                }
                times.extend(round(number)?);
            }
        };
        let started = Instant::now();
        let times = thread::scope(|scope| {
            let workers: Vec<_> = (0..workers).map(|_| scope.spawn(work)).collect();
            let times = workers.into_iter().map(|worker| match worker.join() {
                Ok(times) => times,
                Err(_) => Err(anyhow!("a thread that called a program panicked")),
            });
            times.collect::<Result<Vec<_>>>()
        })?;
        Ok(Self { took: started.elapsed(), times: times.concat() })
    }

    /// Both together, done one after the other.
    pub(super) fn and(mut self, other: Self) -> Self {
        self.took += other.took;
        self.times.extend(other.times);
        self
    }

    /// Processes in a second.
    pub(super) fn per_second(&self) -> f64 {
        self.times.len() as f64 / self.took.as_secs_f64()
    }

    /// What this share of the processes did not exceed: 0.5 is the median.
    pub(super) fn quantile(&self, share: f64) -> Duration {
        let mut times = self.times.clone();
        times.sort();
        let last = times.len().saturating_sub(1);
        times.get((last as f64 * share).round() as usize).copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_round_is_done_once() {
        let crowd = Crowd::at_work(3, 100, |n| Ok(vec![Duration::from_millis(n as u64)])).unwrap();
        assert_eq!(crowd.times.len(), 100);
        assert_eq!(crowd.quantile(0.0), Duration::ZERO);
        assert_eq!(crowd.quantile(0.5), Duration::from_millis(50));
        assert_eq!(crowd.quantile(1.0), Duration::from_millis(99));
        assert_eq!(Crowd::default().quantile(0.5), Duration::ZERO);
        assert!(Crowd::at_work(3, 100, |_| Err(anyhow!("no"))).is_err());
    }
}
