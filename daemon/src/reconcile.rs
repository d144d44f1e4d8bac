//! One pass: look, plan, apply, look again, report.
//!
//! ```text
//! Written --> Situation --> plan --> apply --> Situation --> plan: empty?
//!                             ^                               | no, and something was done
//!                             +-------------------------------+
//!             --> claims, last good, node state
//! ```
//!
//! Success is never believed: a PF is in force only when a fresh snapshot gives an empty plan.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::mpsc::Sender;

use conf::PciAddress;
use conf::block::PoolRef;
use conf::node_state::Condition;
use ipam::Moment;

use crate::apply::{self, Deadlines, Event, Job, LaneOutcome, Stop};
use crate::chain::Chain;
use crate::claims::{self, ClaimError, Standing};
use crate::host::Host;
use crate::markers;
use crate::pause::{self, Pause};
use crate::plan::Plan;
use crate::report::{self, Facts, PfFate, Report as _, Timestamp};
use crate::settings;
use crate::situation::{Situation, SituationError, Written};
use crate::snapshot::Pf;
use crate::source;
use crate::trial;

mod leases;
mod outcome;
mod reclaim;
mod stragglers;

pub use outcome::{Outcome, PfOutcome, Verdict};

/// A second round is for what a driver did besides what it was asked for; whatever is left after
/// the third does not converge.
const ROUNDS: usize = 3;

/// What a pass came to.
#[derive(Debug)]
pub struct Pass {
    /// What was to be done before anything was.
    pub planned: Plan,
    /// What is and what should be, after all that was done.
    pub situation: Situation,
    /// What is still to be done.
    pub left: Plan,
    /// What became of the lanes.
    pub lanes: BTreeMap<PciAddress, LaneOutcome>,
    /// How this node stands with each pool.
    pub pools: BTreeMap<PoolRef, Standing>,
    /// What is told of it: a condition for every PF, policy and pool, and one for it all.
    pub conditions: Vec<Condition>,
    /// Processes whose end may be that of an attachment, of which nothing else would tell.
    pub keepers: BTreeSet<u32>,
    /// What went wrong besides PFs and pools.
    pub troubles: Vec<String>,
    /// What harms nobody, and should be known.
    pub notices: Vec<String>,
    /// The pause because of which nothing was done.
    pub pause: Option<Pause>,
}

/// Brings the host to what is written; during a pause only looks and reports.
pub fn reconcile(
    host: &Host,
    written: &Written,
    deadlines: Deadlines,
    stop: &Stop,
    events: &Sender<Event>,
) -> Result<Pass, SituationError> {
    let now = Timestamp::now();
    if let Some(pause) = pause::load(host.root(), now)? {
        return look(host, written, pause);
    }
    let mut troubles = Vec::new();
    if let Err(error) = pause::tidy(host.root(), now) {
        troubles.push(Chain(&error).to_string());
    }
    let mut lanes: BTreeMap<PciAddress, LaneOutcome> = BTreeMap::new();
    let mut situation = Situation::look(host, written)?;
    set_damaged_aside(host, &situation, &mut troubles);
    let reclaim::Found { any, keepers, untold: notices } =
        reclaim::dead_attachments(host, &situation.snapshot, &mut troubles);
    if any {
        situation = Situation::look(host, written)?;
    }
    leases::settle(host, &mut troubles);
    record_owners(host, &mut situation, &mut troubles);
    // Before any is bound: at the first event of its interface udev must know what it is.
    markers::settle(host, &situation, &mut troubles);
    let planned = situation.plan();
    let mut left = planned.clone();
    for _ in 0..ROUNDS {
        if !host.is_live() {
            break;
        }
        if left.steps() == 0 {
            if !stragglers::wait(&left, deadlines.straggler)? {
                break;
            }
            situation = Situation::look(host, written)?;
            left = situation.plan();
        }
        let owners = situation.owners();
        let job = Job {
            host,
            snapshot: &situation.snapshot,
            guard: &situation.loaded.settings.guard,
            ownership: &situation.ownership,
            owners: &owners,
            deadlines,
            stop,
        };
        let done = apply::apply(job, &left, events);
        let has_failed = done.values().any(|lane| !lane.failures.is_empty());
        for (pf, lane) in done {
            lanes.entry(pf).or_default().add(lane);
        }
        situation = Situation::look(host, written)?;
        let before = std::mem::replace(&mut left, situation.plan());
        if has_failed || left == before || stop.is_asked() {
            break;
        }
    }
    if !lanes.is_empty() {
        markers::settle(host, &situation, &mut troubles);
    }
    let pools = settle_pools(host, &situation, true, &mut troubles);
    if situation.trial.is_some() {
        settle_trial(host, &mut troubles);
    }
    let pass =
        Pass { lanes, keepers, notices, ..Pass::of(planned, situation, left, pools, troubles) };
    Ok(publish(host, pass))
}

/// A pass during a pause: nothing changes but the report.
fn look(host: &Host, written: &Written, pause: Pause) -> Result<Pass, SituationError> {
    let mut troubles = Vec::new();
    let situation = Situation::look(host, written)?;
    let pools = settle_pools(host, &situation, false, &mut troubles);
    let planned = situation.plan();
    let left = planned.clone();
    let pass = Pass { pause: Some(pause), ..Pass::of(planned, situation, left, pools, troubles) };
    Ok(publish(host, pass))
}

