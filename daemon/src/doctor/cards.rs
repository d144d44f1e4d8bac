//! NICs: what their firmware and the machine's let them do.

use conf::PciAddress;
use conf::desired::Refusal;

use super::{Finding, Machine};
use crate::host::Host;
use crate::situation::Situation;

/// NVIDIA's PCI vendor id: its firmware has a number of VFs of its own.
const MELLANOX: u16 = 0x15b3;

pub(super) fn examine(
    machine: &Machine,
    host: &Host,
    situation: Option<&Situation>,
) -> Vec<Finding> {
    let mut findings = without_sriov(host);
    let Some(situation) = situation else { return findings };
    findings.extend(too_few(situation));
    for pf in situation.snapshot.pfs.values() {
        findings.extend(without_room(machine, &pf.address.to_string(), &pf.label()));
    }
    if findings.is_empty() {
        let count = situation.snapshot.pfs.len();
        findings.push(if count == 0 {
            Finding::warning("nics", "no NIC here can make VFs", "there is nothing to do").mend(
                "switch SR-IOV on in the firmware's set-up and the card's; see `railhead discover`",
            )
        } else {
            Finding::ok("nics", format!("{count} can make VFs"))
        });
    }
    findings
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

/// NVIDIA NICs whose firmware has SR-IOV off: they have not even the capability.
fn without_sriov(host: &Host) -> Vec<Finding> {
    let functions = host.sysfs().pci_functions().unwrap_or_default();
    let functions = functions
        .into_iter()
        .filter_map(|address| host.sysfs().function_while_stuck(address).ok().flatten());
    functions
        .filter(|function| {
            let is_mellanox = function.vendor.get() == MELLANOX && function.is_network();
            let total = function.sriov.as_ref().map_or(0, |sriov| sriov.total);
            is_mellanox && function.physfn.is_none() && total == 0
        })
        .map(|function| {
            let address = function.address;
            let finding = Finding::warning(
                "sriov-firmware",
                format!("SR-IOV is off in the firmware of {address}"),
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

/// A PF for whose VFs the machine's firmware left no memory addresses: lines 7 to 12 of `resource`
/// are those of VFs (PCI_IOV_RESOURCES), with flags and without a start when none were assigned.
fn without_room(machine: &Machine, address: &str, label: &str) -> Option<Finding> {
    let resources = machine.text(&format!("sys/bus/pci/devices/{address}/resource"))?;
    let is_unassigned = |line: &&str| {
        let mut words = line.split_whitespace();
        let number = |word: Option<&str>| {
            word.and_then(|word| u64::from_str_radix(word.trim_start_matches("0x"), 16).ok())
        };
        let (start, _end, flags) = (number(words.next()), words.next(), number(words.next()));
        start == Some(0) && flags.is_some_and(|flags| flags != 0)
    };
    resources.lines().skip(7).take(6).find(is_unassigned)?;
    Some(
        Finding::error(
            "vf-memory",
            format!("the firmware left no memory addresses for VFs of {label}"),
            "making VFs fails with \"not enough MMIO resources for SR-IOV\"",
        )
        .mend("switch SR-IOV and \"above 4G decoding\" on in the firmware's set-up")
        .mend("or start the kernel with pci=realloc"),
    )
}
