//! The guest's kernel and those of its modules that the guest needs, with what they depend on.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, anyhow, ensure};

use super::place;

/// What the guest loads at boot. A udev would load most of it by modalias.
const WANTED: &[&str] = &[
    // The emulated cards and their VFs.
    "igb",
    "igbvf",
    // Devices for virtual machines.
    "vfio_iommu_type1",
    "vfio-pci",
    "uio_pci_generic",
    // What tests and people build networks of.
    "8021q",
    "bonding",
    "bridge",
    "dummy",
    "macvlan",
    "veth",
    // What plugins after ours make of a pod's interfaces.
    "vrf",
    // What a pod may leave on its interface.
    "sch_ingress",
    "sch_prio",
    "cls_matchall",
    // Raw packets, for ping and neighbour announcements.
    "af_packet",
    // The disk.
    "virtio_blk",
    "ext4",
];

/// What the guest loads before all that, of kernels that have it.
const WELCOME: &[&str] = &[
    // ext4 asks for it by another name, and kernels since 6.14 have it built in.
    "crc32c_generic",
];

/// What modules are loaded with.
const PARAMETERS: &[(&str, &str)] = &[
    // No interface that nobody asked for.
    ("bonding", "max_bonds=0"),
    ("dummy", "numdummies=0"),
];

/// The kernel, unpacked by `tests/setup.sh`.
#[derive(Debug)]
pub(super) struct Kernel {
    directory: PathBuf,
    /// `6.12.95+deb12-amd64`
    pub(super) version: String,
}

/// One module, as the guest gets it.
#[derive(Debug)]
pub(super) struct Module {
    /// Its path below `/lib/modules/VERSION`, without the suffix of a compression.
    pub(super) path: String,
    /// The module itself, unpacked: the guest has no decompressor, and an emulated one would be slow.
    pub(super) contents: Vec<u8>,
    /// What to load it with: `numdummies=0`.
    pub(super) parameters: &'static str,
}

impl Kernel {
    /// The kernel that the set-up fetched.
    pub(super) fn find() -> Result<Self> {
        let directory = place::lab().join("kernel");
        let file = directory.join("version");
        let version =
            fs::read_to_string(&file).with_context(|| format!("read {}", file.display()))?;
        Ok(Self { directory, version: version.trim().to_owned() })
    }

    /// The image that QEMU boots.
    pub(super) fn image(&self) -> PathBuf {
        self.directory.join("vmlinuz")
    }

    /// The modules to load, in an order in which each finds what it depends on.
    pub(super) fn modules(&self) -> Result<Vec<Module>> {
        let directory = self.directory.join("modules");
        let read = |name: &str| {
            let file = directory.join(name);
            fs::read_to_string(&file).with_context(|| format!("read {}", file.display()))
        };
        let built_in: Vec<String> = read("modules.builtin")?.lines().map(name).collect();
        let dependencies = read("modules.dep")?;
        let paths = || dependencies.lines().filter_map(|line| line.split(':').next());
        let has = |module: &&&str| paths().any(|path| name(path) == **module);
        let wanted: Vec<&str> = WELCOME.iter().filter(has).chain(WANTED).copied().collect();
        let order = load_order(&dependencies, &built_in, &wanted)?;
        order.iter().map(|path| unpack(&directory, path)).collect()
    }
}

/// The paths of the wanted modules and all that they need, dependencies first.
fn load_order(dependencies: &str, built_in: &[String], wanted: &[&str]) -> Result<Vec<String>> {
    let paths: BTreeMap<String, (&str, &str)> = dependencies
        .lines()
        .filter_map(|line| line.split_once(':'))
        .map(|(path, needs)| (name(path), (path, needs)))
        .collect();
    let mut order: Vec<String> = Vec::new();
    for module in wanted {
        let module = name(module);
        if built_in.contains(&module) {
            continue;
        }
        let (path, needs) = paths
            .get(&module)
            .ok_or_else(|| anyhow!("the guest's kernel has no module {module}"))?;
        // depmod lists all that a module needs, those nearest to it first.
        for path in needs.split_whitespace().rev().chain([*path]) {
            if !order.iter().any(|known| known == path) {
                order.push(path.to_owned());
            }
        }
    }
    Ok(order)
}

/// A module's name from its path: dashes and underscores are one.
fn name(path: &str) -> String {
    let file = path.rsplit('/').next().unwrap_or(path);
    file.split(".ko").next().unwrap_or(file).replace('-', "_")
}

fn unpack(directory: &Path, path: &str) -> Result<Module> {
    let file = directory.join(path);
    let packer = match file.extension().and_then(|extension| extension.to_str()) {
        Some("xz") => Some("xz"),
        Some("zst") => Some("zstd"),
        Some("gz") => Some("gzip"),
        _ => None,
    };
    let plain = path.split_once(".ko").map_or(path, |(stem, _)| stem).to_owned() + ".ko";
    let parameters = PARAMETERS.iter().find(|(module, _)| *module == name(path));
    let parameters = parameters.map_or("", |(_, parameters)| parameters);
    let Some(packer) = packer else {
        let contents = fs::read(&file).with_context(|| format!("read {}", file.display()))?;
        return Ok(Module { path: plain, contents, parameters });
    };
    let output = Command::new(packer)
        .arg("-dc")
        .arg(&file)
        .output()
        .with_context(|| format!("run {packer} to unpack {}", file.display()))?;
    ensure!(
        output.status.success(),
        "unpack {}: {}",
        file.display(),
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(Module { path: plain, contents: output.stdout, parameters })
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEPENDENCIES: &str = "\
kernel/net/8021q/8021q.ko.xz: kernel/net/802/garp.ko.xz kernel/net/802/mrp.ko.xz kernel/net/802/stp.ko.xz kernel/net/llc/llc.ko.xz
kernel/net/802/garp.ko.xz: kernel/net/802/stp.ko.xz kernel/net/llc/llc.ko.xz
kernel/drivers/vfio/pci/vfio-pci.ko.xz:
";

    #[test]
    fn what_a_module_needs_comes_before_it() {
        let order = load_order(DEPENDENCIES, &[], &["8021q", "garp", "vfio_pci"]).unwrap();
        let names: Vec<String> = order.iter().map(|path| name(path)).collect();
        assert_eq!(names, ["llc", "stp", "mrp", "garp", "8021q", "vfio_pci"]);
    }

    #[test]
    fn a_built_in_module_is_not_loaded_and_an_unknown_one_is_an_error() {
        assert!(load_order("", &["veth".to_owned()], &["veth"]).unwrap().is_empty());
        let error = load_order(DEPENDENCIES, &[], &["igb"]).unwrap_err();
        assert_eq!(error.to_string(), "the guest's kernel has no module igb");
    }
}
