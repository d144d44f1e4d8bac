//! The kernel: its version, what it was built with, its modules, and what we may do.

use cni::kernel::sysfs::Sysfs;
use conf::DriverName;

use super::{Finding, Machine};
use crate::situation::Situation;
use crate::vfio_ids;

/// The oldest kernel: it numbers network namespaces (SO_NETNS_COOKIE) and names a link's device
/// (IFLA_PARENT_DEV_NAME).
const OLDEST: (u32, u32) = (5, 14);

/// What the daemon and the plugins need (CAP_*): bit (include/uapi/linux/capability.h), name, for
/// what.
const CAPABILITIES: [(u32, &str, &str); 5] = [
    (12, "CAP_NET_ADMIN", "change links and assign VFs"),
    (21, "CAP_SYS_ADMIN", "look into network namespaces"),
    (16, "CAP_SYS_MODULE", "load vfio-pci and VF drivers"),
    (19, "CAP_SYS_PTRACE", "see who holds a VF open"),
    (1, "CAP_DAC_OVERRIDE", "write to sysfs"),
];

pub(super) fn examine(machine: &Machine, situation: Option<&Situation>) -> Vec<Finding> {
    let mut findings = vec![version(machine)];
    findings.extend(capabilities(machine));
    findings.extend(config(machine));
    findings.push(vfio(machine, situation));
    findings.extend(vf_drivers(machine, situation));
    findings.extend(vfio_ids(machine, situation));
    findings
}

/// NICs, and VFs for the network, that vfio-pci was told to take by their ids.
fn vfio_ids(machine: &Machine, situation: Option<&Situation>) -> Vec<Finding> {
    let check = "vfio-ids";
    let pfs = situation.into_iter().flat_map(|situation| situation.snapshot.pfs.values());
    let mut findings: Vec<Finding> = pfs
        .flat_map(|pf| {
            let told = |id| vfio_ids::told_by(&machine.path(""), pf.vendor, id);
            let of_vfs = told(pf.vf_device).map(|by| {
                let what = format!("{by} gives vfio-pci all VFs of id {}:{}", pf.vendor, pf.vf_device);
                let why = "it takes them before their own driver does: one that somebody else binds \
                           anew has no network interface, until railhead puts that right";
                Finding::warning(check, what, why)
            });
            let of_pf = told(pf.device).map(|by| {
                let what = format!("{by} gives vfio-pci all NICs of id {}:{}", pf.vendor, pf.device);
                Finding::warning(check, what, "a PF that it takes has no network interface and no VFs")
            });
            let mend = "remove the id there; policies with deviceType vfio-pci do not need it";
            of_vfs.into_iter().chain(of_pf).map(|finding| finding.mend(mend)).collect::<Vec<_>>()
        })
        .collect();
    findings.dedup();
    findings
}

fn version(machine: &Machine) -> Finding {
    let check = "kernel-version";
    let why = "it lacks what railhead tells namespaces and VFs apart by";
    let release = machine.release().unwrap_or_default();
    let mut numbers = release.split(['.', '-']).map_while(|part| part.parse::<u32>().ok());
    match (numbers.next(), numbers.next()) {
        (Some(major), Some(minor)) if (major, minor) >= OLDEST => {
            Finding::ok(check, format!("Linux {release}"))
        }
        (Some(_), Some(_)) => {
            Finding::error(check, format!("Linux {release} is older than 5.14"), why)
                .mend("boot a kernel of 5.14 or later")
        }
        _ => {
            Finding::warning(check, "the kernel's version cannot be read", why).mend("mount /proc")
        }
    }
}

fn capabilities(machine: &Machine) -> Option<Finding> {
    let status = machine.text("proc/self/status")?;
    let held = status.lines().find_map(|line| line.strip_prefix("CapEff:"))?;
    let held = u64::from_str_radix(held.trim(), 16).ok()?;
    let check = "capabilities";
    let missing: Vec<String> = CAPABILITIES
        .iter()
        .filter(|(bit, ..)| held & (1 << bit) == 0)
        .map(|(_, name, purpose)| format!("{name} ({purpose})"))
        .collect();
    Some(if missing.is_empty() {
        Finding::ok(check, "all that is needed")
    } else {
        let why = "what is not allowed is not found either: this report may lack something";
        Finding::warning(check, format!("missing: {}", missing.join(", ")), why)
            .mend("sudo railhead doctor")
    })
}

/// Options without which something does not work, and what.
const OPTIONS: [(&str, &str); 3] = [
    ("CONFIG_PCI_IOV", "there are no VFs at all"),
    ("CONFIG_NET_NS", "there are no network namespaces to attach VFs to"),
    ("CONFIG_VFIO_PCI", "no VF can be given to user space"),
];

