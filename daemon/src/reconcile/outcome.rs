//! What a pass came to, object by object, in a form that travels: printed, sent over the socket.

use std::collections::BTreeMap;

use conf::PciAddress;
use serde::{Deserialize, Serialize};

use super::Pass;
use crate::apply::Failure;
use crate::judge::{self, PolicyStatus, State};
use crate::plan::{Blocked, Step};

/// What a pass came to.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Outcome {
    /// The pause because of which nothing was done, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pause: Option<String>,
    /// PFs that something was done to, or is still to be done.
    pub pfs: BTreeMap<PciAddress, PfOutcome>,
    /// Objects that are not in force, by kind and name, and why.
    pub objects: BTreeMap<String, String>,
    /// Policies that have no effect here, or not all of it, since others beat them, or since they
    /// are for others.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub without_effect: Vec<PolicyStatus>,
    /// Documents and files that are no objects, and whatever else went wrong.
    pub problems: Vec<String>,
    /// What is surely not meant, but harms nobody.
    pub notices: Vec<String>,
    /// What is none of railhead's business, or not yet.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub skipped: Vec<String>,
}

/// What a pass came to on one PF.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PfOutcome {
    /// What a person calls it.
    pub label: String,
    /// How many steps were done.
    pub done: usize,
    /// The steps that failed.
    pub failures: Vec<Failure>,
    /// What is still to be done.
    pub left: Vec<Step>,
    /// What is in the way.
    pub blocked: Vec<Blocked>,
}

/// A pass in a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict<'a> {
    /// Everything is as wished.
    InForce,
    /// Nothing is in the way but somebody who uses a VF.
    Waits,
    /// Something is not as wished.
    NotInForce,
    /// Somebody works on the NICs, as told, so that nothing was done.
    Paused(&'a str),
}

impl Outcome {
    /// What it came to, in a word.
    pub fn verdict(&self) -> Verdict<'_> {
        if let Some(pause) = &self.pause {
            Verdict::Paused(pause)
        } else if self.is_success() {
            Verdict::InForce
        } else if self.only_waits() && self.problems.is_empty() {
            Verdict::Waits
        } else {
            Verdict::NotInForce
        }
    }

    /// Whether no PF has anything in its way but somebody who uses a VF.
    pub fn only_waits(&self) -> bool {
        self.pfs.values().all(PfOutcome::only_waits)
    }

    /// Whether everything is as wished, and nothing went wrong.
    pub fn is_success(&self) -> bool {
        self.objects.is_empty()
            && self.problems.is_empty()
            && self.pfs.values().all(PfOutcome::is_success)
    }
}

impl PfOutcome {
    /// Whether the PF is as wished.
    pub fn is_success(&self) -> bool {
        self.has_only(|_| false)
    }

    /// Whether nothing is in its way but somebody who uses a VF.
    pub fn only_waits(&self) -> bool {
        self.has_only(Blocked::is_wait)
    }

    /// Whether nothing failed, and what is in its way waits for somebody or lasts anyway.
    pub fn is_at_rest(&self) -> bool {
        self.has_only(|blocked| blocked.is_wait() || blocked.lasts())
    }

    /// Whether nothing failed or is left to do, and all that is in its way is `fine`.
    fn has_only(&self, fine: impl Fn(&Blocked) -> bool) -> bool {
        self.failures.is_empty() && self.left.is_empty() && self.blocked.iter().all(fine)
    }
}

impl Pass {
    /// What it came to.
    pub fn outcome(&self) -> Outcome {
        let settings = self.situation.loaded.broken.iter().cloned();
        let objects = self.situation.objects.problems.iter().map(ToString::to_string);
        Outcome {
            pause: self.pause.as_ref().map(ToString::to_string),
            pfs: self.pf_outcomes(),
            objects: self.not_in_force(),
            without_effect: self.without_effect(),
            problems: settings.chain(objects).chain(self.troubles.iter().cloned()).collect(),
            notices: self.notices.iter().cloned().chain(self.situation.notices()).collect(),
            skipped: self.situation.objects.skipped.told(),
        }
    }

    fn pf_outcomes(&self) -> BTreeMap<PciAddress, PfOutcome> {
        let empty = |pf| PfOutcome {
            label: self.situation.snapshot.label(pf),
            done: 0,
            failures: Vec::new(),
            left: Vec::new(),
            blocked: Vec::new(),
        };
        let mut pfs: BTreeMap<PciAddress, PfOutcome> = BTreeMap::new();
        for (pf, lane) in &self.lanes {
            let outcome = pfs.entry(*pf).or_insert_with(|| empty(*pf));
            outcome.done = lane.done.len();
            outcome.failures.clone_from(&lane.failures);
        }
        for lane in &self.left.lanes {
            let outcome = pfs.entry(lane.pf).or_insert_with(|| empty(lane.pf));
            outcome.left.clone_from(&lane.steps);
            outcome.blocked.clone_from(&lane.blocked);
        }
        pfs
    }

    fn without_effect(&self) -> Vec<PolicyStatus> {
        let policies = judge::policies(&self.situation, &self.left);
        let lost = |policy: &PolicyStatus| matches!(policy.state, State::NotHere | State::InPart);
        policies.into_iter().filter(lost).collect()
    }

    fn not_in_force(&self) -> BTreeMap<String, String> {
        let policies = self
            .situation
            .desired()
            .policies
            .iter()
            .filter_map(|(name, outcome)| Some((format!("policy {name}"), outcome.absence()?)));
        let pools = self.pools.iter().filter(|(_, standing)| !standing.is_settled());
        policies.chain(pools.map(|(pool, why)| (pool.to_string(), why.to_string()))).collect()
    }
}
