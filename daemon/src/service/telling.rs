//! What is told of a pass: one line for systemd, and the log.

use conf::printable::Printable;

use super::published::State;
use crate::reconcile::{Outcome, Verdict};

pub(super) fn summary(outcome: &Result<Outcome, String>) -> String {
    let outcome = match outcome {
        Ok(outcome) => outcome,
        Err(why) => return Printable(why).to_string(),
    };
    match outcome.verdict() {
        Verdict::InForce => "everything is as the objects want it".to_owned(),
        Verdict::Waits => "waits for VFs that are in use; see railhead status".to_owned(),
        Verdict::NotInForce => {
            "not everything is as the objects want it; see railhead status".to_owned()
        }
        Verdict::Paused(pause) => format!("{pause}; nothing is repaired"),
    }
}

/// Tells the log what is news.
pub(super) fn log(outcome: &Result<Outcome, String>) {
    tracing::info!("{}", summary(outcome));
    for why in outcome.iter().flat_map(obstacles) {
        tracing::warn!("{why}");
    }
}

/// What is not as wished, a line each.
fn obstacles(outcome: &Outcome) -> Vec<String> {
    let objects = outcome.objects.iter();
    let objects = objects.map(|(object, why)| format!("{}: {}", Printable(object), Printable(why)));
    let problems = outcome.problems.iter().map(|problem| Printable(problem).to_string());
    let blocked = outcome.pfs.values().flat_map(|pf| {
        pf.blocked.iter().map(move |blocked| format!("{}: {}", pf.label, Printable(blocked)))
    });
    objects.chain(problems).chain(blocked).collect()
}

/// The most lines that an answer has of what is not as wished.
const LINES: usize = 100;

/// Whether all is in force, and what is told of it.
pub(super) fn readiness(state: &State) -> (bool, String) {
    let Some(outcome) = &state.last else {
        return (false, "the first pass is not at its end yet\n".to_owned());
    };
    let mut lines = vec![summary(outcome)];
    if let Ok(outcome) = outcome {
        lines.extend(obstacles(outcome).into_iter().take(LINES));
        let failures = outcome.pfs.values().flat_map(|pf| {
            pf.failures.iter().map(move |failure| {
                format!("{}: {}: {}", pf.label, failure.step, Printable(&failure.message))
            })
        });
        lines.extend(failures.take(LINES));
    }
    let ready = outcome.as_ref().is_ok_and(Outcome::is_success);
    (ready, lines.join("\n") + "\n")
}
