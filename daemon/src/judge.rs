//! How PFs and policies fare, decided once. `plan`, `apply`, `status` and `explain` say it,
//! and decide nothing themselves.
//!
//! ```text
//! Situation, Plan --> judge --> State, reason, detail of each --> plan | apply | status | explain
//! ```

use std::collections::BTreeSet;

use conf::desired::{PolicyOutcome, Verdict};
use conf::{PciAddress, VfRange};
use serde::{Deserialize, Serialize};

use crate::plan::{Blocked, Lane, Plan};
use crate::situation::Situation;
use crate::source::{ObjectRef, Problem};

/// Whether something is as wished, the best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum State {
    /// It does not matter here: it is for others, or has lost all to them.
    NotHere,
    /// It is.
    InForce,
    /// A part of it is, and the rest is lost to other policies.
    InPart,
    /// It will be after the next pass.
    Pending,
    /// It will be when somebody who uses a VF is gone.
    Waits,
    /// It is not.
    Failed,
}

impl State {
    /// Whether there is nothing to do about it.
    pub fn is_at_rest(self) -> bool {
        matches!(self, Self::NotHere | Self::InForce | Self::InPart)
    }
}

/// How a policy is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PolicyStatus {
    /// Its name.
    pub name: String,
    /// Whether it is in force.
    pub state: State,
    /// One word for why: `Applied`, `PartlyLost`, `Lost`, `OtherNode`, `NoVfs`, `NoPf`,
    /// `PfMissing`, `TooManyVfs`, `Unsupported`, `HeldBack`, or what is wrong with the object.
    pub reason: String,
    /// Where, or why not.
    pub detail: Vec<String>,
    /// Whether it is what is in the way on a PF, and told there.
    #[serde(skip)]
    pub is_in_the_way: bool,
}

/// How a PF is of which that is still to be done; nothing is left where there is no lane.
pub fn lane(lane: Option<&Lane>) -> (State, Vec<String>) {
    let Some(lane) = lane else { return (State::InForce, Vec::new()) };
    let blocked = lane.blocked.as_slice();
    let state = if blocked.iter().all(Blocked::is_work) {
        State::Pending
    } else if blocked.iter().all(Blocked::is_wait) {
        State::Waits
    } else {
        State::Failed
    };
    let blocked = lane.blocked.iter().map(ToString::to_string);
    let steps = lane.steps.first().map(|step| match lane.steps.len() {
        1 => format!("to do: {step}"),
        more => format!("to do: {step}, and {} more", more - 1),
    });
    (state, blocked.chain(steps).collect())
}

/// How every policy is of which `plan` is still to be done, by name; those too that are invalid.
pub fn policies(situation: &Situation, plan: &Plan) -> Vec<PolicyStatus> {
    let known = situation.desired().policies.keys().cloned();
    let names: BTreeSet<String> = known.chain(situation.invalid_policies()).collect();
    names.iter().map(|name| policy(situation, plan, name)).collect()
}

/// How the policy `name` is of which `plan` is still to be done.
pub fn policy(situation: &Situation, plan: &Plan, name: &str) -> PolicyStatus {
    let status = |state, reason: &str, detail| PolicyStatus {
        name: name.to_owned(),
        state,
        reason: reason.to_owned(),
        detail,
        is_in_the_way: false,
    };
    let outcome = situation.desired().policies.get(name);
    if let Some((problem, is_kept)) = situation.unusable_policy(name) {
        let kept = if is_kept { " (the version before stays in force)" } else { "" };
        return status(State::Failed, problem.reason(), vec![format!("{problem}{kept}")]);
    }
    let Some(outcome) = outcome else { return status(State::NotHere, "Gone", Vec::new()) };
    if let Some(why) = &outcome.no_match {
        let state = if outcome.absence().is_some() { State::Failed } else { State::NotHere };
        return status(state, why.reason(), vec![why.to_string()]);
    }
    let (state, reason) = on_pfs(outcome, plan);
    let label = |pf| situation.snapshot.label(pf);
    let detail =
        outcome.pfs.iter().map(|(pf, verdict)| format!("{}: {}", label(*pf), said(verdict)));
    match outcome.lacking() {
        Some(lacking) => status(State::Failed, "PfMissing", detail.chain([lacking]).collect()),
        None => PolicyStatus {
            is_in_the_way: state == State::Failed,
            ..status(state, reason, detail.collect())
        },
    }
}

/// The worst of all PFs that a policy is for, and why that. What it has lost on one matters where
/// it is in force on another.
fn on_pfs(outcome: &PolicyOutcome, plan: &Plan) -> (State, &'static str) {
    let one = |(pf, verdict): (&PciAddress, &Verdict)| match verdict {
        Verdict::Applied { .. } => (lane(plan.lane(*pf)).0, verdict.reason()),
        Verdict::PartlyLost { .. } => (lane(plan.lane(*pf)).0.max(State::InPart), verdict.reason()),
        Verdict::Lost { .. } => (State::NotHere, verdict.reason()),
        Verdict::Refused { .. } | Verdict::HeldBack { .. } => (State::Failed, verdict.reason()),
    };
    let all = outcome.pfs.iter().map(one);
    let worst = all.clone().max_by_key(|(state, _)| *state).unwrap_or((State::InForce, "Applied"));
    let is_lost_somewhere = all.clone().any(|(state, _)| state == State::NotHere);
    match worst {
        (State::InForce, _) if is_lost_somewhere => (State::InPart, "PartlyLost"),
        (State::Pending | State::Waits, _) if is_lost_somewhere => (worst.0, "PartlyLost"),
        worst => worst,
    }
}

fn said(verdict: &Verdict) -> String {
    let joined = |items: Vec<String>| items.join("; ");
    match verdict {
        Verdict::Applied { ranges } => vfs(ranges),
        Verdict::PartlyLost { ranges, lost } => {
            let lost = joined(lost.iter().map(ToString::to_string).collect());
            format!("{}; {lost}", vfs(ranges))
        }
        Verdict::Lost { lost } => joined(lost.iter().map(ToString::to_string).collect()),
        Verdict::Refused { refusals: why } | Verdict::HeldBack { by: why } => {
            joined(why.iter().map(ToString::to_string).collect())
        }
    }
}

fn vfs(ranges: &[VfRange]) -> String {
    let ranges: Vec<String> = ranges.iter().map(ToString::to_string).collect();
    format!("VFs {}", ranges.join(", "))
}

impl Situation {
    /// The names of policies that are invalid as they are written.
    pub fn invalid_policies(&self) -> BTreeSet<String> {
        let objects = self.objects.problems.iter().filter_map(Problem::object);
        let policies = objects.filter(|at| **at == ObjectRef::policy(&at.name));
        policies.filter(|at| !at.name.is_empty()).map(|at| at.name.clone()).collect()
    }

    /// What keeps the policy `name` from being used as it is written, and whether an older version
    /// is in force; `None` when it is as written.
    fn unusable_policy(&self, name: &str) -> Option<(&Problem, bool)> {
        let at = ObjectRef::policy(name);
        let known = self.objects.known.iter().find(|known| known.at == at);
        let problem = self.objects.problems.iter().find(|problem| problem.object() == Some(&at))?;
        match known {
            Some(known) if !known.kept => None,
            known => Some((problem, known.is_some())),
        }
    }
}
