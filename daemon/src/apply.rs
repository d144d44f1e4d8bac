//! Does what a plan says, and decides nothing.
//!
//! ```text
//! Plan --> one thread per lane --> step by step: journal (intent) --> kernel --> journal (done)
//!                |                               VFs of one PF side by side where it pays
//!                +--> Event (to whoever shows progress)
//!                +--> LaneOutcome
//! ```
//!
//! A step that fails stops what depends on it and nothing else: a VF's failure its VF, a PF's
//! failure its lane, a hanging driver its PF. Whether the host is as wished afterwards is not told
//! here: look again and plan again.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;
use std::time::Duration;

use conf::settings::Guard;
use conf::{PciAddress, VfIndex};
use serde::{Deserialize, Serialize};

use crate::host::Host;
use crate::journal::{Owner, Ownership};
use crate::plan::{Action, Lane, Plan, Step};
use crate::snapshot::Snapshot;

mod bind;
mod error;
mod execute;
mod kernel;
mod lane;
mod locks;
mod progress;

pub use progress::{Event, Progress};

/// How long things may take that the kernel does not bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deadlines {
    /// One write that a driver answers: making 128 VFs takes some drivers a minute.
    pub write: Duration,
    /// A netdev that comes some time after its driver.
    pub netdev: Duration,
    /// A module that is loaded, with all it needs.
    pub module: Duration,
    /// A VF's lock that a plugin holds.
    pub lock: Duration,
    /// A write that a railhead which is gone left under way.
    pub straggler: Duration,
}

impl Default for Deadlines {
    fn default() -> Self {
        Self {
            write: Duration::from_secs(120),
            netdev: Duration::from_secs(10),
            module: Duration::from_secs(30),
            lock: Duration::from_secs(5),
            straggler: Duration::from_secs(30),
        }
    }
}

/// What became of a lane.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct LaneOutcome {
    /// The steps that were done.
    pub done: Vec<Done>,
    /// The steps that failed.
    pub failures: Vec<Failure>,
    /// How many steps were left out because of them.
    pub skipped: usize,
}

/// A step that was done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Done {
    /// What was done.
    pub action: Action,
    /// How long it took.
    pub took: Duration,
}

/// A step that failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// The step.
    pub step: Step,
    /// One word.
    pub reason: String,
    /// The whole story.
    pub message: String,
}

/// Asks lanes to end after the step that they are at.
#[derive(Debug, Default)]
pub struct Stop(AtomicBool);

impl Stop {
    /// Asks.
    pub fn ask(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether it was asked.
    pub fn is_asked(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// What the lanes work on.
#[derive(Debug, Clone, Copy)]
pub struct Job<'a> {
    /// The machine.
    pub host: &'a Host,
    /// What the plan was made from.
    pub snapshot: &'a Snapshot,
    /// What the machine's own traffic depends on.
    pub guard: &'a Guard,
    /// What railhead answers for.
    pub ownership: &'a Ownership,
    /// Who asks, by PF.
    pub owners: &'a BTreeMap<PciAddress, Vec<Owner>>,
    /// How long things may take.
    pub deadlines: Deadlines,
    /// Whether to end early.
    pub stop: &'a Stop,
}

/// Does the steps of `plan`; `events` hears of each.
pub fn apply(
    job: Job<'_>,
    plan: &Plan,
    events: &Sender<Event>,
) -> BTreeMap<PciAddress, LaneOutcome> {
    std::thread::scope(|scope| {
        let lanes: Vec<_> = plan
            .lanes
            .iter()
            .filter(|lane| !lane.steps.is_empty())
            .map(|lane| {
                let progress = Progress::of(lane, events.clone());
                (lane, scope.spawn(move || lane::run(job, lane, &progress)))
            })
            .collect();
        lanes
            .into_iter()
            .map(|(lane, thread)| (lane.pf, thread.join().unwrap_or_else(|_| died(lane))))
            .collect()
    })
}

/// The outcome of a lane whose thread panicked: a defect, told as what it is.
fn died(lane: &Lane) -> LaneOutcome {
    let failures = lane.steps.first().map(|step| Failure {
        step: step.clone(),
        reason: "Defect".to_owned(),
        message: "the lane's thread ended in a panic; this is a defect of railhead".to_owned(),
    });
    LaneOutcome { failures: failures.into_iter().collect(), ..LaneOutcome::default() }
}

impl LaneOutcome {
    fn failed(&self, vf: Option<VfIndex>) -> bool {
        vf.is_some() && self.failures.iter().any(|failure| failure.step.action.vf() == vf)
    }
}
