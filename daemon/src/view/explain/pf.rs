//! Why a PF is as it is.

use conf::desired::{DesiredPf, ranked};
use conf::policy::EswitchMode;
use conf::{PciAddress, ResourceName, VfRange};
use serde::Serialize;

use super::{Cell, Fate, Table, Tone, fate, problem};
use crate::judge::{self, State};
use crate::plan::Plan;
use crate::situation::Situation;
use crate::snapshot::Pf;
use crate::view::status::state;

/// A PF, its VFs by purpose, and every policy's fate on it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PfExplained {
    /// What a person calls it.
    pub pf: String,
    /// Its address.
    pub pci_address: PciAddress,
    /// How many VFs it has.
    pub num_vfs: u16,
    /// How many it can have.
    pub total_vfs: u16,
    /// The mode of its embedded switch, where that is not `legacy`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub e_switch_mode: Option<EswitchMode>,
    /// Whether it is as wished.
    pub state: State,
    /// Why not.
    pub detail: Vec<String>,
    /// Its VFs by purpose, in order, those that no policy speaks of included.
    pub groups: Vec<Group>,
    /// The policies, the winner first; those that are invalid last.
    pub policies: Vec<Fate>,
}

/// VFs that are alike.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Group {
    /// The VFs.
    pub range: VfRange,
    /// The policy that governs them; absent for VFs that are made and left to their own driver.
    pub policy: Option<String>,
    /// The resource that they become.
    pub resource: Option<ResourceName>,
    /// `netdevice` or `vfio-pci`.
    pub device_type: Option<String>,
}

impl PfExplained {
    pub(super) fn of(situation: &Situation, plan: &Plan, pf: &Pf) -> Self {
        let (state, detail) = judge::lane(plan.lane(pf.address));
        let wanted = situation.desired().pfs.get(&pf.address);
        let policies = ranked(situation.objects.policies());
        let fates = policies.into_iter().map(|policy| fate(situation, policy, pf));
        Self {
            pf: pf.label(),
            pci_address: pf.address,
            num_vfs: pf.num_vfs,
            total_vfs: pf.total_vfs,
            e_switch_mode: pf.switchdev.then_some(EswitchMode::Switchdev),
            state,
            detail,
            groups: wanted.map(groups).unwrap_or_default(),
            policies: fates.chain(invalid(situation, pf)).collect(),
        }
    }

    pub(super) fn tables(&self) -> Vec<Table> {
        let mode = self.e_switch_mode.map(Cell::new);
        let mode_heading = mode.is_some().then_some("ESWITCH");
        let headings = ["PF", "PCI ADDRESS", "VFS"].into_iter().chain(mode_heading);
        let mut facts = Table::new(headings.chain(["STATE", "DETAIL"]));
        let none =
            if self.groups.is_empty() { vec!["no policy asks for it".to_owned()] } else { vec![] };
        let detail = if self.detail.is_empty() { &none } else { &self.detail };
        let vfs = Cell::new(format!("{}/{}", self.num_vfs, self.total_vfs));
        let cells = [Cell::new(&self.pf), Cell::new(self.pci_address), vfs];
        let state = [state(self.state), Cell::new(detail.join("; "))];
        facts.row(cells.into_iter().chain(mode).chain(state));
        let mut groups = Table::new(["VFS", "POLICY", "RESOURCE", "TYPE"]);
        for group in &self.groups {
            groups.row([
                Cell::new(group.range),
                match &group.policy {
                    Some(policy) => Cell::new(policy),
                    None => Cell::new("none: made, and left to their own driver").tone(Tone::Faint),
                },
                Cell::maybe(group.resource.as_ref()),
                Cell::maybe(group.device_type.as_ref()),
            ]);
        }
        let mut policies = Table::new(["POLICY", "PRIORITY", "HERE", "WHY"]);
        for fate in &self.policies {
            policies.row([
                Cell::new(&fate.policy),
                Cell::maybe_number(fate.priority),
                fate.reason_cell(),
                Cell::new(&fate.detail),
            ]);
        }
        vec![facts, groups, policies]
    }
}

/// Policies that are invalid: they might be for this PF, nobody can tell.
fn invalid(situation: &Situation, pf: &Pf) -> Vec<Fate> {
    let names = situation.invalid_policies().into_iter();
    let fate = |policy: String| Fate {
        detail: problem(situation, &policy).unwrap_or_default(),
        policy,
        priority: None,
        pf: pf.label(),
        pci_address: pf.address,
        reason: "Invalid",
    };
    names.map(fate).collect()
}

/// The groups, with those VFs between them that are in none.
fn groups(wanted: &DesiredPf) -> Vec<Group> {
    let unused = |range| Group { range, policy: None, resource: None, device_type: None };
    let mut out = Vec::with_capacity(wanted.groups.len() + 1);
    let mut next = 0;
    for group in &wanted.groups {
        let before = group.range.first().0.checked_sub(1);
        out.extend(before.and_then(|last| VfRange::new(next, last)).map(unused));
        out.push(Group {
            range: group.range,
            policy: Some(group.policy.clone()),
            resource: Some(group.resource.clone()),
            device_type: Some(group.device_type.to_string()),
        });
        next = group.range.last().0.saturating_add(1);
    }
    let last = wanted.num_vfs.checked_sub(1);
    out.extend(last.and_then(|last| VfRange::new(next, last)).map(unused));
    out
}
