//! One pass, on a thread of its own: the kernel's verbs wait.

use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use tokio::sync::broadcast;

use crate::apply::{Deadlines, Event, Stop};
use crate::host::Host;
use crate::reconcile::{Pass, reconcile};
use crate::situation::{SituationError, Written};

/// What a pass works with.
pub(super) struct Work {
    pub(super) host: Arc<Host>,
    /// What the last pass worked with.
    pub(super) written: Option<Written>,
    /// Whether to read what is written anew.
    pub(super) reads: bool,
    pub(super) stop: Arc<Stop>,
    pub(super) events: broadcast::Sender<Event>,
}

/// What a pass leaves.
pub(super) struct Worked {
    /// What was written, as far as it could be read.
    pub(super) written: Option<Written>,
    pub(super) pass: Result<Pass, SituationError>,
}

impl Work {
    /// Makes the pass.
    pub(super) fn run(self) -> Worked {
        let before = self.written.as_ref();
        let written = match before.filter(|_| !self.reads) {
            Some(before) => Ok(before.clone()),
            None => Written::read_or_last_good(&self.host, before),
        };
        let written = match written {
            Ok(written) => written,
            Err(error) => return Worked { written: None, pass: Err(error) },
        };
        let (sender, receiver) = mpsc::channel();
        let pass = thread::scope(|scope| {
            let events = &self.events;
            scope.spawn(move || {
                for event in receiver {
                    tell(&event);
                    // Nobody who listens is no reason to stop.
                    events.send(event).ok();
                }
            });
            let sender = sender;
            // The loop looks again when a straggler ends; other PFs need not wait for that.
            let deadlines = Deadlines { straggler: Duration::ZERO, ..Deadlines::default() };
            reconcile(&self.host, &written, deadlines, &self.stop, &sender)
        });
        Worked { written: Some(written), pass }
    }
}

/// What changes on the host is worth a line of the log.
fn tell(event: &Event) {
    match event {
        Event::Done { pf, step, micros } => {
            tracing::info!("{pf}: {step}: done in {} ms", micros / 1000);
        }
        Event::Failed { pf, step, why } => tracing::warn!("{pf}: {step}: {why}"),
        Event::Lane { .. } | Event::Begin { .. } | Event::End { .. } => {}
    }
}
