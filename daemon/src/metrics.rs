//! What the daemon tells of itself and of the host to whoever collects metrics.
//!
//! ```text
//! the loop, at each pass --> Counts, Seen --+
//! the store ---------------> Held ----------+--> Exposition --> text
//! VFs' counters -----------> Traffic -------+
//!     (read at a scrape and never else)
//! ```
//!
//! A scrape takes what the last pass left, and never waits for one. What it reads itself is read
//! on threads of its own ([`gather`]): a driver that hangs makes its own part missing, and nothing
//! late. The names are listed in docs/metrics.md, which a test holds to [`family`].

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use crate::reconcile::{Outcome, Pass};

mod counts;
mod drift;
mod exposition;
pub mod family;
pub mod gather;
mod held;
mod seen;
mod traffic;

pub use counts::Counts;
pub use exposition::{Exposition, Format};
pub use held::Held;
pub use seen::{Seen, SeenPf, SeenVf, Use};
pub use traffic::Traffic;

/// What the loop has to tell, for whoever asks.
#[derive(Debug)]
pub struct Metrics {
    started: SystemTime,
    told: Mutex<Told>,
}

/// What was told so far.
#[derive(Debug, Default)]
struct Told {
    counts: Counts,
    seen: Arc<Seen>,
    /// When the pass began that runs.
    running: Option<Instant>,
}

impl Default for Metrics {
    fn default() -> Self {
        Self { started: SystemTime::now(), told: Mutex::default() }
    }
}

impl Metrics {
    /// A pass begins.
    pub fn begun(&self) {
        self.told().running = Some(Instant::now());
    }

    /// A pass is at its end, and came to `outcome`.
    pub fn passed(&self, pass: &Pass, outcome: &Outcome) {
        let seen = Arc::new(Seen::of(pass, outcome));
        let mut told = self.told();
        let took = told.took();
        told.counts.passed(pass, outcome, took);
        told.seen = seen;
    }

    /// A pass could not be made, for this reason.
    pub fn failed(&self, reason: &'static str) {
        let mut told = self.told();
        let took = told.took();
        told.counts.failed(reason, took);
    }

    /// What the last pass saw.
    pub fn seen(&self) -> Arc<Seen> {
        Arc::clone(&self.told().seen)
    }

    /// All that is told, with what was read for it; `None` is what could not be read.
    pub fn expose(&self, held: Option<Arc<Held>>, traffic: Option<Arc<Traffic>>) -> Exposition {
        let told = self.told();
        Exposition {
            started: self.started,
            counts: told.counts.clone(),
            seen: Arc::clone(&told.seen),
            running: told.running.map(|begun| begun.elapsed()),
            held,
            traffic,
        }
    }

    fn told(&self) -> MutexGuard<'_, Told> {
        // Numbers are never half written.
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Told {
    /// How long the pass took that is at its end.
    fn took(&mut self) -> Duration {
        self.running.take().map(|begun| begun.elapsed()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests;
