//! What has to be done so that the host looks as wished: pure, deterministic, printable.
//!
//! ```text
//! Wish      ---+
//! Snapshot  ---+--> plan() --> Plan { one Lane of Steps per PF, and what is in the way }
//! Ownership ---+
//! ```
//!
//! Nothing is left to decide when a step is executed. A lane whose PF nobody wishes any more
//! leads back to what the journal says was there before; a PF that is neither wished for nor in
//! the journal gets no lane, whatever is on it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use conf::PciAddress;
use conf::desired::Desired;
use serde::{Deserialize, Serialize};

use crate::journal::Ownership;
use crate::model::State;
use crate::snapshot::Snapshot;

mod blocked;
mod configure;
mod draft;
pub mod mac;
pub mod step;
mod undo;

pub use blocked::Blocked;
use draft::Draft;
pub use step::{Action, Asks, Binding, Disruption, Step};

/// What the objects and the settings ask for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Wish {
    /// All policies, folded for this node.
    pub desired: Desired,
    /// PFs that are left alone because an object that may be about them cannot be read, and why.
    pub held: BTreeMap<PciAddress, String>,
    /// PFs that may be interrupted although the machine's own traffic depends on them.
    pub may_interrupt: BTreeSet<PciAddress>,
}

/// What to do, PF by PF.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Plan {
    /// The PFs that are not as wished, in order of address. Lanes do not depend on each other.
    pub lanes: Vec<Lane>,
}

/// What to do on one PF.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lane {
    /// The PF.
    pub pf: PciAddress,
    /// Its netdev's name, else its address.
    pub label: String,
    /// The steps, in order.
    pub steps: Vec<Step>,
    /// What is in the way of more; the steps can be done all the same.
    pub blocked: Vec<Blocked>,
}

impl Plan {
    /// Whether everything is as wished.
    pub fn is_empty(&self) -> bool {
        self.lanes.is_empty()
    }

    /// What is to be done on `pf`; `None` when it is as wished.
    pub fn lane(&self, pf: PciAddress) -> Option<&Lane> {
        self.lanes.iter().find(|lane| lane.pf == pf)
    }

    /// How many steps there are.
    pub fn steps(&self) -> usize {
        self.lanes.iter().map(|lane| lane.steps.len()).sum()
    }

    /// How many wishes something is in the way of.
    pub fn blocked(&self) -> usize {
        self.lanes.iter().map(|lane| lane.blocked.len()).sum()
    }
}

/// Plans: pure, and the same for the same input.
pub fn plan(wish: &Wish, snapshot: &Snapshot, ownership: &Ownership) -> Plan {
    let known: BTreeSet<PciAddress> =
        wish.desired.pfs.keys().chain(ownership.keys()).chain(wish.held.keys()).copied().collect();
    let lanes = known
        .into_iter()
        .map(|address| lane(address, wish, snapshot, ownership))
        .filter(|lane| !lane.steps.is_empty() || !lane.blocked.is_empty())
        .collect();
    Plan { lanes }
}

fn lane(address: PciAddress, wish: &Wish, snapshot: &Snapshot, ownership: &Ownership) -> Lane {
    let entry = ownership.get(&address);
    let Some(pf) = snapshot.pfs.get(&address) else {
        return absent(address, snapshot, entry.is_some());
    };
    let state = State::of(snapshot, pf, entry);
    let may_interrupt = wish.may_interrupt.contains(&address);
    let drafted = match (wish.held.get(&address), wish.desired.pfs.get(&address), entry) {
        _ if pf.stuck.is_some() || pf.at_work.is_some() => changing(state),
        (Some(why), _, _) => Draft::blocked_by(state, Blocked::Held { why: why.clone() }),
        (None, Some(desired), _) => configure::draft(state, desired, may_interrupt),
        (None, None, Some(entry)) => undo::draft(state, entry, may_interrupt),
        (None, None, None) => Draft::nothing(state),
    };
    let (steps, blocked) = match snapshot.operator {
        Some(operator) if drafted.has_steps() => {
            (Vec::new(), vec![Blocked::OtherOperator { operator }])
        }
        _ => drafted.into_parts(),
    };
    Lane { pf: address, label: pf.label(), steps, blocked }
}

/// A PF that may be changing while we look: what is there now is not what is there then.
fn changing(state: State) -> Draft {
    match (state.pf.stuck.clone(), state.pf.at_work.clone()) {
        (Some(stuck), _) => Draft::blocked_by(state, Blocked::Stuck { stuck }),
        (None, Some(by)) => Draft::blocked_by(state, Blocked::AtWork { by }),
        (None, None) => Draft::nothing(state),
    }
}

/// A PF that is not there. What the journal says of it went with it; one that merely could not be
/// read is another matter.
fn absent(pf: PciAddress, snapshot: &Snapshot, in_journal: bool) -> Lane {
    let mut lane = Lane { pf, label: pf.to_string(), steps: Vec::new(), blocked: Vec::new() };
    match snapshot.unreadable.get(&pf) {
        Some(why) => lane.blocked.push(Blocked::Unreadable { why: why.clone() }),
        None if in_journal => lane.steps.push(Step {
            action: Action::Forget,
            disruption: Disruption::None,
            asks: Asks::Absence,
        }),
        None => {}
    }
    lane
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for lane in &self.lanes {
            lane.fmt(f)?;
        }
        Ok(())
    }
}

impl fmt::Display for Lane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let address = self.pf.to_string();
        if self.label == address {
            writeln!(f, "{address}")?;
        } else {
            writeln!(f, "{} ({address})", self.label)?;
        }
        let width = self.steps.iter().map(|step| step.to_string().len()).max().unwrap_or(0);
        for step in &self.steps {
            let text = step.to_string();
            writeln!(f, "  {text:width$}  {:9}  {}", step.disruption, step.asks)?;
        }
        for blocked in &self.blocked {
            writeln!(f, "  blocked: {blocked}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
