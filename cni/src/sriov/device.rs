//! Which VF it is: its PF, its number, its driver.

use conf::cni::{Code, Error};
use conf::{DriverName, PciAddress, VfIndex};

use crate::kernel::sysfs::Sysfs;

/// A VF with a driver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Device {
    pub(super) vf: PciAddress,
    pub(super) pf: PciAddress,
    pub(super) index: VfIndex,
    /// Which device has the address now; see [`Sysfs::incarnation`].
    pub(super) incarnation: u64,
    pub(super) driver: DriverName,
}

impl Device {
    /// Looks the VF up.
    ///
    /// # Errors
    /// Code 7 when the address is not that of a VF; code 11 when it has no driver right now.
    pub(super) fn find(sysfs: &Sysfs, vf: PciAddress) -> Result<Self, Error> {
        let wrong = |why: &str| Error::new(Code::InvalidConfig, format!("use VF {vf}: {why}"));
        let gone = || wrong("there is no PCI device with that address");
        let (pf, driver) = (sysfs.pf_of(vf)?, sysfs.driver(vf)?);
        // Last: one that is there now was there for what was not found.
        let incarnation = sysfs.incarnation(vf)?.ok_or_else(gone)?;
        let pf = pf.ok_or_else(|| match sysfs.has_sriov(vf) {
            true => wrong("it is a PF; name one of its VFs"),
            false => wrong("it is no VF"),
        })?;
        let index = sysfs.vf_index(pf, vf)?.ok_or_else(gone)?;
        let driver = driver.ok_or_else(|| {
            Error::new(Code::TryAgainLater, format!("use VF {vf}: no driver is bound to it"))
                .details("`railhead status` tells whether a policy is at work on it")
        })?;
        Ok(Self { vf, pf, index, incarnation, driver })
    }

    /// The VF as it is now: the same, unless it was made anew or got another driver since.
    ///
    /// # Errors
    /// As for [`Device::find`].
    pub(super) fn again(&self, sysfs: &Sysfs) -> Result<Self, Error> {
        let driver = sysfs.driver(self.vf)?;
        let incarnation = sysfs.incarnation(self.vf)?;
        match driver.as_ref() == Some(&self.driver) && incarnation == Some(self.incarnation) {
            true => Ok(self.clone()),
            false => Self::find(sysfs, self.vf),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    /// A tree with one PF, 0000:01:00.0, and its VFs 0000:01:10.0 and 0000:01:10.2; the second
    /// has no driver.
    fn tree() -> (tempfile::TempDir, Sysfs) {
        let root = tempfile::tempdir().unwrap();
        let devices = root.path().join("bus/pci/devices");
        for name in ["0000:01:00.0", "0000:01:10.0", "0000:01:10.2", "0000:02:00.0"] {
            let directory = devices.join(name);
            fs::create_dir_all(&directory).unwrap();
            for (file, text) in [("vendor", "0x8086"), ("device", "0x10ca"), ("class", "0x020000")]
            {
                fs::write(directory.join(file), text).unwrap();
            }
        }
        let pf = devices.join("0000:01:00.0");
        for (file, text) in [
            ("sriov_totalvfs", "7"),
            ("sriov_numvfs", "2"),
            ("sriov_drivers_autoprobe", "1"),
            ("sriov_offset", "128"),
            ("sriov_stride", "2"),
            ("sriov_vf_device", "10ca"),
        ] {
            fs::write(pf.join(file), text).unwrap();
        }
        for (link, name) in [("virtfn0", "0000:01:10.0"), ("virtfn1", "0000:01:10.2")] {
            symlink(format!("../{name}"), pf.join(link)).unwrap();
            symlink("../0000:01:00.0", devices.join(name).join("physfn")).unwrap();
        }
        symlink("../../../drivers/igbvf", devices.join("0000:01:10.0/driver")).unwrap();
        let sysfs = Sysfs::at(root.path());
        (root, sysfs)
    }

    #[test]
    fn a_vf_with_its_pf_number_and_driver() {
        let (_root, sysfs) = tree();
        let device = Device::find(&sysfs, "0000:01:10.0".parse().unwrap()).unwrap();
        assert_eq!(device.pf.to_string(), "0000:01:00.0");
        assert_eq!(device.index, VfIndex(0));
        assert_eq!(device.driver.as_str(), "igbvf");
    }

    #[test]
    fn a_vf_that_was_made_anew_or_has_another_driver_is_looked_up_again() {
        let (_root, sysfs) = tree();
        let vf: PciAddress = "0000:01:10.0".parse().unwrap();
        let device = Device::find(&sysfs, vf).unwrap();
        assert_eq!(device.again(&sysfs).unwrap(), device);
        let former = Device { incarnation: device.incarnation + 1, index: VfIndex(5), ..device };
        assert_eq!(former.again(&sysfs).unwrap().index, VfIndex(0));
        let link = sysfs.root().join("bus/pci/devices/0000:01:10.0/driver");
        let device = Device::find(&sysfs, vf).unwrap();
        fs::remove_file(&link).unwrap();
        assert_eq!(device.again(&sysfs).unwrap_err().code, Code::TryAgainLater);
        symlink("../../../drivers/vfio-pci", &link).unwrap();
        assert!(device.again(&sysfs).unwrap().driver.is_userspace());
    }

    #[test]
    fn what_is_no_vf_in_working_order_is_told_apart() {
        let (_root, sysfs) = tree();
        for (address, code, why) in [
            ("0000:01:10.4", Code::InvalidConfig, "there is no PCI device"),
            ("0000:01:00.0", Code::InvalidConfig, "it is a PF"),
            ("0000:02:00.0", Code::InvalidConfig, "it is no VF"),
            ("0000:01:10.2", Code::TryAgainLater, "no driver is bound"),
        ] {
            let error = Device::find(&sysfs, address.parse().unwrap()).unwrap_err();
            assert_eq!(error.code, code, "{address}");
            assert!(error.msg.contains(why), "{error}");
        }
    }
}
