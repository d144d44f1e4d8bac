//! How the node is: the daemon, PFs, policies and pools.

use conf::PciAddress;
use serde::Serialize;

use super::{Cell, Table, Tone, View};
use crate::fenced::Fenced;
use crate::judge::{self, PolicyStatus, State};
use crate::leftovers::Leftover;
use crate::pause::Pause;
use crate::plan::Plan;
use crate::service::protocol::{Activity, DaemonStatus};
use crate::situation::Situation;
use crate::snapshot::short;
use crate::trial::{self, Tried};

mod pools;

pub(super) use pools::table as pools_table;
pub use pools::{PoolStatus, Pools};

/// How the node is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    /// The node's name.
    pub node: String,
    /// The daemon; absent where none runs.
    pub daemon: Option<Daemon>,
    /// Why a daemon that runs has not said how it is; absent where it has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub daemon_silence: Option<String>,
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
    /// Records that outlive their attachments.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub leftovers: Vec<Leftover>,
    /// VFs that go to nobody until something is done.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub fenced: Vec<Fenced>,
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

impl Status {
    /// How the node is, of which `plan` is the plan.
    pub fn of(
        situation: &Situation,
        plan: &Plan,
        pools: &Pools<'_>,
        daemon: Option<&DaemonStatus>,
        pause: Option<Pause>,
        leftovers: Vec<Leftover>,
    ) -> Self {
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
            daemon_silence: None,
            pause,
            trial: situation.trial.clone(),
            pfs: pfs.into_iter().map(|pf| pf_status(pf, situation, plan)).collect(),
            policies: judge::policies(situation, plan),
            pools: pools.status(),
            leftovers,
            fenced: Vec::new(),
        }
    }

    /// The same with VFs that go to nobody.
    #[must_use]
    pub fn with_fenced(self, fenced: Vec<Fenced>) -> Self {
        Self { fenced, ..self }
    }

    /// The same beside a daemon that does not answer, which is told why.
    #[must_use]
    pub fn beside_silence(self, daemon_silence: Option<String>) -> Self {
        Self { daemon_silence, ..self }
    }

    /// Whether all that concerns this node is in force.
    pub fn is_in_force(&self) -> bool {
        let pfs = self.pfs.iter().map(|pf| pf.state);
        let policies = self.policies.iter().map(|policy| policy.state);
        let pools = self.pools.iter().map(|pool| pool.state);
        pfs.chain(policies).chain(pools).all(State::is_at_rest)
            && !self.trial.as_ref().is_some_and(|trial| trial.state == trial::State::Refused)
    }
}

fn pf_status(address: PciAddress, situation: &Situation, plan: &Plan) -> PfStatus {
    let pf = situation.snapshot.pfs.get(&address);
    let (state, detail) = judge::lane(plan.lane(address));
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

impl View for Status {
    fn tables(&self) -> Vec<Table> {
        let mut node = Table::new(["NODE", "DAEMON"]);
        let daemon = match &self.daemon_silence {
            Some(_) => Cell::new("does not answer").tone(Tone::Warning),
            None => daemon(self.daemon.as_ref()),
        };
        node.row([Cell::new(&self.node), daemon]);
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
        let policies = policies(&self.policies);
        let pools = pools_table(&self.pools);
        let mut pause = Table::new(["PAUSED"]);
        if let Some(paused) = &self.pause {
            pause.row([Cell::new(paused).tone(Tone::Warning)]);
        }
        let mut trial = Table::new(["TRIAL"]);
        if let Some(tried) = &self.trial {
            trial.row([Cell::new(tried).tone(Tone::Warning)]);
        }
        let mut leftovers = Table::new(["LEFT OF CONTAINER", "INTERFACE", "DETAIL"]);
        for left in &self.leftovers {
            let row = [Cell::new(short(left.container.as_str())), Cell::new(&left.interface)];
            leftovers.row_with(row, [&left.why, &left.clear]);
        }
        let mut fenced = Table::new(["FENCED VF", "CONTAINER", "DETAIL"]);
        for vf in &self.fenced {
            let container = short(vf.container.as_str());
            let row = [Cell::new(vf.pci_address).tone(Tone::Bad), Cell::new(container)];
            fenced.row_with(row, std::iter::once(&vf.why).chain(&vf.mend));
        }
        vec![node, pause, trial, pfs, policies, pools, leftovers, fenced]
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

/// The table of these policies.
pub(super) fn policies<'a>(all: impl IntoIterator<Item = &'a PolicyStatus>) -> Table {
    let mut table = Table::new(["POLICY", "STATE", "DETAIL"]);
    for policy in all {
        table.row_with([Cell::new(&policy.name), state(policy.state)], &policy.detail);
    }
    table
}

/// The cell of a state.
pub(super) fn state(state: State) -> Cell {
    let (text, tone) = match state {
        State::InForce => ("in force", Tone::Good),
        State::InPart => ("in part", Tone::Warning),
        State::Waits => ("waits", Tone::Warning),
        State::Pending => ("to do", Tone::Warning),
        State::NotHere => ("not here", Tone::Faint),
        State::Failed => ("failed", Tone::Bad),
    };
    Cell::new(text).tone(tone)
}
