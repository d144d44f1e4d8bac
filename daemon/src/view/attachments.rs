//! What is attached to whom: the plugins' records, with the addresses that are leased to them.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use cni::attachment::{Record, State};
use conf::{ContainerId, IfName, NetworkName, PciAddress};
use ipam::{AttachmentKey, BootTime, Lease};
use serde::Serialize;

use super::{Cell, Table, Tone, View, age};
use crate::snapshot::short;

/// Every attachment, by container and interface.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Attachments {
    /// The attachments.
    pub attachments: Vec<Attachment>,
    /// Records that cannot be read, and why.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub damaged: Vec<Damaged>,
}

/// One attachment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Attachment {
    /// The container.
    pub container: ContainerId,
    /// The interface's name in it.
    pub interface: IfName,
    /// The CNI network.
    pub network: NetworkName,
    /// `NAMESPACE/NAME` of the pod, where the runtime told.
    pub pod: Option<String>,
    /// Its network namespace.
    pub netns: PathBuf,
    /// The PF's netdev.
    pub pf: Option<IfName>,
    /// The PF's PCI address.
    pub pf_pci_address: PciAddress,
    /// The VF's index on the PF.
    #[serde(rename = "vfID")]
    pub vf_id: u16,
    /// The VF's PCI address.
    pub pci_address: PciAddress,
    /// The VLAN that was asked for.
    pub vlan: Option<u16>,
    /// The addresses that railhead leased; another IPAM plugin's are not known here.
    pub addresses: Vec<IpAddr>,
    /// How far it came.
    pub state: State,
    /// Why its VF goes to nobody else before DEL or the daemon has put it right.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fence: Option<String>,
    /// For how long, in seconds, where a lease tells.
    pub age_seconds: Option<u64>,
}

/// A record that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Damaged {
    /// The container.
    pub container: ContainerId,
    /// The interface's name in it.
    pub interface: IfName,
    /// Why not.
    pub why: String,
}

impl Attachments {
    /// The state `now`; `pfs` are the netdevs of PFs.
    pub fn of(
        records: Vec<Record>,
        leases: &[Lease],
        pfs: &BTreeMap<PciAddress, IfName>,
        now: BootTime,
    ) -> Self {
        let attachment = |record: Record| {
            let leases: Vec<&Lease> =
                leases.iter().filter(|lease| lease.owner == record.key).collect();
            Attachment::of(record, &leases, pfs, now)
        };
        Self { attachments: records.into_iter().map(attachment).collect(), damaged: Vec::new() }
    }

    /// Adds a record that cannot be read.
    pub fn damaged(&mut self, key: AttachmentKey, why: String) {
        self.damaged.push(Damaged { container: key.container, interface: key.ifname, why });
    }
}

impl Attachment {
    fn of(
        record: Record,
        leases: &[&Lease],
        pfs: &BTreeMap<PciAddress, IfName>,
        now: BootTime,
    ) -> Self {
        let oldest = leases.iter().map(|lease| now.since(lease.granted_at)).max();
        Self {
            container: record.key.container,
            interface: record.key.ifname,
            network: record.network,
            pod: record.pod.as_ref().map(ToString::to_string),
            netns: record.netns,
            pf: pfs.get(&record.pf).cloned(),
            pf_pci_address: record.pf,
            vf_id: record.vf_index.0,
            pci_address: record.vf,
            vlan: record.change.vlan.map(|(vlan, ..)| vlan.get()),
            addresses: leases.iter().map(|lease| lease.address).collect(),
            state: record.state,
            fence: record.fence,
            age_seconds: oldest.map(|span| span.as_secs()),
        }
    }

    fn addresses(&self) -> String {
        let texts: Vec<String> = self.addresses.iter().map(ToString::to_string).collect();
        texts.join(",")
    }
}

impl View for Attachments {
    fn tables(&self) -> Vec<Table> {
        let mut table = Table::new([
            "CONTAINER",
            "INTERFACE",
            "POD",
            "NETWORK",
            "PF",
            "VF",
            "PCI ADDRESS",
            "VLAN",
            "ADDRESSES",
            "STATE",
            "AGE",
            "NETNS",
        ]);
        for one in &self.attachments {
            let (state, tone) = state(one);
            table.row([
                Cell::new(short(one.container.as_str())),
                Cell::new(&one.interface),
                Cell::maybe(one.pod.as_ref()),
                Cell::new(&one.network),
                one.pf.as_ref().map_or_else(|| Cell::new(one.pf_pci_address), Cell::new),
                Cell::number(one.vf_id),
                Cell::new(one.pci_address),
                Cell::maybe(one.vlan),
                Cell::new(one.addresses()),
                Cell::new(state).tone(tone),
                Cell::maybe(one.age_seconds.map(|seconds| age(Duration::from_secs(seconds)))),
                Cell::new(one.netns.display()),
            ]);
        }
        let mut damaged = Table::new(["CONTAINER", "INTERFACE", "CANNOT BE READ"]);
        for one in &self.damaged {
            damaged.row([
                Cell::new(short(one.container.as_str())),
                Cell::new(&one.interface),
                Cell::new(&one.why).tone(Tone::Bad),
            ]);
        }
        let mut fenced = Table::new(["PCI ADDRESS", "GOES TO NOBODY ELSE UNTIL DEL SUCCEEDS"]);
        for one in &self.attachments {
            if let Some(why) = &one.fence {
                fenced.row([Cell::new(one.pci_address), Cell::new(why).tone(Tone::Bad)]);
            }
        }
        vec![table, fenced, damaged]
    }

    fn nothing(&self) -> &'static str {
        "nothing is attached"
    }
}

/// What a person calls a state.
fn state(attachment: &Attachment) -> (&'static str, Tone) {
    match attachment.state {
        _ if attachment.fence.is_some() => ("fenced", Tone::Bad),
        State::Attached => ("attached", Tone::Good),
        State::Intent => ("in progress", Tone::Warning),
        State::Released => ("released", Tone::Faint),
    }
}

#[cfg(test)]
mod tests;
