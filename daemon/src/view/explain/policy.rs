//! Why a policy is in force or not.

use std::collections::BTreeSet;

use conf::ResourceName;
use conf::policy::Policy;
use serde::Serialize;

use super::{Cell, Fate, Table, Tone, fate, problem};
use crate::judge::{self, State};
use crate::plan::Plan;
use crate::situation::Situation;
use crate::source::ObjectRef;
use crate::view::status::state;

/// A policy, and its fate on every PF.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PolicyExplained {
    /// Its name.
    pub name: String,
    /// The resource that its VFs become; absent where no version of it can be used.
    pub resource: Option<ResourceName>,
    /// Its priority.
    pub priority: Option<u8>,
    /// Where it stands, `FILE:LINE`.
    pub origin: Option<String>,
    /// Whether it is in force, as `railhead status` has it.
    pub state: State,
    /// Why it cannot be used as it is written; an older version is in force where there was one.
    pub invalid: Option<String>,
    /// Why it is in force nowhere here, or what it names that is not here.
    pub nowhere: Option<String>,
    /// Its fate on each PF.
    pub pfs: Vec<Fate>,
}

/// The policies that are called `name`, or give VFs of the resource `name`.
pub(super) fn found(situation: &Situation, name: &str) -> BTreeSet<String> {
    let of_resource = situation.objects.policies().filter(|one| one.resource.as_str() == name);
    let names = of_resource.map(|policy| policy.name.clone());
    names.chain(all(situation).into_iter().filter(|known| known == name)).collect()
}

/// The names of all policies, also of those that are invalid.
pub(super) fn all(situation: &Situation) -> BTreeSet<String> {
    let known = situation.objects.policies().map(|policy| policy.name.clone());
    known.chain(situation.invalid_policies()).collect()
}

impl PolicyExplained {
    pub(super) fn of(situation: &Situation, plan: &Plan, name: &str) -> Self {
        let at = ObjectRef::policy(name);
        let known = situation.objects.known.iter().find(|known| known.at == at);
        let policy: Option<&Policy> = situation.objects.policies().find(|one| one.name == name);
        let pfs = situation.snapshot.pfs.values();
        Self {
            name: name.to_owned(),
            resource: policy.map(|policy| policy.resource.clone()),
            priority: policy.map(|policy| policy.priority.get()),
            origin: known.filter(|known| !known.kept).map(|known| known.origin.to_string()),
            state: judge::policy(situation, plan, name).state,
            invalid: problem(situation, name),
            nowhere: nowhere(situation, name),
            pfs: policy
                .map(|policy| pfs.map(|pf| fate(situation, policy, pf)).collect())
                .unwrap_or_default(),
        }
    }

    pub(super) fn tables(&self) -> Vec<Table> {
        let mut facts = Table::new(["POLICY", "RESOURCE", "PRIORITY", "STATE", "DETAIL"]);
        let (detail, tone) = match (&self.invalid, &self.nowhere) {
            (Some(why), _) if self.pfs.is_empty() => (why.clone(), Tone::Bad),
            (Some(why), _) => (format!("an older version is in force: {why}"), Tone::Bad),
            (None, Some(why)) => (why.clone(), Tone::Warning),
            (None, None) => (String::new(), Tone::Plain),
        };
        facts.row([
            Cell::new(&self.name),
            Cell::maybe(self.resource.as_ref()),
            Cell::maybe_number(self.priority),
            state(self.state),
            Cell::new(detail).tone(tone),
        ]);
        let mut pfs = Table::new(["PF", "PCI ADDRESS", "HERE", "WHY"]);
        for fate in &self.pfs {
            pfs.row([
                Cell::new(&fate.pf),
                Cell::new(fate.pci_address),
                fate.reason_cell(),
                Cell::new(&fate.detail),
            ]);
        }
        vec![facts, pfs]
    }
}

fn nowhere(situation: &Situation, name: &str) -> Option<String> {
    let outcome = situation.desired().policies.get(name)?;
    match &outcome.no_match {
        Some(why) => Some(why.to_string()),
        None => outcome.lacking(),
    }
}
