//! What lanes tell while they work.

use std::sync::mpsc::Sender;
use std::time::Duration;

use conf::PciAddress;
use serde::{Deserialize, Serialize};

use crate::plan::Lane;

/// One thing that happened. Serialisable, since the daemon passes it on to `railhead apply`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Event {
    /// A lane begins.
    Lane {
        /// Its PF.
        pf: PciAddress,
        /// What a person calls it.
        label: String,
        /// How many steps it has.
        steps: usize,
    },
    /// A step begins.
    Begin {
        /// Its PF.
        pf: PciAddress,
        /// The step, as `railhead plan` prints it.
        step: String,
    },
    /// A step was done.
    Done {
        /// Its PF.
        pf: PciAddress,
        /// The step, as `railhead plan` prints it.
        step: String,
        /// How long it took, in microseconds.
        micros: u64,
    },
    /// A step failed, or was left out.
    Failed {
        /// Its PF.
        pf: PciAddress,
        /// The step, as `railhead plan` prints it.
        step: String,
        /// Why.
        why: String,
    },
    /// A lane is at its end.
    End {
        /// Its PF.
        pf: PciAddress,
    },
}

/// One lane's way to tell.
#[derive(Debug, Clone)]
pub struct Progress {
    pf: PciAddress,
    events: Sender<Event>,
}

impl Progress {
    pub(super) fn of(lane: &Lane, events: Sender<Event>) -> Self {
        let progress = Self { pf: lane.pf, events };
        progress.send(Event::Lane {
            pf: lane.pf,
            label: lane.label.clone(),
            steps: lane.steps.len(),
        });
        progress
    }

    pub(super) fn begin(&self, step: &dyn ToString) {
        self.send(Event::Begin { pf: self.pf, step: step.to_string() });
    }

    pub(super) fn done(&self, step: &dyn ToString, took: Duration) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.send(Event::Done { pf: self.pf, step: step.to_string(), micros });
    }

    pub(super) fn failed(&self, step: &dyn ToString, why: &dyn ToString) {
        self.send(Event::Failed { pf: self.pf, step: step.to_string(), why: why.to_string() });
    }

    pub(super) fn end(&self) {
        self.send(Event::End { pf: self.pf });
    }

    fn send(&self, event: Event) {
        // Nobody who listens any more is no reason to stop.
        self.events.send(event).ok();
    }
}
