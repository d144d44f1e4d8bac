//! What is and what should be, taken together at one moment: everything that a plan is made from.
//!
//! ```text
//! settings, objects, last good --+
//! journal ----------------------+--> Situation --> Plan
//! observe ----------------------+
//! ```

use std::collections::{BTreeMap, BTreeSet};

use conf::PciAddress;
use conf::desired::{self, Desired};
use conf::policy::LinkType;
use ipam::durable::FileError;

use crate::claims::{self, Overlap};
use crate::host::Host;
use crate::journal::files::Damaged;
use crate::journal::{Owner, Ownership};
use crate::observe::observe_with;
use crate::other;
use crate::plan::{Plan, Wish, plan};
use crate::settings::{self, Loaded, Node, SettingsError};
use crate::snapshot::{Inherited, Pf, Snapshot};
use crate::source::{
    self, FileRefusal, Inputs, LastGoodError, ObjectRef, Objects, Problem, SourceError,
};
use crate::trial::{self, TrialError, Tried};

mod renamed;

/// What is and what should be.
#[derive(Debug, Clone)]
pub struct Situation {
    /// The settings, and which node this is.
    pub loaded: Loaded,
    /// The objects, with older versions of those that cannot be used.
    pub objects: Objects,
    /// What railhead answers for.
    pub ownership: Ownership,
    /// Journal files that are damaged.
    pub damaged: Vec<Damaged>,
    /// What the host looks like.
    pub snapshot: Snapshot,
    /// What it should look like.
    pub wish: Wish,
    /// How it stands with objects on trial.
    pub trial: Option<Tried>,
}

/// The wish's half: what the admin wrote.
#[derive(Debug, Clone)]
pub struct Written {
    /// The settings, and which node this is.
    pub loaded: Loaded,
    /// The objects, with older versions of those that cannot be used.
    pub objects: Objects,
    /// How it stands with objects on trial.
    pub trial: Option<Tried>,
}

