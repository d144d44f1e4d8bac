//! VFIO groups and devices: functions that are given to user space.

mod open;

use std::fs::File;
use std::path::{Path, PathBuf};

use super::sysfs::Sysfs;
use super::{Errno, Error};

pub use open::{Holder, Holders, device_numbers, group_number, number_of_open};

/// The device file of a group, under `dev` (`/dev`).
pub fn group_path(dev: &Path, group: u32) -> PathBuf {
    dev.join("vfio").join(group.to_string())
}

/// Whether someone has the group, or a device of it, open.
///
/// A group can be open once (`vfio_group_fops_open`, drivers/vfio/group.c), so the question is
/// asked by opening it, for the time that takes: someone who opens it in that moment gets EBUSY.
/// Ask only before a step that would take the device from them anyway. A group without file is
/// nobody's.
pub fn is_busy(dev: &Path, group: u32) -> Result<bool, Error> {
    let path = group_path(dev, group);
    let opened = File::options().read(true).write(true).open(&path);
    match opened.map_err(|error| error.raw_os_error().map_or(Errno::EIO, Errno::from_raw)) {
        Ok(_) | Err(Errno::ENOENT | Errno::ENODEV | Errno::ENXIO) => Ok(false),
        Err(Errno::EBUSY) => Ok(true),
        Err(errno) => Err(Error::new("open", path.display(), errno)),
    }
}

/// Whether the administrator lets user space have devices that no IOMMU keeps in bounds
/// (`enable_unsafe_noiommu_mode` of the module vfio). A group is made then when the driver binds.
pub fn allows_no_iommu(sysfs: &Sysfs) -> bool {
    let path = sysfs.root().join("module/vfio/parameters/enable_unsafe_noiommu_mode");
    std::fs::read_to_string(path).is_ok_and(|value| value.trim_end() == "Y")
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_group_that_can_be_opened_or_is_not_there_is_free() {
        let dev = tempfile::tempdir().unwrap();
        assert!(!is_busy(dev.path(), 12).unwrap());
        fs::create_dir(dev.path().join("vfio")).unwrap();
        assert!(!is_busy(dev.path(), 12).unwrap());
        fs::write(group_path(dev.path(), 12), "").unwrap();
        assert!(!is_busy(dev.path(), 12).unwrap());
    }

    #[test]
    fn the_unsafe_mode_is_on_only_when_it_says_so() {
        let root = tempfile::tempdir().unwrap();
        let sysfs = Sysfs::at(root.path());
        assert!(!allows_no_iommu(&sysfs));
        let directory = root.path().join("module/vfio/parameters");
        fs::create_dir_all(&directory).unwrap();
        for (value, allows) in [("N\n", false), ("Y\n", true), ("", false)] {
            fs::write(directory.join("enable_unsafe_noiommu_mode"), value).unwrap();
            assert_eq!(allows_no_iommu(&sysfs), allows, "{value:?}");
        }
    }

    #[test]
    fn what_cannot_be_asked_is_an_error() {
        let dev = tempfile::tempdir().unwrap();
        fs::create_dir_all(group_path(dev.path(), 12)).unwrap();
        let error = is_busy(dev.path(), 12).unwrap_err();
        assert!(error.is(Errno::EISDIR), "{error}");
    }
}
