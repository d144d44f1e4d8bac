//! What is there: PFs and their VFs.

use conf::policy::EswitchMode;
use conf::{DriverName, IfName, Mac, PciAddress, PciId};
use serde::Serialize;

use super::{Cell, Table, Tone, View};
use crate::snapshot::{self, Netdev, Snapshot};

/// Every PF, by PCI address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Discovery {
    /// The PFs.
    pub pfs: Vec<Pf>,
    /// What is told of NICs that can make no VFs, where there is no PF.
    #[serde(skip)]
    pub instead: String,
}

/// One PF.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Pf {
    /// Its PCI address.
    pub pci_address: PciAddress,
    /// Its netdev.
    pub name: Option<IfName>,
    /// Its netdev's further names.
    pub alt_names: Vec<String>,
    /// PCI vendor, four hex digits.
    pub vendor: PciId,
    /// PCI device, four hex digits.
    #[serde(rename = "deviceID")]
    pub device_id: PciId,
    /// Its driver.
    pub driver: Option<DriverName>,
    /// Its MAC.
    pub mac: Option<Mac>,
    /// Its MTU in bytes.
    pub mtu: Option<u32>,
    /// `up`, `down` (set down) or `no-carrier` (set up, but no link).
    pub link: Option<&'static str>,
    /// Mbit/s, while there is a link.
    pub speed: Option<u32>,
    /// Its NUMA node.
    pub numa_node: Option<u32>,
    /// Its IOMMU group.
    pub iommu_group: Option<u32>,
    /// How many VFs it has.
    pub num_vfs: u16,
    /// How many it can have.
    pub total_vfs: u16,
    /// The mode of its embedded switch, where that is not `legacy`.
    pub e_switch_mode: Option<EswitchMode>,
    /// Why the machine's own traffic depends on it.
    pub management: Option<String>,
    /// Its VFs.
    pub vfs: Vec<Vf>,
}

/// One VF.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Vf {
    /// Its index on the PF.
    #[serde(rename = "vfID")]
    pub vf_id: u16,
    /// Its PCI address.
    pub pci_address: PciAddress,
    /// Its netdev, while it is in the host's network namespace.
    pub name: Option<IfName>,
    /// Its driver.
    pub driver: Option<DriverName>,
    /// Its MAC: the netdev's, else the one that the PF assigned.
    pub mac: Option<Mac>,
    /// Its MTU in bytes.
    pub mtu: Option<u32>,
    /// Its IOMMU group.
    pub iommu_group: Option<u32>,
    /// Who uses it, in words.
    pub used_by: Option<String>,
    /// How many packet sockets listen at it, which is no use.
    #[serde(skip_serializing_if = "crate::snapshot::is_zero")]
    pub packet_sockets: u32,
    #[serde(skip)]
    told: Option<String>,
}

const NOTHING: &str = "no NIC with SR-IOV found: see whether it is switched on in the firmware and on \
                       the NIC (lspci -vv shows \"Single Root I/O Virtualization\")";

impl Discovery {
    /// What `snapshot` found.
    pub fn of(snapshot: &Snapshot) -> Self {
        Self { pfs: snapshot.pfs.values().map(Pf::of).collect(), instead: String::new() }
    }

    /// With `others`, which can make no VFs.
    #[must_use]
    pub fn beside(self, others: impl IntoIterator<Item = impl ToString>) -> Self {
        let lines: Vec<String> = others.into_iter().map(|other| other.to_string()).collect();
        let told = format!("no NIC with SR-IOV found:\n{}", lines.join("\n"));
        Self { instead: if lines.is_empty() { String::new() } else { told }, ..self }
    }
}

impl Pf {
    fn of(pf: &snapshot::Pf) -> Self {
        let netdev = pf.netdev.as_ref();
        Self {
            pci_address: pf.address,
            name: netdev.map(|netdev| netdev.name.clone()),
            alt_names: pf.altnames.clone(),
            vendor: pf.vendor,
            device_id: pf.device,
            driver: pf.driver.clone(),
            mac: netdev.and_then(|netdev| netdev.mac),
            mtu: netdev.map(|netdev| netdev.mtu),
            link: netdev.map(link),
            speed: pf.speed,
            numa_node: pf.numa_node,
            iommu_group: pf.iommu_group,
            num_vfs: pf.num_vfs,
            total_vfs: pf.total_vfs,
            e_switch_mode: pf.switchdev.then_some(EswitchMode::Switchdev),
            management: pf.management.clone(),
            vfs: pf.vfs.iter().map(|(index, vf)| Vf::of(index.0, vf)).collect(),
        }
    }

