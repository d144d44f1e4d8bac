//! How the node is: the daemon, PFs, policies and pools.

use conf::desired::{NoMatch, PolicyOutcome, Verdict};
use conf::{PciAddress, VfRange};
use serde::Serialize;

use super::{Cell, Table, Tone, View};
use crate::pause::Pause;
use crate::plan::{Blocked, Lane, Plan};
use crate::service::protocol::{Activity, DaemonStatus};
use crate::situation::Situation;
use crate::snapshot::Snapshot;
use crate::trial::{self, Tried};

mod pools;

pub use pools::{PoolStatus, Pools};

/// How the node is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    /// The node's name.
    pub node: String,
    /// The daemon; absent where none runs.
    pub daemon: Option<Daemon>,
    /// Who has paused repairs; absent where nobody has.
    pub pause: Option<Pause>,
    /// Objects on trial, or that nobody confirmed; absent where there are none.
    pub trial: Option<Tried>,
    /// The PFs that some policy shapes, or shaped.
    pub pfs: Vec<PfStatus>,
    /// The policies.
    pub policies: Vec<PolicyStatus>,
    /// The pools that have, or should have, a block on this node.
    pub pools: Vec<PoolStatus>,
}

/// How the daemon is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Daemon {
    /// Its process.
    pub pid: u32,
    /// Its version.
    pub version: String,
    /// What it does.
    pub activity: Activity,
    /// How many passes it has made.
    pub passes: u64,
}

/// Whether something is as wished.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum State {
    /// It is.
    InForce,
    /// It will be when somebody who uses a VF is gone.
    Waits,
    /// It will be after the next pass.
    Pending,
    /// It does not matter here.
    NotHere,
    /// It is not.
    Failed,
}

/// How a PF is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PfStatus {
    /// Its PCI address.
    pub pci_address: PciAddress,
    /// What a person calls it.
    pub label: String,
    /// How many VFs it has.
    pub num_vfs: u16,
    /// How many of them are in use.
    pub used_vfs: usize,
    /// The policies that shape it.
    pub policies: Vec<String>,
    /// Whether it is as wished.
    pub state: State,
    /// Why not.
    pub detail: Vec<String>,
}

/// How a policy is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PolicyStatus {
    /// Its name.
    pub name: String,
    /// Whether it is in force.
    pub state: State,
    /// Where, or why not.
    pub detail: Vec<String>,
}

impl Status {
    /// How the node is, of which `plan` is the plan.
    pub fn of(
        situation: &Situation,
        plan: &Plan,
        pools: &Pools<'_>,
        daemon: Option<&DaemonStatus>,
        pause: Option<Pause>,
    ) -> Self {
        let policies = situation.desired().policies.iter();
        let pfs = situation.desired().pfs.keys().chain(situation.ownership.keys());
        let mut pfs: Vec<PciAddress> = pfs.copied().collect();
        pfs.sort();
        pfs.dedup();
        Self {
            node: situation.loaded.node.name.to_string(),
            daemon: daemon.map(|daemon| Daemon {
                pid: daemon.pid,
                version: daemon.version.clone(),
                activity: daemon.activity,
                passes: daemon.passes,
            }),
            pause,
            trial: situation.trial.clone(),
            pfs: pfs.into_iter().map(|pf| pf_status(pf, situation, plan)).collect(),
            policies: policies
                .map(|(name, outcome)| policy_status(name, outcome, &situation.snapshot, plan))
                .collect(),
            pools: pools.status(),
        }
    }

    /// Whether all that concerns this node is in force.
    pub fn is_in_force(&self) -> bool {
        let pfs = self.pfs.iter().map(|pf| pf.state);
        let policies = self.policies.iter().map(|policy| policy.state);
        let pools = self.pools.iter().map(|pool| pool.state);
        pfs.chain(policies)
            .chain(pools)
            .all(|state| matches!(state, State::InForce | State::NotHere))
            && !self.trial.as_ref().is_some_and(|trial| trial.state == trial::State::Refused)
    }
}

fn pf_status(address: PciAddress, situation: &Situation, plan: &Plan) -> PfStatus {
    let pf = situation.snapshot.pfs.get(&address);
    let (state, detail) = lane_status(plan.lane(address));
    let policies = situation.desired().pfs.get(&address).map(|pf| pf.policies.clone());
    PfStatus {
        pci_address: address,
        label: situation.snapshot.label(address),
        num_vfs: pf.map_or(0, |pf| pf.num_vfs),
        used_vfs: pf.map_or(0, |pf| pf.users().count()),
        policies: policies.unwrap_or_default(),
        state,
        detail,
    }
}

/// How a PF is of which that is still to be done; nothing is left where there is no lane.
pub(super) fn lane_status(lane: Option<&Lane>) -> (State, Vec<String>) {
    let Some(lane) = lane else { return (State::InForce, Vec::new()) };
    let state = match (lane.blocked.is_empty(), lane.blocked.iter().all(Blocked::is_wait)) {
        (true, _) => State::Pending,
        (false, true) => State::Waits,
        (false, false) => State::Failed,
    };
    let blocked = lane.blocked.iter().map(ToString::to_string);
    let steps = lane.steps.first().map(|step| match lane.steps.len() {
        1 => format!("to do: {step}"),
        more => format!("to do: {step}, and {} more", more - 1),
    });
    (state, blocked.chain(steps).collect())
}

