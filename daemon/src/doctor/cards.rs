//! NICs: what their firmware and the machine's let them do.

use conf::PciAddress;
use conf::desired::Refusal;

use super::{Finding, Machine};
use crate::host::Host;
use crate::other::{self, Kind, MELLANOX, Other};
use crate::situation::Situation;
use crate::snapshot::{Pf, Snapshot};

mod room;

pub(super) fn examine(
    machine: &Machine,
    host: &Host,
    situation: Option<&Situation>,
) -> Vec<Finding> {
    let nothing = Snapshot::default();
    let snapshot = situation.map_or(&nothing, |situation| &situation.snapshot);
    let others = other::nics(host, snapshot);
    let mut findings = without_sriov(&others, snapshot);
    let Some(situation) = situation else { return findings };
    findings.extend(too_few(situation));
    for pf in situation.snapshot.pfs.values() {
        findings.extend(room::examine(machine, pf));
    }
    if findings.is_empty() {
        findings.push(count(situation.snapshot.pfs.values(), &others));
    }
    findings
}

fn count<'a>(pfs: impl ExactSizeIterator<Item = &'a Pf>, others: &[Other]) -> Finding {
    let check = "nics";
    if pfs.len() > 0 {
        return Finding::ok(check, format!("{} can make VFs", pfs.len()));
    }
    let what = "no NIC here can make VFs";
    let given = others.iter().filter(|other| other.kind == Kind::GivenVf);
    let given: Vec<String> = given.map(ToString::to_string).collect();
    if !given.is_empty() {
        let what = format!("{what}: {}", given.join(", "));
        return Finding::warning(check, what, "VFs are made where their PF is")
            .mend("run railhead on the host of this virtual machine");
    }
    Finding::warning(check, what, "there is nothing to do")
        .mend("switch SR-IOV on in the firmware's set-up and the card's; see `railhead discover`")
}

/// PFs of which policies want more VFs than the firmware gives.
fn too_few(situation: &Situation) -> Vec<Finding> {
    let refused = situation.desired().pfs.iter().flat_map(|(address, wanted)| {
        wanted.refused.iter().filter_map(move |refusal| match refusal {
            Refusal::TooManyVfs { wanted, .. } => Some((*address, *wanted, refusal)),
            _ => None,
        })
    });
    refused
        .map(|(address, wanted, refusal)| {
            let vendor = situation.snapshot.pfs.get(&address).map(|pf| pf.vendor.get());
            let finding = Finding::error(
                "vf-limit",
                refusal.to_string(),
                "nothing on that PF changes until they agree",
            );
            if vendor == Some(MELLANOX) {
                set_firmware(finding, address, wanted)
            } else {
                finding.mend("lower numVfs; some cards have the number in their firmware's set-up")
            }
        })
        .collect()
}

/// NVIDIA NICs whose firmware has SR-IOV off: they have not even the capability, or one for no VF.
fn without_sriov(others: &[Other], snapshot: &Snapshot) -> Vec<Finding> {
    let others = others.iter().filter_map(|other| match other.kind {
        Kind::FirmwareOff { in_vm } => Some((other.address, in_vm)),
        _ => None,
    });
    let is_off = |pf: &&Pf| pf.vendor.get() == MELLANOX && pf.total_vfs == 0;
    let pfs = snapshot.pfs.values().filter(is_off).map(|pf| (pf.address, false));
    let mut all: Vec<(PciAddress, bool)> = others.chain(pfs).collect();
    all.sort_unstable();
    all.into_iter()
        .map(|(address, in_vm)| {
            let hidden = if in_vm { ", or the host of this virtual machine hides it" } else { "" };
            let finding = Finding::warning(
                "sriov-firmware",
                format!("SR-IOV is off in the firmware of {address}{hidden}"),
                "it can have no VFs",
            );
            set_firmware(finding, address, 8)
        })
        .collect()
}

/// How to give an NVIDIA NIC's firmware so many VFs.
fn set_firmware(finding: Finding, address: PciAddress, vfs: u16) -> Finding {
    finding
        .mend(format!("sudo mstconfig -d {address} set SRIOV_EN=1 NUM_OF_VFS={vfs}"))
        .mend("then a cold boot (mlxconfig takes the same arguments)")
}
