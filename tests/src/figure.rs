//! A figure: what railhead takes, beside what it is held against.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// One line of what `make bench` shows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Figure {
    /// What was measured.
    pub what: String,
    /// What railhead takes.
    #[serde(rename = "railhead")]
    pub ours: String,
    /// What it is held against: what nothing could do better than, or, where `what` says so, another program. Empty
    /// when there is nothing of the kind.
    pub floor: String,
    /// What is aimed at; empty when there is no goal.
    pub goal: String,
    /// Whether it was reached.
    pub met: bool,
}

/// The time in the middle; nothing where there is none.
pub(crate) fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times.get(times.len() / 2).copied().unwrap_or_default()
}
