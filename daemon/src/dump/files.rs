//! The files of a machine that decisions depend on: what [`crate::observe`] reads below `/sys`, and
//! railhead's own.
//!
//! By name, and nothing else: no device's memory, no program's secrets.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use cni::kernel::Error;
use conf::{IfName, PciAddress};
use ipam::durable;

use super::{Tree, objects};
use crate::host::Host;
use crate::observe::operator;

/// Attributes of a PCI function (Documentation/ABI/testing/sysfs-bus-pci).
///
/// Not `sriov_numvfs`, which is not read where a write to it may hang (docs/decisions/0001); nor
/// `driver_override`, which is that of VFs alone.
const OF_FUNCTION: [&str; 10] = [
    "vendor",
    "device",
    "class",
    "numa_node",
    "modalias",
    "sriov_totalvfs",
    "sriov_drivers_autoprobe",
    "sriov_offset",
    "sriov_stride",
    "sriov_vf_device",
];

/// Attributes of a network interface (Documentation/ABI/testing/sysfs-class-net).
const OF_NETDEV: [&str; 9] = [
    "ifindex",
    "mtu",
    "flags",
    "address",
    "operstate",
    "type",
    "speed",
    "phys_port_name",
    "phys_switch_id",
];

/// Files below the root, one by one.
const FILES: [&str; 6] = [
    "etc/railhead/railhead.yaml",
    "var/lib/railhead/cooldown.json",
    "var/lib/railhead/last-good.json",
    "var/lib/railhead/last-good-settings.json",
    "var/lib/railhead/pause.json",
    "var/lib/railhead/trial.json",
];

/// What the SR-IOV Network Operator found first, below the root.
const INITIAL: &str = "tmp/sno-initial-node-state.json";

/// Directories whose `*.json` are taken.
const DIRECTORIES: [&str; 4] = [
    "run/railhead/journal",
    "var/lib/railhead/blocks/ippool",
    "var/lib/railhead/blocks/cidrpool",
    "var/lib/railhead/objects",
];

/// What lies below the root of `host`, of whose PFs `stuck` have a write under way.
pub(super) fn tree(host: &Host, stuck: &BTreeSet<PciAddress>) -> Result<Tree, Error> {
    let mut tree = Tree::default();
    let sys = host.sysfs().root();
    for (pf, found) in host.sysfs().physical_functions()? {
        function(&mut tree, sys, pf);
        // Nobody looks at the VFs of a PF that cannot be read.
        for (index, vf) in found.into_iter().flat_map(|found| found.virtfns) {
            function(&mut tree, sys, vf);
            if !stuck.contains(&pf) {
                let attribute = "driver_override";
                file(&mut tree, &directory(sys, vf).join(attribute), at(vf) + "/" + attribute);
            }
            tree.links.insert(format!("{}/virtfn{index}", at(pf)), format!("../{vf}"));
            tree.links.insert(format!("{}/physfn", at(vf)), format!("../{pf}"));
        }
    }
    // NICs without SR-IOV: policies name them all the same.
    for address in host.sysfs().pci_functions()? {
        let of_pf = host.sysfs().has_sriov(address) || host.sysfs().pf_of(address)?.is_some();
        let found = if of_pf { None } else { host.sysfs().function_while_stuck(address)? };
        if found.is_some_and(|found| found.is_network()) {
            function(&mut tree, sys, address);
        }
    }
    lower_netdevs(&mut tree, sys);
    for module in ["vfio_pci", "vfio"] {
        if sys.join("module").join(module).exists() {
            tree.directories.insert(format!("sys/module/{module}"));
        }
    }
    let parameter = "module/vfio/parameters/enable_unsafe_noiommu_mode";
    file(&mut tree, &sys.join(parameter), format!("sys/{parameter}"));
    for path in FILES {
        file(&mut tree, &host.root().join(path), path.to_owned());
    }
    for path in DIRECTORIES {
        for name in names(&host.root().join(path)).filter(|name| name.ends_with(".json")) {
            let path = format!("{path}/{name}");
            file(&mut tree, &host.root().join(&path), path);
        }
    }
    let operators = "etc/sriov-operator/pci";
    for name in names(&host.root().join(operators)) {
        if name.parse::<PciAddress>().is_ok() {
            let path = format!("{operators}/{name}");
            file(&mut tree, &host.root().join(&path), path);
        }
    }
    // Anybody may write there.
    let initial = host.root().join(INITIAL);
    if let Some(bytes) = operator::read_trusted(host, &initial) {
        tree.files.insert(INITIAL.to_owned(), String::from_utf8_lossy(&bytes).into_owned());
    }
    objects::add(&mut tree, host.root());
    Ok(tree)
}

