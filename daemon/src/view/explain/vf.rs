//! Why a VF is as it is.

use conf::desired::VfGroup;
use conf::{PciAddress, ResourceName};
use serde::Serialize;

use super::{Cell, Table, Tone, VfIndex};
use crate::plan::{Blocked, Plan};
use crate::situation::Situation;
use crate::snapshot::Pf;

/// A VF: who governs it, who uses it, and what waits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct VfExplained {
    /// What a person calls its PF.
    pub pf: String,
    /// Which VF of it.
    #[serde(rename = "vfID")]
    pub index: VfIndex,
    /// Its address; absent while it is not made.
    pub pci_address: Option<PciAddress>,
    /// Its netdev, when that is in this network namespace.
    pub netdev: Option<String>,
    /// The policy that governs it.
    pub policy: Option<String>,
    /// The resource that it is one of.
    pub resource: Option<ResourceName>,
    /// The driver that is bound to it.
    pub driver: Option<String>,
    /// The driver that it should have: `vfio-pci`, or `netdevice` for the NIC's own; absent where
    /// nobody asks.
    pub wanted_driver: Option<String>,
    /// Who uses it.
    pub used_by: Option<String>,
    /// How many packet sockets listen at it, which is no use.
    #[serde(skip_serializing_if = "crate::snapshot::is_zero")]
    pub packet_sockets: u32,
    #[serde(skip)]
    told: Option<String>,
    /// What is still to be done to it, and what is in the way.
    pub waits: Vec<String>,
}

/// The VFs that are called `name`: by netdev or altname, by address, or as `PF#INDEX`.
pub(super) fn found<'a>(situation: &'a Situation, name: &str) -> Vec<(&'a Pf, VfIndex)> {
    let mut out = Vec::new();
    for pf in situation.snapshot.pfs.values() {
        for (index, vf) in &pf.vfs {
            if vf.goes_by(name) {
                out.push((pf, *index));
            }
        }
        let by_index = name.rsplit_once('#').filter(|(of, _)| pf.goes_by(of));
        let index: Option<u16> = by_index.and_then(|(_, index)| index.parse().ok());
        out.extend(index.filter(|index| *index < pf.total_vfs).map(|index| (pf, VfIndex(index))));
    }
    out
}

impl VfExplained {
    pub(super) fn of(situation: &Situation, plan: &Plan, pf: &Pf, index: VfIndex) -> Self {
        let vf = pf.vfs.get(&index);
        let wanted = situation.desired().pfs.get(&pf.address);
        let is_wanted = wanted.is_some_and(|wanted| index.0 < wanted.num_vfs);
        let group: Option<&VfGroup> =
            wanted.and_then(|pf| pf.groups.iter().find(|group| group.range.contains(index)));
        let kind = group.map(|group| group.device_type).unwrap_or_default();
        Self {
            pf: pf.label(),
            index,
            pci_address: vf.map(|vf| vf.address),
            netdev: vf.and_then(|vf| vf.netdev.as_ref()).map(|netdev| netdev.name.to_string()),
            policy: group.map(|group| group.policy.clone()),
            resource: group.map(|group| group.resource.clone()),
            driver: vf.and_then(|vf| vf.driver.as_ref()).map(ToString::to_string),
            wanted_driver: is_wanted.then(|| kind.to_string()),
            used_by: vf.and_then(|vf| vf.user.as_ref()).map(ToString::to_string),
            packet_sockets: vf.map_or(0, |vf| vf.packet_sockets),
            told: vf.and_then(crate::snapshot::Vf::used_by),
            waits: waits(plan, pf, index),
        }
    }
}

/// Obstacles first, then steps.
fn waits(plan: &Plan, pf: &Pf, index: VfIndex) -> Vec<String> {
    let Some(lane) = plan.lane(pf.address) else { return Vec::new() };
    let blocked = lane.blocked.iter().filter(|blocked| concerns(blocked, index));
    let steps = lane.steps.iter().filter(|step| step.action.vf() == Some(index));
    let steps = steps.map(|step| format!("to do: {step}"));
    blocked.map(ToString::to_string).chain(steps).collect()
}

/// Whether it is in the way of this VF and not only of another.
fn concerns(blocked: &Blocked, index: VfIndex) -> bool {
    match blocked {
        Blocked::InUse { step, .. } | Blocked::Management { step, .. } => {
            step.vf().is_none_or(|vf| vf == index)
        }
        Blocked::NoIommu { vfs } | Blocked::SharedGroup { vfs, .. } => vfs.contains(&index),
        _ => true,
    }
}

pub(super) fn table(vfs: &[VfExplained]) -> Table {
    let mut table = Table::new([
        "PF",
        "VF",
        "PCI ADDRESS",
        "NETDEV",
        "POLICY",
        "RESOURCE",
        "DRIVER",
        "WANTED",
        "USED BY",
        "WAITS",
    ]);
    for vf in vfs {
        let missing = vf.pci_address.is_none();
        let address = Cell::maybe(vf.pci_address);
        table.row([
            Cell::new(&vf.pf),
            Cell::number(vf.index),
            if missing { Cell::new("not made").tone(Tone::Faint) } else { address },
            Cell::maybe(vf.netdev.as_ref()),
            Cell::maybe(vf.policy.as_ref()),
            Cell::maybe(vf.resource.as_ref()),
            Cell::maybe(vf.driver.as_ref()),
            Cell::maybe(vf.wanted_driver.as_ref()),
            Cell::maybe(vf.told.as_ref()),
            Cell::new(vf.waits.join("; ")),
        ]);
    }
    table
}
