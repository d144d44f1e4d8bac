//! What the loop lets others know.

use tokio::sync::{broadcast, watch};

use super::protocol::{Activity, DaemonStatus};
use crate::apply::Event;
use crate::metrics::Metrics;
use crate::reconcile::Outcome;

/// Events that a slow client may be behind before it loses some: a few hundred VFs' worth.
const BEHIND: usize = 4096;

/// The state of the daemon, for whoever looks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct State {
    /// Passes that began.
    pub(super) begun: u64,
    /// Passes that are at their end.
    pub(super) ended: u64,
    /// What the last one came to, or why it could not be made.
    pub(super) last: Option<Result<Outcome, String>>,
}

/// The state and the events, as channels: nothing calls back.
#[derive(Debug)]
pub(super) struct Published {
    pub(super) state: watch::Sender<State>,
    pub(super) events: broadcast::Sender<Event>,
    pub(super) metrics: Metrics,
}

impl Published {
    pub(super) fn new() -> Self {
        let state = State { begun: 0, ended: 0, last: None };
        Self {
            state: watch::Sender::new(state),
            events: broadcast::Sender::new(BEHIND),
            metrics: Metrics::default(),
        }
    }
}

impl State {
    pub(super) fn to_status(&self) -> DaemonStatus {
        DaemonStatus {
            pid: std::process::id(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            activity: if self.begun == self.ended { Activity::Idle } else { Activity::Working },
            passes: self.ended,
            last: self.last.clone().and_then(Result::ok),
        }
    }
}