fn policy_status(
    name: &str,
    outcome: &PolicyOutcome,
    snapshot: &Snapshot,
    plan: &Plan,
) -> PolicyStatus {
    let status = |state, detail| PolicyStatus { name: name.to_owned(), state, detail };
    match &outcome.no_match {
        Some(NoMatch::OtherNode { label, .. }) => {
            return status(State::NotHere, vec![format!("for nodes with {label}")]);
        }
        Some(NoMatch::NoVfs) => {
            return status(State::NotHere, vec!["asks for no VFs".to_owned()]);
        }
        Some(NoMatch::NoPf { why }) => return status(State::Failed, vec![why.clone()]),
        None => {}
    }
    let mut worst = State::InForce;
    let mut detail = Vec::new();
    for (pf, verdict) in &outcome.pfs {
        let (state, said) = verdict_status(verdict, plan.lane(*pf));
        worst = worse(worst, state);
        detail.push(format!("{}: {said}", snapshot.label(*pf)));
    }
    if let Some(lacking) = outcome.lacking() {
        worst = State::Failed;
        detail.push(lacking);
    }
    status(worst, detail)
}

fn verdict_status(verdict: &Verdict, lane: Option<&Lane>) -> (State, String) {
    let joined = |items: Vec<String>| items.join("; ");
    match verdict {
        Verdict::Applied { ranges } => (lane_status(lane).0, vfs(ranges)),
        Verdict::PartlyLost { ranges, lost } => {
            let lost = joined(lost.iter().map(ToString::to_string).collect());
            (lane_status(lane).0, format!("{}; {lost}", vfs(ranges)))
        }
        Verdict::Lost { lost } => {
            (State::NotHere, joined(lost.iter().map(ToString::to_string).collect()))
        }
        Verdict::Refused { refusals: why } | Verdict::HeldBack { by: why } => {
            (State::Failed, joined(why.iter().map(ToString::to_string).collect()))
        }
    }
}

fn vfs(ranges: &[VfRange]) -> String {
    let ranges: Vec<String> = ranges.iter().map(ToString::to_string).collect();
    format!("VFs {}", ranges.join(", "))
}

fn worse(one: State, other: State) -> State {
    let rank = |state| match state {
        State::NotHere => 0,
        State::InForce => 1,
        State::Pending => 2,
        State::Waits => 3,
        State::Failed => 4,
    };
    if rank(other) > rank(one) { other } else { one }
}

impl View for Status {
    fn tables(&self) -> Vec<Table> {
        let mut node = Table::new(["NODE", "DAEMON"]);
        node.row([Cell::new(&self.node), daemon(self.daemon.as_ref())]);
        let mut pfs =
            Table::new(["PF", "PCI ADDRESS", "VFS", "IN USE", "POLICIES", "STATE", "DETAIL"]);
        for pf in &self.pfs {
            let row = [
                Cell::new(&pf.label),
                Cell::new(pf.pci_address),
                Cell::number(pf.num_vfs),
                Cell::number(pf.used_vfs),
                Cell::new(pf.policies.join(", ")),
                state(pf.state),
            ];
            pfs.row_with(row, &pf.detail);
        }
        let mut policies = Table::new(["POLICY", "STATE", "DETAIL"]);
        for policy in &self.policies {
            policies.row_with([Cell::new(&policy.name), state(policy.state)], &policy.detail);
        }
        let mut pools = Table::new(["POOL", "BLOCK", "USED", "FREE", "STATE", "DETAIL"]);
        for pool in &self.pools {
            let row = [
                Cell::new(&pool.pool),
                Cell::maybe(pool.block),
                Cell::maybe_number(pool.used),
                Cell::maybe_number(pool.free.as_ref()),
                state(pool.state),
            ];
            pools.row_with(row, &pool.detail);
        }
        let mut pause = Table::new(["PAUSED"]);
        if let Some(paused) = &self.pause {
            pause.row([Cell::new(paused).tone(Tone::Warning)]);
        }
        let mut trial = Table::new(["TRIAL"]);
        if let Some(tried) = &self.trial {
            trial.row([Cell::new(tried).tone(Tone::Warning)]);
        }
        vec![node, pause, trial, pfs, policies, pools]
    }

    fn nothing(&self) -> &'static str {
        ""
    }
}

fn daemon(daemon: Option<&Daemon>) -> Cell {
    let Some(daemon) = daemon else {
        return Cell::new("not running: nothing is repaired by itself").tone(Tone::Warning);
    };
    let doing = match daemon.activity {
        Activity::Idle => "idle",
        Activity::Working => "at work",
    };
    Cell::new(format!(
        "{} (process {}, {doing}, {} passes)",
        daemon.version, daemon.pid, daemon.passes
    ))
}

/// The cell of a state.
pub(super) fn state(state: State) -> Cell {
    let (text, tone) = match state {
        State::InForce => ("in force", Tone::Good),
        State::Waits => ("waits", Tone::Warning),
        State::Pending => ("to do", Tone::Warning),
        State::NotHere => ("not here", Tone::Faint),
        State::Failed => ("failed", Tone::Bad),
    };
    Cell::new(text).tone(tone)
}