impl Pass {
    /// One that has done nothing, and is not published yet.
    fn of(
        planned: Plan,
        situation: Situation,
        left: Plan,
        pools: BTreeMap<PoolRef, Standing>,
        troubles: Vec<String>,
    ) -> Self {
        Self {
            planned,
            situation,
            left,
            lanes: BTreeMap::new(),
            pools,
            conditions: Vec::new(),
            keepers: BTreeSet::new(),
            troubles,
            notices: Vec::new(),
            pause: None,
        }
    }
}

/// Tells of damaged journal files once, and puts them where they can be looked at.
fn set_damaged_aside(host: &Host, situation: &Situation, troubles: &mut Vec<String>) {
    for damaged in &situation.damaged {
        troubles.push(damaged.to_string());
        if let Err(error) = host.journal().set_aside(damaged) {
            troubles.push(format!("rename {}: {error}", damaged.path.display()));
        }
    }
}

/// Writes into the journal who asks, and by which names, where that is different by now: the
/// messages of an undo name them, and a PF that was renamed is known by what it was called.
fn record_owners(host: &Host, situation: &mut Situation, troubles: &mut Vec<String>) {
    for (pf, owners) in situation.owners() {
        let found = situation.snapshot.pfs.get(&pf);
        let names: Vec<String> = found.into_iter().flat_map(Pf::names).map(str::to_owned).collect();
        let Some(entry) = situation.ownership.get_mut(&pf) else { continue };
        if entry.owners != owners || entry.names != names {
            (entry.owners, entry.names) = (owners, names);
            if let Err(error) = host.journal().write(pf, entry) {
                troubles.push(Chain(&error).to_string());
            }
        }
    }
}

/// Puts files and host in agreement when objects on trial were undone.
fn settle_trial(host: &Host, troubles: &mut Vec<String>) {
    match trial::settle(host) {
        Ok(None) => {}
        Ok(Some(refused)) => troubles.push(refused.to_string()),
        Err(error) => troubles.push(Chain(&error).to_string()),
    }
}

/// Sees to this node's address blocks, or only judges them.
fn settle_pools(
    host: &Host,
    situation: &Situation,
    writes: bool,
    troubles: &mut Vec<String>,
) -> BTreeMap<PoolRef, Standing> {
    let settings = &situation.loaded.settings;
    let node = &situation.loaded.node;
    let settled = Moment::now().map_err(ClaimError::from).and_then(|now| {
        let make = if writes { claims::Directory::new } else { claims::Directory::looking };
        let claims = make(host.root(), &node.name, settings, now);
        claims::settle(&claims, &situation.objects, node)
    });
    settled.unwrap_or_else(|error| {
        troubles.push(Chain(&error).to_string());
        BTreeMap::new()
    })
}

/// Saves what must outlive a reboot and tells others how it went, where that is news.
fn publish(host: &Host, mut pass: Pass) -> Pass {
    if let Err(error) = settings::save_last_good(host.root(), &pass.situation.loaded) {
        pass.troubles.push(Chain(&error).to_string());
    }
    if let Err(error) = source::save_last_good(host.root(), &pass.situation.objects) {
        pass.troubles.push(Chain(&error).to_string());
    }
    let state = report::build(&Facts {
        node: &pass.situation.loaded.node.name,
        snapshot: &pass.situation.snapshot,
        desired: pass.situation.desired(),
        fates: &pass.fates(),
        pools: &pass.pools,
        objects: &pass.situation.objects,
        now: Timestamp::now(),
    });
    if let Err(error) = report::Directory::new(host.root()).publish(&state) {
        pass.troubles.push(Chain(&error).to_string());
    }
    pass.conditions = state.status.conditions;
    pass
}

impl LaneOutcome {
    /// Adds what a later round came to.
    fn add(&mut self, later: Self) {
        self.done.extend(later.done);
        self.failures.extend(later.failures);
        self.skipped += later.skipped;
    }
}

impl Pass {
    /// How each PF that is wished for fared.
    pub fn fates(&self) -> BTreeMap<PciAddress, PfFate> {
        let wished = self.situation.desired().pfs.keys();
        wished.map(|pf| (*pf, self.fate(*pf))).collect()
    }

    fn fate(&self, pf: PciAddress) -> PfFate {
        if let Some(failure) = self.lanes.get(&pf).and_then(|lane| lane.failures.first()) {
            return PfFate::Failed {
                reason: failure.reason.clone(),
                message: format!("{}: {}", failure.step, failure.message),
            };
        }
        let Some(lane) = self.left.lane(pf) else { return PfFate::InForce };
        if let Some(pause) = &self.pause {
            return PfFate::Working { message: pause.to_string() };
        }
        match (lane.blocked.iter().find(|blocked| !blocked.is_wait()), lane.blocked.first()) {
            (Some(blocked), _) => {
                PfFate::Failed { reason: blocked.reason().to_owned(), message: blocked.to_string() }
            }
            (None, Some(waiting)) => PfFate::Working { message: waiting.to_string() },
            (None, None) => PfFate::Failed {
                reason: "NotConverged".to_owned(),
                message: lane
                    .steps
                    .first()
                    .map_or_else(String::new, |step| format!("{step}: still to be done")),
            },
        }
    }
}