fn config(machine: &Machine) -> Vec<Finding> {
    let check = "kernel-config";
    let release = machine.release().unwrap_or_default();
    let places = [
        format!("boot/config-{release}"),
        format!("lib/modules/{release}/config"),
        format!("usr/lib/modules/{release}/config"),
    ];
    let Some(config) = places.iter().find_map(|place| machine.text(place)) else {
        return vec![Finding::ok(
            check,
            "not readable; what the kernel shows is looked at instead",
        )];
    };
    let is_set = |option: &str| {
        let value =
            |line: &str| line.strip_prefix(option).is_some_and(|rest| rest == "=y" || rest == "=m");
        config.lines().any(value)
    };
    let missing = OPTIONS.iter().filter(|(option, _)| !is_set(option));
    let findings: Vec<Finding> = missing
        .map(|(option, why)| {
            Finding::error(check, format!("the kernel was built without {option}"), why)
                .mend("boot a kernel that has it: those of the distributions do")
        })
        .collect();
    if findings.is_empty() {
        vec![Finding::ok(check, "SR-IOV, VFIO, namespaces")]
    } else {
        findings
    }
}

fn vfio(machine: &Machine, situation: Option<&Situation>) -> Finding {
    let check = "module-vfio-pci";
    let is_loaded =
        cni::kernel::module::is_loaded(&Sysfs::at(machine.path("sys")), &DriverName::vfio_pci());
    let is_on_disk = has_module(machine, "vfio-pci");
    match (is_loaded, is_on_disk) {
        (true, _) => Finding::ok(check, "vfio-pci is loaded"),
        (false, true) => Finding::ok(check, "vfio-pci is loaded when a policy asks for it"),
        (false, false) => Finding::lacking(
            check,
            situation.is_some_and(Situation::asks_for_vfio),
            "this kernel has no module vfio-pci",
            "VFs of deviceType vfio-pci stay without a driver",
        )
        .mend(
            "install the package with the rest of the kernel's modules (linux-modules-extra-…, \
               kernel-modules)",
        ),
    }
}

/// Whether the running kernel has a module, in a file or built in.
fn has_module(machine: &Machine, name: &str) -> bool {
    let release = machine.release().unwrap_or_default();
    let is_it = |line: &str| {
        let path = line.split(':').next().unwrap_or_default();
        let file = path.rsplit('/').next().unwrap_or_default();
        file.split(".ko").next().map(spelt) == Some(spelt(name))
    };
    ["modules.dep", "modules.builtin"].iter().any(|file| {
        let lists = machine.text(&format!("lib/modules/{release}/{file}"));
        lists.is_some_and(|list| list.lines().any(is_it))
    })
}

/// A module's name as the kernel spells it, whatever the file's.
fn spelt(name: &str) -> String {
    name.replace('-', "_")
}

/// VF drivers that an administrator keeps from being loaded, as is usual on hosts of virtual
/// machines.
fn vf_drivers(machine: &Machine, situation: Option<&Situation>) -> Vec<Finding> {
    let release = machine.release().unwrap_or_default();
    let aliases = machine.text(&format!("lib/modules/{release}/modules.alias")).unwrap_or_default();
    let kept_out =
        machine.files(&["etc/modprobe.d", "run/modprobe.d", "usr/lib/modprobe.d"], ".conf");
    let mut drivers: Vec<&str> = situation
        .into_iter()
        .flat_map(|situation| situation.snapshot.pfs.values())
        .flat_map(|pf| {
            let alias =
                format!("alias pci:v0000{:04X}d0000{:04X}sv", pf.vendor.get(), pf.vf_device.get());
            let lines = aliases.lines().filter(move |line| line.starts_with(&alias));
            lines.filter_map(|line| line.split_whitespace().nth(2))
        })
        .collect();
    drivers.sort_unstable();
    drivers.dedup();
    let mut findings = Vec::new();
    for driver in drivers {
        for (file, text) in &kept_out {
            let is_kept_out = |line: &str| {
                let mut words = line.split_whitespace();
                let verb = words.next();
                let same = words.next().map(spelt) == Some(spelt(driver));
                same && matches!(verb, Some("blacklist" | "install"))
            };
            if text.lines().any(is_kept_out) {
                let what = format!("{file} keeps the VF driver {driver} from being loaded");
                let why = "VFs of deviceType netdevice get no driver and no network interface";
                findings.push(
                    Finding::warning("vf-driver", what, why)
                        .mend("remove the line; policies with deviceType vfio-pci do not need it"),
                );
            }
        }
    }
    findings
}
