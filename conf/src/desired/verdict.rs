//! What became of a policy, in words.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{IfName, PciAddress, VfRange, Violation};

/// What messages call a PF: `ens1f0 (0000:01:00.0)`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PfLabel {
    /// Where it is.
    pub address: PciAddress,
    /// Its netdev's name, when it has one.
    pub name: Option<IfName>,
}

impl fmt::Display for PfLabel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            Some(name) => write!(f, "{name} ({})", self.address),
            None => self.address.fmt(f),
        }
    }
}

/// Why nothing on a PF may be touched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "reason")]
pub enum Refusal {
    /// A policy wants more VFs than the PF can have.
    TooManyVfs {
        /// The policy.
        policy: String,
        /// The PF.
        pf: PfLabel,
        /// `numVfs` of the policy.
        wanted: u16,
        /// `sriov_totalvfs` of the PF.
        limit: u16,
    },
    /// A policy asks for something that is not implemented yet.
    Unsupported {
        /// The policy.
        policy: String,
        /// The PF.
        pf: PfLabel,
        /// What it asks for.
        field: Violation,
    },
}

impl Refusal {
    /// The policy whose wish is refused.
    pub fn policy(&self) -> &str {
        match self {
            Self::TooManyVfs { policy, .. } | Self::Unsupported { policy, .. } => policy,
        }
    }

    /// One word for conditions and metrics.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::TooManyVfs { .. } => "TooManyVfs",
            Self::Unsupported { .. } => "Unsupported",
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooManyVfs { policy, pf, wanted, limit: 0 } => write!(
                f,
                "policy {policy} wants {wanted} VFs on {pf}, which can have none: SR-IOV is off in \
                 its firmware; see `railhead doctor`"
            ),
            Self::TooManyVfs { policy, pf, wanted, limit } => write!(
                f,
                "policy {policy} wants {wanted} VFs on {pf}, which can have {limit} at most; \
                 lower numVfs"
            ),
            Self::Unsupported { policy, pf, field } => {
                write!(f, "policy {policy} on {pf}: {field}")
            }
        }
    }
}

/// A wish of a policy that another policy overrides on one PF.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Loss {
    /// The wish: `VFs 0-3` or `eSwitchMode switchdev`.
    pub wish: String,
    /// The policy that overrides it.
    pub to: String,
    /// Why that one: `priority 10 beats 99`.
    pub why: String,
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} lost to policy {} ({})", self.wish, self.to, self.why)
    }
}

/// What became of a policy on one PF that it matches.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "verdict")]
pub enum Verdict {
    /// All that it asks for is in force.
    Applied {
        /// Its VFs.
        ranges: Vec<VfRange>,
    },
    /// A part is in force.
    PartlyLost {
        /// Its VFs.
        ranges: Vec<VfRange>,
        /// What is not.
        lost: Vec<Loss>,
    },
    /// None of its VFs are in force.
    Lost {
        /// All that it lost.
        lost: Vec<Loss>,
    },
    /// It asks for what cannot be done; nothing on the PF is touched.
    Refused {
        /// Why.
        refusals: Vec<Refusal>,
    },
    /// It could be done, but the PF is not touched because of another policy.
    HeldBack {
        /// Why.
        by: Vec<Refusal>,
    },
}

impl Verdict {
    /// One word for conditions and metrics.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Applied { .. } => "Applied",
            Self::PartlyLost { .. } => "PartlyLost",
            Self::Lost { .. } => "Lost",
            Self::Refused { refusals } => refusals.first().map_or("Refused", Refusal::reason),
            Self::HeldBack { .. } => "HeldBack",
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Applied { ranges } => write!(f, "gives VFs {}", join(ranges, ", ")),
            Self::PartlyLost { ranges, lost } => {
                write!(f, "gives VFs {}; {}", join(ranges, ", "), join(lost, "; "))
            }
            Self::Lost { lost } => f.write_str(&join(lost, "; ")),
            Self::Refused { refusals } => f.write_str(&join(refusals, "; ")),
            Self::HeldBack { by } => {
                write!(f, "held back, nothing on this PF is touched: {}", join(by, "; "))
            }
        }
    }
}

fn join<T: fmt::Display>(items: &[T], separator: &str) -> String {
    items.iter().map(ToString::to_string).collect::<Vec<_>>().join(separator)
}

/// Why a policy matches nothing on this node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "reason")]
pub enum NoMatch {
    /// It is for other nodes.
    OtherNode {
        /// The label it wants, `KEY=VALUE`.
        label: String,
        /// The value that this node has under that key, if any.
        here: Option<String>,
    },
    /// It is for this node, but no PF meets its selector.
    NoPf {
        /// Which part of the selector nothing meets, and what there is instead.
        why: String,
    },
    /// It asks for no VFs.
    NoVfs,
}

impl NoMatch {
    /// One word for conditions and metrics.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::OtherNode { .. } => "OtherNode",
            Self::NoPf { .. } => "NoPf",
            Self::NoVfs => "NoVfs",
        }
    }
}

impl fmt::Display for NoMatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OtherNode { label, here: None } => {
                write!(f, "for other nodes: this one has no label {label}")
            }
            Self::OtherNode { label, here: Some(here) } => {
                write!(f, "for other nodes: label {label} is {here:?} here")
            }
            Self::NoPf { why } => f.write_str(why),
            Self::NoVfs => f.write_str("asks for no VFs: numVfs is 0"),
        }
    }
}

/// What became of one policy on this node.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct PolicyOutcome {
    /// By PF that it matches.
    pub pfs: BTreeMap<PciAddress, Verdict>,
    /// Why it matches no PF, when it does not.
    pub no_match: Option<NoMatch>,
    /// PF names and addresses of its selector that no PF of this node has, though others match.
    pub unmatched: Vec<String>,
    /// What these may be called now, a sentence each.
    #[serde(default)]
    pub hints: Vec<String>,
    /// What else that it names is, a sentence each: it is here, and no PF.
    #[serde(default)]
    pub others: Vec<String>,
}

impl PolicyOutcome {
    /// What it names and this host does not have, in words; `None` when there is all of it.
    pub fn lacking(&self) -> Option<String> {
        let is_lacking = !self.unmatched.is_empty();
        let lacking = is_lacking.then(|| format!("this host has no {}", self.unmatched.join(", ")));
        let hints = self.hints.iter().filter(|_| is_lacking);
        let all: Vec<String> =
            lacking.into_iter().chain(hints.cloned()).chain(self.others.clone()).collect();
        (!all.is_empty()).then(|| all.join("; "))
    }

    /// Why this host cannot do all that it asks for, whatever other policies there are: it has
    /// none of the PFs, or not all of them.
    pub fn absence(&self) -> Option<String> {
        match &self.no_match {
            Some(NoMatch::NoPf { why }) => Some(why.clone()),
            Some(NoMatch::OtherNode { .. } | NoMatch::NoVfs) => None,
            None => self.lacking(),
        }
    }
}
