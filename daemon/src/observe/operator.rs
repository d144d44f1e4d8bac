//! The SR-IOV Network Operator on this node: whether its daemon runs, and which PFs it shaped.
//!
//! ```text
//! /proc/PID/exe, status, ns/user         -> sriov-network-config-daemon, run by the machine's root
//! /etc/sriov-operator/pci/PCI-ADDRESS    one PF of SriovNetworkNodeState.spec.interfaces, as JSON
//! /tmp/sno-initial-node-state.json       a SriovNetworkNodeState: status as first found
//! ```
//!
//! Its files are not written atomically, and the last one is where anybody may write: what does
//! not parse is told and counts for nothing.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::path::Path;

use caps::Capability;
use cni::kernel::netns::owner;
use cni::kernel::processes::Process;
use conf::PciAddress;
use conf::node_state::{NodeState, WantedInterface};
use ipam::durable;
use procfs::FromRead;
use procfs::process::Status;

use crate::chain::Chain;
use crate::host::Host;
use crate::snapshot::{Inherited, OperatorDaemon, Pf};

/// The name of its daemon's binary, in its image and on the host alike.
const DAEMON: &str = "sriov-network-config-daemon";

/// What the kernel appends to the path of a binary that was replaced.
const DELETED: &str = " (deleted)";

/// What it resets a PF to of which it has forgotten what there was, in bytes.
const ETHERNET_MTU: u32 = 1500;

/// The same on InfiniBand.
const INFINIBAND_MTU: u32 = 2048;

/// What it left behind.
pub(super) struct Operator {
    shaped: BTreeMap<PciAddress, Result<WantedInterface, String>>,
    initial_mtus: BTreeMap<PciAddress, u32>,
}

/// The process of its daemon.
pub(super) fn daemon(processes: &[Process]) -> Option<OperatorDaemon> {
    let named = processes.iter().filter(|process| is_its_binary(&process.program));
    let daemon =
        { named }.find(|process| is_roots(&Path::new("/proc").join(process.pid.to_string())))?;
    Some(OperatorDaemon { pid: daemon.pid })
}

/// Whether the process at `process` (`/proc/PID`) is its daemon: by the binary that it runs, since
/// anybody may call themselves so or edit a file of that name; and by what it may do, since anybody
/// may run a binary of that name, in a container too.
pub(crate) fn is_daemon(process: &Path) -> bool {
    fs::read_link(process.join("exe")).is_ok_and(|binary| is_its_binary(&binary))
        && is_roots(process)
}

/// Whether a process may shape the machine's NICs: it is root in the first user namespace, and has
/// the capability without which nobody makes VFs.
fn is_roots(process: &Path) -> bool {
    let users = fs::read_link(process.join("ns/user"));
    users.is_ok_and(|users| users == Path::new(&first_users()))
        && Status::from_file(process.join("status")).is_ok_and(|status| is_privileged(&status))
}

/// The first user namespace, as links show it.
fn first_users() -> String {
    format!("user:[{}]", owner::FIRST)
}

fn is_privileged(status: &Status) -> bool {
    status.euid == 0 && status.capeff & Capability::CAP_SYS_ADMIN.bitmask() != 0
}

fn is_its_binary(binary: &Path) -> bool {
    let name = binary.file_name().and_then(OsStr::to_str).unwrap_or_default();
    name.strip_suffix(DELETED).unwrap_or(name) == DAEMON
}

impl Operator {
    /// Reads its files; on most hosts there are none.
    pub(super) fn read(host: &Host) -> Self {
        let root = host.root().path();
        let shaped = shaped(&root.join("etc/sriov-operator/pci"));
        let initial_mtus = if shaped.is_empty() {
            BTreeMap::new()
        } else {
            initial_mtus(host, &root.join("tmp/sno-initial-node-state.json"))
        };
        Self { shaped, initial_mtus }
    }

    /// What it did on `pf`.
    pub(super) fn on(&self, pf: &Pf) -> Option<Inherited> {
        let shaped = match self.shaped.get(&pf.address)? {
            Ok(shaped) => shaped,
            Err(why) => return Some(Inherited::Damaged { why: why.clone() }),
        };
        let is_infiniband = pf.netdev.as_ref().is_some_and(|netdev| netdev.infiniband);
        let default = if is_infiniband { INFINIBAND_MTU } else { ETHERNET_MTU };
        let before = self.initial_mtus.get(&pf.address).copied().unwrap_or(default);
        // Whoever made the VFs of such a PF, the operator did not.
        let num_vfs = if shaped.externally_managed { 0 } else { shaped.num_vfs };
        Some(Inherited::Shaped {
            num_vfs: u16::try_from(num_vfs).unwrap_or(u16::MAX),
            mtu: shaped.mtu,
            mtu_before: before,
        })
    }
}

fn shaped(directory: &Path) -> BTreeMap<PciAddress, Result<WantedInterface, String>> {
    let Ok(files) = fs::read_dir(directory) else { return BTreeMap::new() };
    let named = files.filter_map(|file| {
        let path = file.ok()?.path();
        let address: PciAddress = path.file_name()?.to_str()?.parse().ok()?;
        Some((address, interface(&path, address)))
    });
    named.collect()
}

fn interface(path: &Path, address: PciAddress) -> Result<WantedInterface, String> {
    let damaged = |why: &dyn std::fmt::Display| format!("{}: {why}", path.display());
    let bytes = durable::read_optional(path).map_err(|error| Chain(&error).to_string())?;
    let read: WantedInterface =
        serde_json::from_slice(&bytes.unwrap_or_default()).map_err(|error| damaged(&error))?;
    if read.pci_address.parse() != Ok(address) {
        return Err(damaged(&format_args!("it is about PF {:?}", read.pci_address)));
    }
    Ok(read)
}

/// The file at `path`, where nobody but root wrote it. Of a captured machine it is whoever captured
/// it that says what is in it.
pub(crate) fn read_trusted(host: &Host, path: &Path) -> Option<Vec<u8>> {
    let read = match host.is_live() {
        true => durable::read_owned_by(0, path),
        false => durable::read_optional(path),
    };
    read.ok().flatten()
}

fn initial_mtus(host: &Host, path: &Path) -> BTreeMap<PciAddress, u32> {
    let bytes = read_trusted(host, path);
    let state = bytes.and_then(|bytes| serde_json::from_slice::<NodeState>(&bytes).ok());
    let interfaces = state.into_iter().flat_map(|state| state.status.interfaces);
    interfaces
        .filter(|interface| interface.mtu > 0)
        .filter_map(|interface| Some((interface.pci_address.parse().ok()?, interface.mtu)))
        .collect()
}

#[cfg(test)]
mod tests;
