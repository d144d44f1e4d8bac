//! The IOMMU, without which no VF can be given to user space: where it is switched on.
//!
//! Which table the firmware gives the kernel says whether it is on there: DMAR for Intel's VT-d,
//! IVRS for AMD-Vi. Arguments are only ever told, never set: one that is set by a program is one
//! that nobody knows of.

use conf::policy::DeviceType;
use conf::{DriverName, PciAddress, VfIndex};

use super::{Finding, Machine};
use crate::situation::Situation;
use crate::snapshot::{Neighbour, Pf, Vf};

pub(super) fn examine(machine: &Machine, situation: Option<&Situation>) -> Vec<Finding> {
    let check = "iommu";
    if !machine.names("sys/class/iommu").is_empty()
        || !machine.names("sys/kernel/iommu_groups").is_empty()
    {
        let shared = situation.map(|situation| shared(machine, situation)).unwrap_or_default();
        return if shared.is_empty() { vec![Finding::ok(check, "on")] } else { shared };
    }
    let is_asked = situation.is_some_and(Situation::asks_for_vfio);
    let why =
        "VFs of deviceType vfio-pci stay without a driver; VFs for the network do not need it";
    let lacking = |what: &str| Finding::lacking(check, is_asked, what, why);
    let arguments = machine.text("proc/cmdline").unwrap_or_default();
    let has = |argument: &str| arguments.split_whitespace().any(|given| given == argument);
    let cpu = machine.text("proc/cpuinfo").unwrap_or_default();
    let (table, switched_off, argument, name) = if cpu.contains("GenuineIntel") {
        ("DMAR", "intel_iommu=off", Some("intel_iommu=on"), "VT-d")
    } else if cpu.contains("AuthenticAMD") {
        ("IVRS", "amd_iommu=off", None, "AMD-Vi (IOMMU)")
    } else {
        return vec![
            lacking("there is none").mend("switch it on in the firmware (SMMU on Arm machines)"),
        ];
    };
    if let Some(off) = ["iommu=off", switched_off].into_iter().find(|off| has(off)) {
        return vec![remove(machine, lacking(&format!("{off} switches it off")), off)];
    }
    if !machine.has(&format!("sys/firmware/acpi/tables/{table}")) {
        let what = format!("the firmware shows none (no ACPI table {table})");
        return vec![lacking(&what).mend(format!("switch {name} on in the firmware's set-up"))];
    }
    vec![match argument {
        Some(argument) if !has(argument) => {
            add(machine, lacking(&format!("the kernel was not started with {argument}")), argument)
        }
        _ => lacking("the firmware has it, and the kernel does not use it")
            .mend("see what it says: journalctl -k -g 'DMAR|AMD-Vi|IOMMU'"),
    }]
}

/// VFs that are for user space, or could be, and are in a group with what the kernel drives: by the
/// card, which keeps its functions not apart, or by the slot, which keeps cards not apart.
fn shared(machine: &Machine, situation: &Situation) -> Vec<Finding> {
    let why = "a group is given to user space as a whole: no program can open one of these VFs";
    let one = |pf: &Pf| {
        let wished = situation.desired().pfs.get(&pf.address);
        let is_asked = |index: &VfIndex| {
            let groups = wished.into_iter().flat_map(|wished| &wished.groups);
            groups.into_iter().any(|group| {
                group.device_type == DeviceType::VfioPci && group.range.contains(*index)
            })
        };
        let neighbour = |vf: &Vf| vf.neighbour.clone().or_else(|| stranger(machine, pf, vf));
        let found = pf.vfs.iter().find_map(|(index, vf)| {
            let with = neighbour(vf).filter(|_| is_asked(index))?;
            Some((true, with))
        });
        let found = found.or_else(|| Some((false, pf.vfs.values().find_map(neighbour)?)));
        let (is_asked, with) = found?;
        let what = format!("VFs of {} share {with}", pf.label());
        Some(
            Finding::lacking("iommu", is_asked, what, why)
                .mend("switch ACS (access control services) on in the firmware's set-up")
                .mend("else put the card into another slot, best one of the processor's own"),
        )
    };
    situation.snapshot.pfs.values().filter_map(one).collect()
}

