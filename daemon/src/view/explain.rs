//! Why a PF, a VF or a policy is as it is.
//!
//! ```text
//! NAME --> PFs by name, altname, address ------+
//!     +--> VFs by name, address, PF#INDEX -----+--> Explained
//!     +--> policies by name, resource ---------+
//! ```
//!
//! One name may mean several things: all of them are told.

use conf::desired::{NoMatch, misses};
use conf::policy::Policy;
use conf::{PciAddress, VfIndex};
use serde::Serialize;

use super::{Cell, Table, Tone, View};
use crate::plan::Plan;
use crate::situation::Situation;
use crate::snapshot::Pf;
use crate::source::ObjectRef;

mod pf;
mod policy;
mod vf;

pub use pf::{Group, PfExplained};
pub use policy::PolicyExplained;
pub use vf::VfExplained;

/// All that a name stands for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Explained {
    /// PFs.
    pub pfs: Vec<PfExplained>,
    /// VFs.
    pub vfs: Vec<VfExplained>,
    /// Policies, those of a resource too.
    pub policies: Vec<PolicyExplained>,
}

/// What became of one policy on one PF.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Fate {
    /// The policy.
    pub policy: String,
    /// Its priority; absent where the policy is invalid.
    pub priority: Option<u8>,
    /// What a person calls the PF.
    pub pf: String,
    /// The PF's address.
    pub pci_address: PciAddress,
    /// One word: `Applied`, `PartlyLost`, `Lost`, `TooManyVfs`, `Unsupported`, `HeldBack`,
    /// `NotSelected`, `OtherNode`, `NoVfs`, `Invalid`.
    pub reason: &'static str,
    /// The whole story.
    pub detail: String,
}

impl Explained {
    /// What `name` stands for, with `plan` as the plan of `situation`.
    pub fn of(situation: &Situation, plan: &Plan, name: &str) -> Self {
        let pfs = situation.snapshot.pfs.values();
        let (vfs, policies) = (vf::found(situation, name), policy::found(situation, name));
        Self {
            pfs: pfs
                .filter(|pf| pf.goes_by(name))
                .map(|pf| PfExplained::of(situation, plan, pf))
                .collect(),
            vfs: vfs
                .into_iter()
                .map(|(pf, index)| VfExplained::of(situation, plan, pf, index))
                .collect(),
            policies: policies
                .into_iter()
                .map(|name| PolicyExplained::of(situation, plan, &name))
                .collect(),
        }
    }

    /// Whether it stands for nothing.
    pub fn is_empty(&self) -> bool {
        self.pfs.is_empty() && self.vfs.is_empty() && self.policies.is_empty()
    }

    /// The names of PFs and policies that there are.
    pub fn names(situation: &Situation) -> Vec<String> {
        let pfs = situation.snapshot.pfs.values().map(|pf| format!("PF {}", pf.label()));
        let policies = policy::all(situation);
        pfs.chain(policies.into_iter().map(|name| format!("policy {name}"))).collect()
    }
}

/// What became of `policy` on `pf`.
fn fate(situation: &Situation, policy: &Policy, pf: &Pf) -> Fate {
    let outcome = situation.desired().policies.get(&policy.name);
    let verdict = outcome.and_then(|outcome| outcome.pfs.get(&pf.address));
    let elsewhere = outcome.and_then(|outcome| outcome.no_match.as_ref());
    let (reason, detail) = match (verdict, elsewhere) {
        (Some(verdict), _) => (verdict.reason(), verdict.to_string()),
        (None, Some(why @ (NoMatch::OtherNode { .. } | NoMatch::NoVfs))) => {
            (why.reason(), why.to_string())
        }
        (None, _) => ("NotSelected", missed(policy, pf)),
    };
    Fate {
        policy: policy.name.clone(),
        priority: Some(policy.priority.get()),
        pf: pf.label(),
        pci_address: pf.address,
        reason,
        detail,
    }
}

/// What `pf` lacks to be one that `policy` selects.
fn missed(policy: &Policy, pf: &Pf) -> String {
    let misses = misses(policy, &pf.into());
    misses.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

/// What keeps the policy `name` from being used as it is written.
fn problem(situation: &Situation, name: &str) -> Option<String> {
    let at = ObjectRef::policy(name);
    let mut problems = situation.objects.problems.iter();
    problems.find(|problem| problem.object() == Some(&at)).map(ToString::to_string)
}

impl Fate {
    fn tone(&self) -> Tone {
        match self.reason {
            "Applied" => Tone::Good,
            "PartlyLost" | "Lost" => Tone::Warning,
            "NotSelected" | "OtherNode" | "NoVfs" => Tone::Faint,
            _ => Tone::Bad,
        }
    }

    fn reason_cell(&self) -> Cell {
        Cell::new(self.reason).tone(self.tone())
    }
}

impl View for Explained {
    fn tables(&self) -> Vec<Table> {
        let pfs = self.pfs.iter().flat_map(PfExplained::tables);
        let vfs = (!self.vfs.is_empty()).then(|| vf::table(&self.vfs));
        let policies = self.policies.iter().flat_map(PolicyExplained::tables);
        pfs.chain(vfs).chain(policies).collect()
    }

    fn nothing(&self) -> &'static str {
        ""
    }
}