fn at(function: PciAddress) -> String {
    format!("sys/bus/pci/devices/{function}")
}

fn directory(sys: &Path, function: PciAddress) -> std::path::PathBuf {
    sys.join("bus/pci/devices").join(function.to_string())
}

/// A PCI function, its driver, its IOMMU group and its netdevs.
fn function(tree: &mut Tree, sys: &Path, address: PciAddress) {
    let (from, to) = (directory(sys, address), at(address));
    for name in OF_FUNCTION {
        file(tree, &from.join(name), format!("{to}/{name}"));
    }
    if let Some(driver) = linked(&from.join("driver")) {
        tree.directories.insert(format!("sys/bus/pci/drivers/{driver}"));
        tree.links.insert(format!("{to}/driver"), format!("../../drivers/{driver}"));
    }
    if let Some(group) = linked(&from.join("iommu_group")) {
        tree.directories.insert(format!("sys/kernel/iommu_groups/{group}"));
        let target = format!("../../../../kernel/iommu_groups/{group}");
        tree.links.insert(format!("{to}/iommu_group"), target);
    }
    for class in ["net", "infiniband"] {
        if from.join(class).is_dir() {
            tree.directories.insert(format!("{to}/{class}"));
        }
        for name in names(&from.join(class)) {
            tree.directories.insert(format!("{to}/{class}/{name}"));
            if class == "net" {
                netdev(tree, sys, &name);
            }
        }
    }
    // A virtio device stands between its function and its netdev.
    for device in names(&from).filter(|name| name.starts_with("virtio")) {
        let net = from.join(&device).join("net");
        if !net.is_dir() {
            continue;
        }
        tree.directories.insert(format!("{to}/{device}/net"));
        let target = format!("../../pci/devices/{address}/{device}");
        tree.links.insert(format!("sys/bus/virtio/devices/{device}"), target);
        for name in names(&net) {
            tree.directories.insert(format!("{to}/{device}/net/{name}"));
            netdev(tree, sys, &name);
        }
    }
}

fn netdev(tree: &mut Tree, sys: &Path, name: &str) {
    for attribute in OF_NETDEV {
        let path = format!("class/net/{name}/{attribute}");
        file(tree, &sys.join(&path), format!("sys/{path}"));
    }
}

/// What bonds, bridges and VLANs stand on, all the way down to PFs.
fn lower_netdevs(tree: &mut Tree, sys: &Path) {
    let class = sys.join("class/net");
    for upper in names(&class).filter(|name| name.parse::<IfName>().is_ok()) {
        for lower in names(&class.join(&upper)) {
            if let Some(name) = lower.strip_prefix("lower_") {
                tree.links.insert(format!("sys/class/net/{upper}/{lower}"), format!("../{name}"));
            }
        }
    }
}

/// The last name of what a link leads to.
fn linked(link: &Path) -> Option<String> {
    Some(fs::read_link(link).ok()?.file_name()?.to_str()?.to_owned())
}

/// The names in a directory; what cannot be read counts as not there, as for whoever looks.
fn names(directory: &Path) -> impl Iterator<Item = String> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().into_string().ok())
}

/// A file, where there is one that can be read.
fn file(tree: &mut Tree, from: &Path, to: String) {
    if let Ok(Some(bytes)) = durable::read_optional(from) {
        tree.files.insert(to, String::from_utf8_lossy(&bytes).into_owned());
    }
}
