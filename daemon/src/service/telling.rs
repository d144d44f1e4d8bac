//! What is told of a pass: one line for systemd, and the log.

use crate::printable::Printable;
use crate::reconcile::{Outcome, PfOutcome};

/// Whether all that is not in force waits for somebody who uses a VF.
pub(super) fn only_waits(outcome: &Outcome) -> bool {
    outcome.pfs.values().all(PfOutcome::only_waits)
}

pub(super) fn summary(outcome: &Result<Outcome, String>) -> String {
    match outcome {
        Ok(Outcome { pause: Some(pause), .. }) => format!("{pause}; nothing is repaired"),
        Ok(outcome) if outcome.is_success() => "everything is as the objects want it".to_owned(),
        Ok(outcome) if only_waits(outcome) && outcome.problems.is_empty() => {
            "waits for VFs that are in use; see railhead status".to_owned()
        }
        Ok(_) => "not everything is as the objects want it; see railhead status".to_owned(),
        Err(why) => Printable(why).to_string(),
    }
}

/// Tells the log what is news.
pub(super) fn log(outcome: &Result<Outcome, String>) {
    tracing::info!("{}", summary(outcome));
    let Ok(outcome) = outcome else { return };
    for (object, why) in &outcome.objects {
        tracing::warn!("{}: {}", Printable(object), Printable(why));
    }
    for problem in &outcome.problems {
        tracing::warn!("{}", Printable(problem));
    }
    for pf in outcome.pfs.values() {
        for blocked in &pf.blocked {
            tracing::warn!("{}: {blocked}", pf.label);
        }
    }
}
