//! What is to be done, and what was done.

use serde::Serialize;

use super::status::{self, PoolStatus};
use super::{Cell, Table, Tone, View};
use crate::judge::{PolicyStatus, State};
use crate::plan::{Blocked, Disruption, Lane, Plan, Step};
use crate::reconcile::{Outcome, PfOutcome};

/// A plan, how each policy fares, and which blocks are to be claimed or given up.
#[derive(Debug, Clone, Serialize)]
pub struct Planned<'a> {
    /// The plan.
    #[serde(flatten)]
    pub plan: &'a Plan,
    /// The policies.
    pub policies: Vec<PolicyStatus>,
    /// The pools that have, or should have, a block on this node.
    pub pools: Vec<PoolStatus>,
    /// Whether all objects could be used that it was made from.
    #[serde(skip)]
    pub all_usable: bool,
}

impl Planned<'_> {
    /// Whether something cannot be as the objects want it, besides what is in the way on PFs.
    pub fn fails(&self) -> bool {
        self.states().any(|state| state == State::Failed)
    }

    /// Whether there is something to do.
    pub fn has_changes(&self) -> bool {
        !self.plan.is_empty() || self.pools.iter().any(|pool| pool.state == State::Pending)
    }

    fn states(&self) -> impl Iterator<Item = State> {
        let policies = self.policies.iter().map(|policy| policy.state);
        policies.chain(self.pools.iter().map(|pool| pool.state))
    }

    /// The policies that have no effect here, or not all of it, and are told of nowhere else.
    fn without_effect(&self) -> impl Iterator<Item = &PolicyStatus> {
        let untold = |policy: &&PolicyStatus| match policy.state {
            State::NotHere | State::InPart => true,
            State::Failed => !policy.is_in_the_way,
            State::Pending | State::Waits => policy.reason == "PartlyLost",
            State::InForce => false,
        };
        self.policies.iter().filter(untold)
    }
}

impl View for Planned<'_> {
    fn tables(&self) -> Vec<Table> {
        let mut steps = Table::new(["PF", "STEP", "DISTURBS", "ASKED FOR BY"]);
        let mut blocked = Table::new(["PF", "IN THE WAY"]);
        for lane in &self.plan.lanes {
            for (at, step) in lane.steps.iter().enumerate() {
                steps.row(step_row(if at == 0 { &lane.label } else { "" }, step));
            }
            for obstacle in &lane.blocked {
                blocked.row(blocked_row(lane, obstacle));
            }
        }
        let policies = status::policies(self.without_effect());
        let unsettled = |pool: &&PoolStatus| pool.state != State::InForce;
        let pools = status::pools_table(self.pools.iter().filter(unsettled));
        vec![steps, blocked, policies, pools]
    }

    fn nothing(&self) -> &'static str {
        nothing_to_do(self.all_usable)
    }

    fn conclusion(&self) -> Option<&'static str> {
        (!self.has_changes()).then(|| nothing_more(!self.fails() && self.all_usable))
    }
}

fn step_row(label: &str, step: &Step) -> [Cell; 4] {
    // An empty first cell, where `Cell::new` would say that there is nothing.
    let pf = if label.is_empty() { Cell::blank() } else { Cell::new(label) };
    [
        pf,
        Cell::new(step),
        Cell::new(step.disruption).tone(tone(step.disruption)),
        Cell::new(&step.asks),
    ]
}

fn tone(disruption: Disruption) -> Tone {
    match disruption {
        Disruption::None => Tone::Faint,
        Disruption::VfUsers => Tone::Warning,
        Disruption::WholeNic => Tone::Bad,
    }
}

fn blocked_row(lane: &Lane, blocked: &Blocked) -> [Cell; 2] {
    let tone = if blocked.is_wait() { Tone::Warning } else { Tone::Bad };
    [Cell::new(&lane.label), Cell::new(blocked).tone(tone)]
}

impl View for Outcome {
    fn tables(&self) -> Vec<Table> {
        let mut pfs = Table::new(["PF", "RESULT", "DONE", "DETAIL"]);
        for pf in self.pfs.values() {
            let (result, tone) = result(pf);
            let row =
                [Cell::new(&pf.label), Cell::new(result).tone(tone), Cell::new(steps(pf.done))];
            pfs.row_with(row, details(pf));
        }
        let mut objects = Table::new(["OBJECT", "NOT IN FORCE BECAUSE"]);
        for (object, why) in &self.objects {
            objects.row([Cell::new(object), Cell::new(why).tone(Tone::Bad)]);
        }
        vec![pfs, objects, status::policies(&self.without_effect)]
    }

    fn nothing(&self) -> &'static str {
        nothing_to_do(self.problems.is_empty())
    }

    fn conclusion(&self) -> Option<&'static str> {
        self.pfs.is_empty().then(|| nothing_more(self.is_success()))
    }
}

/// What is said in place of an empty table; what is wrong with unusable objects is told after it.
fn nothing_to_do(all_usable: bool) -> &'static str {
    if all_usable {
        "Nothing to do: everything is as the objects want it."
    } else {
        "Nothing to do for the objects that can be used."
    }
}

/// What is said below a table of what is without effect.
fn nothing_more(is_as_wished: bool) -> &'static str {
    if is_as_wished {
        "Nothing to do."
    } else {
        "Nothing to do, and something is not as the objects want it."
    }
}

fn steps(count: usize) -> String {
    match count {
        1 => "1 step".to_owned(),
        count => format!("{count} steps"),
    }
}

fn result(pf: &PfOutcome) -> (&'static str, Tone) {
    if pf.is_success() {
        ("in force", Tone::Good)
    } else if pf.only_waits() {
        ("waits", Tone::Warning)
    } else {
        ("failed", Tone::Bad)
    }
}

fn details(pf: &PfOutcome) -> Vec<String> {
    let failures =
        pf.failures.iter().map(|failure| format!("{}: {}", failure.step, failure.message));
    let blocked = pf.blocked.iter().map(ToString::to_string);
    let mut details: Vec<String> = failures.chain(blocked).collect();
    if details.is_empty() {
        details.extend(pf.left.iter().map(|step| format!("{step}: still to be done")));
    }
    details
}

#[cfg(test)]
mod tests;