/// Why nothing can be planned at all.
#[derive(Debug, thiserror::Error)]
pub enum SituationError {
    /// There are no settings.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// There are no objects.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// Neither the objects in force nor the last good ones can be used.
    #[error(
        "there are objects that cannot be used, and the last good ones cannot either: mend the \
         objects, which `railhead apply -f` on them checks"
    )]
    NothingGood(#[source] LastGoodError),
    /// The journal cannot be read: nobody knows what railhead answers for.
    #[error("read the journal")]
    Journal(#[source] std::io::Error),
    /// The host cannot be looked at.
    #[error("look at the host")]
    Observe(#[from] cni::kernel::Error),
    /// Nobody knows whether the objects are on trial.
    #[error(transparent)]
    Trial(#[from] TrialError),
    /// A file operation failed.
    #[error(transparent)]
    File(#[from] FileError),
}

impl SituationError {
    /// One word for metrics.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Settings(_) => "Settings",
            Self::Source(_) => "Source",
            Self::NothingGood(_) => "NothingGood",
            Self::Journal(_) => "JournalFailed",
            Self::Observe(error) => error.reason(),
            Self::Trial(_) => "TrialFailed",
            Self::File(_) => "FileFailed",
        }
    }
}

impl Written {
    /// Reads the settings and the objects in force.
    pub fn read(host: &Host) -> Result<Self, SituationError> {
        let loaded = settings::load(host)?;
        let (objects, trial) = in_force(host)?;
        Ok(Self { loaded, objects, trial })
    }

    /// The same where something must be in force whatever the admin has broken: settings that
    /// cannot be used leave those of `before`, else the last good ones; while the directory of
    /// objects itself cannot be read, the last good ones are.
    pub fn read_or_last_good(host: &Host, before: Option<&Self>) -> Result<Self, SituationError> {
        let before = before.map(|written| &written.loaded);
        let loaded = settings::load_or_last_good(host, before)?;
        let (objects, trial) = match in_force(host) {
            Err(SituationError::Source(error)) => {
                let why = FileRefusal::Unreadable { error: error.source.to_string() };
                let unread = Problem::File { file: error.path, why };
                let objects = Objects { problems: vec![unread], ..Objects::default() };
                let trial = trial::look(host)?.map(|(tried, _)| tried);
                (keeping(host, objects)?, trial)
            }
            read => read?,
        };
        Ok(Self { loaded, objects, trial })
    }

    /// The settings in force, with `objects` in the place of those in force.
    pub fn with(host: &Host, objects: Objects) -> Result<Self, SituationError> {
        let loaded = settings::load(host)?;
        Ok(Self { loaded, objects: keeping(host, objects)?, trial: None })
    }
}

/// The objects in the directory, or those before them when they were on trial and nobody confirmed
/// them.
fn in_force(host: &Host) -> Result<(Objects, Option<Tried>), SituationError> {
    let trial = trial::look(host)?;
    if let Some((tried, Some(before))) = trial {
        return Ok((before, Some(tried)));
    }
    let objects = keeping(host, host.objects().read()?)?;
    Ok((objects, trial.map(|(tried, _)| tried)))
}

/// `objects`, with the last good ones in the place of those that cannot be used. When neither can,
/// nobody knows what is wished for, and what is there must not go for that.
fn keeping(host: &Host, objects: Objects) -> Result<Objects, SituationError> {
    if objects.problems.is_empty() {
        return Ok(objects);
    }
    let last = source::load_last_good(host.root()).map_err(SituationError::NothingGood)?;
    Ok(objects.keeping(&last))
}

impl Situation {
    /// Looks at the host and says what is wished of it.
    pub fn look(host: &Host, written: &Written) -> Result<Self, SituationError> {
        let journal = host.journal().read().map_err(SituationError::Journal)?;
        let mut snapshot = observe_with(host, &written.loaded.settings.guard)?;
        snapshot.others = other::selected(host, &snapshot, written.objects.policies());
        let mut wish = wish(written, &snapshot, &journal.ownership);
        // What is there was made by rules that this railhead does not know.
        wish.held.extend(journal.newer);
        Ok(Self {
            loaded: written.loaded.clone(),
            objects: written.objects.clone(),
            ownership: journal.ownership,
            damaged: journal.damaged,
            snapshot,
            wish,
            trial: written.trial.clone(),
        })
    }

    /// The plan for it.
    pub fn plan(&self) -> Plan {
        plan(&self.wish, &self.snapshot, &self.ownership)
    }

    /// All policies, folded for this node.
    pub fn desired(&self) -> &Desired {
        &self.wish.desired
    }

    /// What is surely not meant, but harms nobody: in the settings, in the objects, in what the
    /// SR-IOV Network Operator left on PFs whose VFs railhead did not make; PFs that cannot be
    /// read; and a trial that has just ended.
    pub fn notices(&self) -> Vec<String> {
        let made =
            |pf: &Pf| self.ownership.get(&pf.address).is_some_and(|entry| entry.made_vfs_of(pf));
        let damaged = self.snapshot.pfs.values().filter_map(|pf| match &pf.inherited {
            Some(Inherited::Damaged { why }) if !made(pf) => Some(format!(
                "{why}: what the SR-IOV Network Operator did on {} is unknown, so it counts as \
                 somebody else's",
                pf.label()
            )),
            _ => None,
        });
        let unguarded = self.snapshot.unguarded.iter().map(|address| {
            format!(
                "guard.addresses: {address}: no interface has it and no route leads there, so that \
                 no NIC is guarded for it"
            )
        });
        let objects = self.objects.notices.iter().map(ToString::to_string);
        let warnings = self.loaded.warnings.iter().cloned();
        let overlaps = self.overlaps().into_iter().map(|overlap| overlap.to_string());
        let trial = self.trial.iter().filter(|trial| trial.state == trial::State::Over);
        let trial = trial.map(ToString::to_string);
        trial
            .chain(warnings)
            .chain(unguarded)
            .chain(objects)
            .chain(overlaps)
            .chain(damaged)
            .chain(self.snapshot.unreadable())
            .collect()
    }

    /// Pools for this node whose networks overlap.
    pub fn overlaps(&self) -> Vec<Overlap> {
        claims::overlaps(self.objects.pools().filter(|pool| pool.is_for(&self.loaded.node)))
    }

    /// Who asks for each PF, with the generations that count.
    pub fn owners(&self) -> BTreeMap<PciAddress, Vec<Owner>> {
        let owner = |policy: &String| Owner {
            policy: policy.clone(),
            generation: self.objects.generation(&ObjectRef::policy(policy)),
        };
        let wished = self.wish.desired.pfs.iter();
        wished.map(|(pf, desired)| (*pf, desired.policies.iter().map(owner).collect())).collect()
    }
}

fn wish(written: &Written, snapshot: &Snapshot, ownership: &Ownership) -> Wish {
    let policies: Vec<_> = written.objects.policies().cloned().collect();
    let node = node(&written.loaded.node, snapshot);
    let desired = desired::fold(&policies, &node);
    let mut held = renamed::held(&policies, &node, &desired, ownership, snapshot);
    held.extend(self::held(&written.objects, &desired, ownership));
    let may_interrupt = may_interrupt(&written.loaded.settings.guard.allow, snapshot);
    Wish { desired, held, may_interrupt }
}

/// The node as policies select it, with the PFs of `snapshot`.
pub(crate) fn node(node: &Node, snapshot: &Snapshot) -> desired::Node {
    let pfs = snapshot.pfs.values().map(desired::Pf::from).collect();
    let others = snapshot.others.clone();
    desired::Node { name: node.name.to_string(), labels: node.labels.clone(), pfs, others }
}

/// The PF as policies select it.
impl From<&Pf> for desired::Pf {
    fn from(pf: &Pf) -> Self {
        Self {
            address: pf.address,
            name: pf.netdev.as_ref().map(|netdev| netdev.name.clone()),
            altnames: pf.altnames.clone(),
            vendor: pf.vendor,
            device: pf.device,
            vf_device: pf.vf_device,
            total_vfs: pf.total_vfs,
            link_type: link_type(pf),
            switchdev: pf.switchdev,
        }
    }
}

fn link_type(pf: &Pf) -> Option<LinkType> {
    let Some(netdev) = &pf.netdev else {
        // Without IPoIB an InfiniBand PF has none.
        return pf.infiniband.then_some(LinkType::InfiniBand);
    };
    Some(if netdev.infiniband { LinkType::InfiniBand } else { LinkType::Ethernet })
}

/// PFs that no policy asks for and on which nothing is undone all the same: a policy of theirs, or
/// one that nobody can tell, is there and cannot be used. What cannot be read is not gone.
fn held(
    objects: &Objects,
    desired: &Desired,
    ownership: &Ownership,
) -> BTreeMap<PciAddress, String> {
    let unwished = ownership.iter().filter(|(pf, _)| !desired.pfs.contains_key(pf));
    let hiding = objects.problems.iter().find(|problem| problem.hides_an_object());
    let held = unwished.filter_map(|(pf, entry)| {
        let why = match (hiding, entry.owners.iter().find_map(|owner| unusable(objects, owner))) {
            (_, Some(problem)) => format!("its policy cannot be used: {problem}"),
            (Some(problem), None) => format!("what cannot be read may ask for it: {problem}"),
            (None, None) => return None,
        };
        Some((*pf, why))
    });
    held.collect()
}

/// What is wrong with the policy `owner`, of which no version can be used.
fn unusable<'a>(objects: &'a Objects, owner: &Owner) -> Option<&'a Problem> {
    let at = ObjectRef::policy(&owner.policy);
    let problem = objects.problems.iter().find(|problem| problem.object() == Some(&at))?;
    let is_known = objects.known.iter().any(|known| known.at == at);
    (!is_known).then_some(problem)
}

/// PFs that the settings allow to be interrupted, by name, altname or address.
fn may_interrupt(allow: &[String], snapshot: &Snapshot) -> BTreeSet<PciAddress> {
    let is_allowed = |pf: &&Pf| allow.iter().any(|allowed| pf.goes_by(allowed));
    snapshot.pfs.values().filter(is_allowed).map(|pf| pf.address).collect()
}

#[cfg(test)]
mod tests;