    fn label(&self) -> String {
        self.name.as_ref().map_or_else(|| self.pci_address.to_string(), ToString::to_string)
    }
}

impl Vf {
    fn of(index: u16, vf: &snapshot::Vf) -> Self {
        let netdev = vf.netdev.as_ref();
        let assigned = vf.admin_mac.filter(|mac| !mac.is_zero());
        Self {
            vf_id: index,
            pci_address: vf.address,
            name: netdev.map(|netdev| netdev.name.clone()),
            driver: vf.driver.clone(),
            mac: netdev.and_then(|netdev| netdev.mac).or(assigned),
            mtu: netdev.map(|netdev| netdev.mtu),
            iommu_group: vf.iommu_group,
            used_by: vf.user.as_ref().map(ToString::to_string),
            packet_sockets: vf.packet_sockets,
            told: vf.used_by(),
        }
    }
}

impl View for Discovery {
    fn tables(&self) -> Vec<Table> {
        // Most machines have none that is not as it comes.
        let shows_mode = self.pfs.iter().any(|pf| pf.e_switch_mode.is_some());
        let headings =
            ["PF", "PCI ADDRESS", "DRIVER", "MAC", "MTU", "LINK", "SPEED", "NUMA", "VFS"];
        let mut pfs = Table::new(headings.into_iter().chain(shows_mode.then_some("ESWITCH")));
        let mut vfs = Table::new([
            "PF",
            "VF",
            "PCI ADDRESS",
            "NETDEV",
            "DRIVER",
            "MAC",
            "MTU",
            "IOMMU",
            "USED BY",
        ]);
        for pf in &self.pfs {
            let mode = Cell::maybe(pf.e_switch_mode).tone(Tone::Warning);
            let cells = [
                Cell::new(pf.label()),
                Cell::new(pf.pci_address),
                Cell::maybe(pf.driver.as_ref()),
                Cell::maybe(pf.mac),
                Cell::maybe(pf.mtu),
                Cell::maybe(pf.link).tone(link_tone(pf.link)),
                Cell::maybe(pf.speed.map(speed)),
                Cell::maybe(pf.numa_node),
                Cell::new(format!("{}/{}", pf.num_vfs, pf.total_vfs)),
            ];
            pfs.row(cells.into_iter().chain(shows_mode.then_some(mode)));
            for vf in &pf.vfs {
                vfs.row([
                    Cell::new(pf.label()),
                    Cell::number(vf.vf_id),
                    Cell::new(vf.pci_address),
                    Cell::maybe(vf.name.as_ref()),
                    Cell::maybe(vf.driver.as_ref()),
                    Cell::maybe(vf.mac),
                    Cell::maybe(vf.mtu),
                    Cell::maybe(vf.iommu_group),
                    Cell::maybe(vf.told.as_ref()),
                ]);
            }
        }
        vec![pfs, vfs]
    }

    fn nothing(&self) -> &str {
        if self.instead.is_empty() { NOTHING } else { &self.instead }
    }
}

fn link(netdev: &Netdev) -> &'static str {
    match (netdev.up, netdev.carrier) {
        (false, _) => "down",
        (true, false) => "no-carrier",
        (true, true) => "up",
    }
}

fn link_tone(link: Option<&str>) -> Tone {
    match link {
        Some("up") => Tone::Good,
        Some("no-carrier") => Tone::Warning,
        _ => Tone::Faint,
    }
}

/// `10 Gb/s` for 10000 Mbit/s, `2.5 Gb/s` for 2500.
fn speed(mbits: u32) -> String {
    match (mbits / 1000, mbits % 1000) {
        (0, mbits) => format!("{mbits} Mb/s"),
        (gbits, 0) => format!("{gbits} Gb/s"),
        (gbits, rest) => {
            let tenths = format!("{rest:03}");
            format!("{gbits}.{} Gb/s", tenths.trim_end_matches('0'))
        }
    }
}

#[cfg(test)]
mod tests;
