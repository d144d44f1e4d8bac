//! Who has a function's device file open.
//!
//! A file is known by its device number: what it is called says little, in a container or where a
//! virtual machine's manager made a node of its own.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

use conf::PciAddress;
use nix::sys::stat::makedev;

use crate::kernel::sysfs::Sysfs;
use crate::kernel::{Error, procfs};

/// A process that has a device file open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// Its process id.
    pub pid: u32,
    /// Its name (`/proc/PID/comm`).
    pub name: String,
}

/// The processes that have device files open, from one look through `/proc`.
#[derive(Debug, Default)]
pub struct Holders {
    by_number: BTreeMap<u64, Holder>,
    unreadable: Option<Error>,
}

impl Holders {
    /// Looks. Processes come and go meanwhile.
    pub fn look() -> Self {
        let mut holders = Self::default();
        for process in holders.noted(procfs::all()) {
            for (link, target) in holders.noted(procfs::files(&process)) {
                if let Some(number) = number_of_open(&link, &target) {
                    let holder = || holder(&process);
                    holders.by_number.entry(number).or_insert_with(holder);
                }
            }
        }
        holders
    }

    /// Who has one of these devices open.
    pub fn of(&self, numbers: &[u64]) -> Option<&Holder> {
        numbers.iter().find_map(|number| self.by_number.get(number))
    }

    /// The same, where nobody may be overlooked.
    ///
    /// # Errors
    /// Nobody was found, and a process could not be looked at.
    pub fn surely_of(self, numbers: &[u64]) -> Result<Option<Holder>, Error> {
        match (self.of(numbers).cloned(), self.unreadable) {
            (None, Some(error)) => Err(error),
            (found, _) => Ok(found),
        }
    }

    fn noted<V: Default>(&mut self, read: Result<V, Error>) -> V {
        read.unwrap_or_else(|error| {
            self.unreadable.get_or_insert(error);
            V::default()
        })
    }
}

fn holder(process: &Path) -> Holder {
    let pid = process.file_name().and_then(|name| name.to_str()?.parse().ok());
    let name = procfs::read(&process.join("comm")).ok().flatten().unwrap_or_default();
    Holder {
        pid: pid.unwrap_or_default(),
        name: String::from_utf8_lossy(name.trim_ascii_end()).into_owned(),
    }
}

/// The device number of an open file, where it is a character device. Only what lies below `/dev`
/// is looked at, whatever `/dev` that is: a look at a file of a network file system can hang.
pub fn number_of_open(link: &Path, target: &Path) -> Option<u64> {
    let found = target.starts_with("/dev").then(|| fs::metadata(link).ok()).flatten()?;
    found.file_type().is_char_device().then(|| found.rdev())
}

/// The number of a group's device file.
pub fn group_number(sysfs: &Sysfs, group: u32) -> Option<u64> {
    let class = sysfs.root().join("class/vfio");
    // Of one that no IOMMU keeps in bounds, likewise.
    [group.to_string(), format!("noiommu-{group}")]
        .iter()
        .find_map(|name| number(&class.join(name)))
}

/// The numbers of the device files of a function itself, which user space may open instead of its
/// group's: `/dev/vfio/devices/vfioN`, `/dev/vhost-vdpa-N`.
pub fn device_numbers(sysfs: &Sysfs, function: PciAddress) -> Vec<u64> {
    let own = sysfs.root().join("bus/pci/devices").join(function.to_string());
    let mut numbers = Vec::new();
    for name in below(&own) {
        let path = own.join(&name);
        if name == "vfio-dev" {
            numbers.extend(below(&path).iter().filter_map(|device| number(&path.join(device))));
        } else if name.starts_with("vdpa") {
            numbers.extend(vhost_numbers(&path));
        } else if name.contains(".vnet.") {
            // mlx5 makes an auxiliary device, which the vDPA device is a child of.
            let inner = below(&path).into_iter().filter(|name| name.starts_with("vdpa"));
            numbers.extend(inner.flat_map(|name| vhost_numbers(&path.join(name))));
        }
    }
    numbers
}

fn vhost_numbers(vdpa: &Path) -> Vec<u64> {
    let devices = below(vdpa).into_iter().filter(|name| name.starts_with("vhost-vdpa-"));
    devices.filter_map(|name| number(&vdpa.join(name))).collect()
}

/// What is in a directory of sysfs; nothing where that is not there.
fn below(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().into_string().ok()).collect()
}

/// The number in a device's `dev`: `511:3`.
fn number(device: &Path) -> Option<u64> {
    let text = fs::read_to_string(device.join("dev")).ok()?;
    let (major, minor) = text.trim_end().split_once(':')?;
    Some(makedev(major.parse().ok()?, minor.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use nix::pty::openpty;

    use super::*;

    fn tree(files: &[(&str, &str)]) -> (tempfile::TempDir, Sysfs) {
        let root = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let sysfs = Sysfs::at(root.path());
        (root, sysfs)
    }

    #[test]
    fn the_device_files_of_a_function_are_found_by_number() {
        let vf: PciAddress = "0000:01:10.0".parse().unwrap();
        let of = |file: &str| format!("bus/pci/devices/{vf}/{file}");
        for (path, numbers) in [
            ("vfio-dev/vfio3/dev", vec![makedev(511, 3)]),
            ("vdpa0/vhost-vdpa-0/dev", vec![makedev(511, 3)]),
            ("mlx5_core.vnet.2/vdpa1/vhost-vdpa-1/dev", vec![makedev(511, 3)]),
            ("mlx5_core.rdma.2/vdpa1/vhost-vdpa-1/dev", Vec::new()),
            ("net/ens1f0v0/dev", Vec::new()),
        ] {
            let (_root, sysfs) = tree(&[(&of(path), "511:3\n")]);
            assert_eq!(device_numbers(&sysfs, vf), numbers, "{path}");
        }
        let (_root, sysfs) =
            tree(&[("class/vfio/12/dev", "244:0\n"), ("class/vfio/noiommu-3/dev", "244:1\n")]);
        assert_eq!(group_number(&sysfs, 12), Some(makedev(244, 0)));
        assert_eq!(group_number(&sysfs, 3), Some(makedev(244, 1)));
        assert_eq!(group_number(&sysfs, 4), None);
        assert!(device_numbers(&sysfs, vf).is_empty());
    }

    #[test]
    fn a_process_is_found_by_the_number_of_what_it_has_open() {
        // A terminal of its own: what has one name for all, others may have open too.
        let terminal = openpty(None, None).unwrap();
        let number = File::from(terminal.slave.try_clone().unwrap()).metadata().unwrap().rdev();
        let holders = Holders::look();
        assert_eq!(holders.of(&[number]).unwrap().pid, std::process::id());
        assert!(!holders.of(&[number]).unwrap().name.is_empty());
        assert_eq!(holders.of(&[makedev(511, 3)]), None);
        assert_eq!(holders.of(&[]), None);
    }

    #[test]
    fn only_device_files_have_a_number() {
        let directory = tempfile::tempdir().unwrap();
        let link = |path: &str| number_of_open(Path::new(path), Path::new(path));
        assert_eq!(link("/dev/null"), Some(makedev(1, 3)));
        assert_eq!(number_of_open(Path::new("/dev/null"), Path::new("/mnt/null")), None);
        assert_eq!(link("/dev"), None);
        assert_eq!(number_of_open(directory.path(), Path::new("/dev/x")), None);
    }
}
