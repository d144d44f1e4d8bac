//! VFs that go to nobody: their driver was to be bound anew, so that nothing of a container stays on them, and that
//! failed.

use std::fmt;

use cni::attachment::Record;
use conf::{ContainerId, IfName, PciAddress};
use ipam::StoreError;
use serde::Serialize;

use crate::host::Host;

/// A VF that goes to nobody.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Fenced {
    /// The VF.
    pub pci_address: PciAddress,
    /// The container that had it.
    pub container: ContainerId,
    /// The interface's name in it.
    pub interface: IfName,
    /// Why its driver is bound anew, and why that failed.
    pub why: String,
    /// What to do, one thing after the other.
    pub mend: Vec<String>,
}

/// All of them.
///
/// # Errors
/// The store cannot be read.
pub fn all(host: &Host) -> Result<Vec<Fenced>, StoreError> {
    let Some(store) = host.store() else { return Ok(Vec::new()) };
    let records = store.read(|txn| txn.attachments::<Record>())?;
    let readable = records.into_iter().filter_map(|(_, record)| record.ok());
    Ok(readable.filter_map(|record| Fenced::of(host, record)).collect())
}

impl Fenced {
    fn of(host: &Host, record: Record) -> Option<Self> {
        let Record { vf, key, driver, fence, .. } = record;
        let why = fence?;
        let bound = host.sysfs().driver(vf).ok().flatten();
        let by_hand = match bound {
            Some(bound) => format!(
                "driver {bound} has it: `sudo dmesg | grep {vf}` shows what that says, and whether \
                 a process hangs in it"
            ),
            None => format!("echo {vf} | sudo tee /sys/bus/pci/drivers/{driver}/bind"),
        };
        let mend = vec![
            by_hand,
            "delete the pod, if it is there still: DEL tries again, and so does the daemon once \
             the container is gone"
                .to_owned(),
        ];
        Some(Self { pci_address: vf, container: key.container, interface: key.ifname, why, mend })
    }
}

impl fmt::Display for Fenced {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { pci_address, container, interface, why, .. } = self;
        write!(f, "VF {pci_address}, {interface} of container {container}, goes to nobody: {why}")
    }
}
