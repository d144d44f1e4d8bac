//! What the last pass saw of the host, as far as it is told.

use std::collections::{BTreeMap, BTreeSet};

use conf::desired::DesiredPf;
use conf::{PciAddress, VfIndex};

use crate::plan::{Blocked, Lane};
use crate::reconcile::{Outcome, Pass};
use crate::report::Timestamp;
use crate::snapshot::{Pf, User, Vf};

/// What the last pass saw.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Seen {
    /// When; `None` before the first pass.
    pub at: Option<Timestamp>,
    /// Whether everything was as wished.
    pub in_force: bool,
    /// Whether repairs were paused.
    pub paused: bool,
    /// The PFs.
    pub pfs: Vec<SeenPf>,
    /// Steps still to be done, by kind.
    pub planned: BTreeMap<&'static str, u64>,
    /// What the report says: type and reason, and whether it holds.
    pub conditions: Vec<(String, String, bool)>,
}

/// One PF.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeenPf {
    /// What a person calls it: the netdev's name, else the PCI address.
    pub label: String,
    /// Where it is.
    pub address: PciAddress,
    /// Its netdev's index, when it is safe to ask its driver: no write of its own hangs in it.
    pub index: Option<u32>,
    /// Its NUMA node.
    pub numa_node: Option<u32>,
    /// How many VFs are wished for; `None` where nobody wishes for any.
    pub wanted: Option<u16>,
    /// Why its wish is not, or not fully, planned for: one word each.
    pub blocked: BTreeSet<&'static str>,
    /// Its VFs.
    pub vfs: Vec<SeenVf>,
}

/// One VF.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeenVf {
    /// Its number on its PF.
    pub index: VfIndex,
    /// Where it is.
    pub address: PciAddress,
    /// Who had it.
    pub used: Use,
    /// The resource that its policy puts it in.
    pub resource: Option<String>,
}

/// Who has a VF.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Use {
    /// Nobody: it can be attached.
    Free,
    /// A container that a plugin attached it to.
    Attached,
    /// A plugin that works on it right now.
    Busy,
    /// Somebody else: a process, another namespace, a bridge, this machine.
    Foreign,
    /// Nobody can: no driver is bound to it.
    Driverless,
}

impl Use {
    /// All of them, as they are told.
    pub const ALL: [(Self, &'static str); 5] = [
        (Self::Free, "free"),
        (Self::Attached, "attached"),
        (Self::Busy, "busy"),
        (Self::Foreign, "foreign"),
        (Self::Driverless, "driverless"),
    ];

    fn of(vf: &Vf) -> Self {
        match &vf.user {
            Some(User::Container { .. }) => Self::Attached,
            Some(User::Verb { .. }) => Self::Busy,
            Some(
                User::OtherNamespace
                | User::Port { .. }
                | User::Host { .. }
                | User::Machine { .. }
                | User::Process { .. },
            ) => Self::Foreign,
            None if vf.driver.is_none() => Self::Driverless,
            None => Self::Free,
        }
    }
}

impl Seen {
    /// What `pass` saw, which came to `outcome`.
    pub fn of(pass: &Pass, outcome: &Outcome) -> Self {
        let wished = &pass.situation.desired().pfs;
        let pf = |found: &Pf| {
            SeenPf::of(found, wished.get(&found.address), pass.left.lane(found.address))
        };
        let mut planned = BTreeMap::new();
        for step in pass.left.lanes.iter().flat_map(|lane| &lane.steps) {
            *planned.entry(step.action.kind()).or_default() += 1;
        }
        let conditions = pass.conditions.iter().map(|condition| {
            (condition.r#type.clone(), condition.reason.clone(), condition.status == "True")
        });
        Self {
            at: Some(Timestamp::now()),
            in_force: outcome.is_success(),
            paused: outcome.pause.is_some(),
            pfs: pass.situation.snapshot.pfs.values().map(pf).collect(),
            planned,
            conditions: conditions.collect(),
        }
    }
}

impl SeenPf {
    /// The PF `found`, of which `wish` is wished and `left` not done.
    fn of(found: &Pf, wish: Option<&DesiredPf>, left: Option<&Lane>) -> Self {
        let netdev = found.netdev.as_ref().filter(|_| found.stuck.is_none());
        let resource = |vf: VfIndex| {
            let groups = wish.map_or(&[][..], |wish| &wish.groups);
            let group = groups.iter().find(|group| group.range.contains(vf))?;
            Some(group.resource.to_string())
        };
        let vfs = found.vfs.iter().map(|(index, vf)| SeenVf {
            index: *index,
            address: vf.address,
            used: Use::of(vf),
            resource: resource(*index),
        });
        Self {
            label: found.label(),
            address: found.address,
            index: netdev.map(|netdev| netdev.index),
            numa_node: found.numa_node,
            wanted: wish.map(|wish| wish.num_vfs),
            blocked: left.into_iter().flat_map(|lane| &lane.blocked).map(Blocked::reason).collect(),
            vfs: vfs.collect(),
        }
    }
}
