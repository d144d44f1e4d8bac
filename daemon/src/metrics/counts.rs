//! What is counted since the daemon started.

use std::collections::BTreeMap;
use std::time::Duration;

use prometheus_client::metrics::histogram::Histogram;

use super::drift::Drift;
use crate::reconcile::{Outcome, Pass, Verdict};

/// Bounds of how long a step, or a pass, takes, in seconds: from a write to a file to the deadline
/// of one that a driver answers.
const SECONDS: [f64; 12] = [0.001, 0.005, 0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 15.0, 60.0, 120.0];

/// The reason of what goes wrong besides steps, PFs and pools.
const HOUSEKEEPING: &str = "Housekeeping";

/// What is counted since the daemon started. A copy shares the histograms.
#[derive(Debug, Clone)]
pub struct Counts {
    /// Passes, by what they came to.
    pub(super) passes: BTreeMap<&'static str, u64>,
    /// How long passes took.
    pub(super) pass_time: Histogram,
    /// Steps, by kind and by what became of them.
    pub(super) steps: BTreeMap<(&'static str, &'static str), u64>,
    /// How long the steps took that were done, by kind.
    pub(super) step_times: BTreeMap<&'static str, Histogram>,
    /// What went wrong, by reason.
    pub(super) errors: BTreeMap<String, u64>,
    /// Drift.
    pub(super) drift: Drift,
}

impl Default for Counts {
    fn default() -> Self {
        Self {
            passes: BTreeMap::new(),
            pass_time: Histogram::new(SECONDS),
            steps: BTreeMap::new(),
            step_times: BTreeMap::new(),
            errors: BTreeMap::new(),
            drift: Drift::default(),
        }
    }
}

impl Counts {
    /// A pass is at its end.
    pub(super) fn passed(&mut self, pass: &Pass, outcome: &Outcome, took: Duration) {
        self.pass(word(outcome.verdict()), took);
        for lane in pass.lanes.values() {
            for done in &lane.done {
                let kind = done.action.kind();
                *self.steps.entry((kind, "done")).or_default() += 1;
                let times = self.step_times.entry(kind).or_insert_with(|| Histogram::new(SECONDS));
                times.observe(done.took.as_secs_f64());
            }
            for failure in &lane.failures {
                *self.steps.entry((failure.step.action.kind(), "failed")).or_default() += 1;
                self.error(&failure.reason);
            }
        }
        for _ in &pass.troubles {
            self.error(HOUSEKEEPING);
        }
        self.drift.passed(pass);
    }

    /// A pass could not be made.
    pub(super) fn failed(&mut self, reason: &str, took: Duration) {
        self.pass("failed", took);
        self.error(reason);
    }

    fn pass(&mut self, result: &'static str, took: Duration) {
        *self.passes.entry(result).or_default() += 1;
        self.pass_time.observe(took.as_secs_f64());
    }

    fn error(&mut self, reason: &str) {
        *self.errors.entry(reason.to_owned()).or_default() += 1;
    }
}

fn word(verdict: Verdict<'_>) -> &'static str {
    match verdict {
        Verdict::InForce => "in_force",
        Verdict::Waits => "waits",
        Verdict::NotInForce => "not_in_force",
        Verdict::Paused(_) => "paused",
    }
}