/// What else is in a VF's group: no NIC that can make VFs. Bridges and what is kept for guests are
/// no hindrance (`vfio_dev_driver_allowed` in older kernels, `driver_managed_dma` in newer ones).
fn stranger(machine: &Machine, pf: &Pf, vf: &Vf) -> Option<Neighbour> {
    let group = vf.iommu_group?;
    let is_own = |address: &PciAddress| pf.vfs.values().any(|vf| vf.address == *address);
    let devices = machine.names(&format!("sys/kernel/iommu_groups/{group}/devices"));
    let addresses = devices.iter().filter_map(|name| name.parse().ok());
    addresses.filter(|address| !is_own(address)).find_map(|address: PciAddress| {
        let driver = machine.link(&format!("sys/bus/pci/devices/{address}/driver"))?;
        let driver: DriverName = driver.file_name()?.to_str()?.parse().ok()?;
        let hinders = !driver.is_userspace() && !matches!(driver.as_str(), "pcieport" | "pci-stub");
        hinders.then_some(Neighbour { group, address, driver })
    })
}

/// What keeps the kernel's arguments, by the program that changes them.
enum BootLoader {
    /// An image-based system.
    RpmOstree,
    /// Fedora and its kin.
    Grubby,
    /// Pop!_OS.
    Kernelstub,
    /// Debian and its kin.
    UpdateGrub,
    /// Another one.
    Unknown,
}

impl BootLoader {
    fn of(machine: &Machine) -> Self {
        if machine.has("run/ostree-booted") && machine.has_program("rpm-ostree") {
            Self::RpmOstree
        } else if machine.has_program("grubby") {
            Self::Grubby
        } else if machine.has_program("kernelstub") {
            Self::Kernelstub
        } else if machine.has_program("update-grub") {
            Self::UpdateGrub
        } else {
            Self::Unknown
        }
    }
}

/// How to add an argument here.
fn add(machine: &Machine, finding: Finding, argument: &str) -> Finding {
    let finding = match BootLoader::of(machine) {
        BootLoader::RpmOstree => finding.mend(format!(
            "sudo rpm-ostree kargs --append-if-missing={argument} --append-if-missing=iommu=pt"
        )),
        BootLoader::Grubby => {
            finding.mend(format!("sudo grubby --update-kernel=ALL --args=\"{argument} iommu=pt\""))
        }
        BootLoader::Kernelstub => {
            finding.mend(format!("sudo kernelstub --add-options \"{argument} iommu=pt\""))
        }
        BootLoader::UpdateGrub => finding
            .mend(format!(
                "add {argument} iommu=pt to GRUB_CMDLINE_LINUX in /etc/default/grub, then"
            ))
            .mend("sudo update-grub"),
        BootLoader::Unknown => {
            finding.mend(format!("add {argument} iommu=pt to the arguments of the boot loader"))
        }
    };
    finding.mend(REBOOT)
}

/// How to take one away.
fn remove(machine: &Machine, finding: Finding, argument: &str) -> Finding {
    let finding = match BootLoader::of(machine) {
        BootLoader::RpmOstree => {
            finding.mend(format!("sudo rpm-ostree kargs --delete-if-present={argument}"))
        }
        BootLoader::Grubby => {
            finding.mend(format!("sudo grubby --update-kernel=ALL --remove-args={argument}"))
        }
        BootLoader::Kernelstub => {
            finding.mend(format!("sudo kernelstub --delete-options {argument}"))
        }
        BootLoader::UpdateGrub => finding
            .mend(format!("remove {argument} from /etc/default/grub, then"))
            .mend("sudo update-grub"),
        BootLoader::Unknown => {
            finding.mend(format!("remove {argument} from the arguments of the boot loader"))
        }
    };
    finding.mend(REBOOT)
}

const REBOOT: &str = "reboot when it suits; railhead never does";
