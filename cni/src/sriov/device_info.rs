//! Device-info files (Network Plumbing Working Group, "Device Information Specification" 1.1.0):
//! what network-status tells of the device behind an interface.
//!
//! The device plugin usually writes one and Multus hands it on. Where nobody did, this plugin
//! writes it at the path that Multus names, and takes away on DEL what it wrote.

use std::path::{Path, PathBuf};

use conf::cni::{Code, Error};
use serde_json::{Value, json};

use super::device::Device;
use super::wish::Wish;
use crate::kernel::sysfs::Sysfs;

/// The file to be written, when there is none yet.
pub(super) fn wanted(wish: &Wish) -> Option<PathBuf> {
    wish.conf.device_info_file.clone().filter(|path| !path.exists())
}

/// Writes the file; `false` when somebody else was faster.
pub(super) fn write(sysfs: &Sysfs, path: &Path, device: &Device) -> Result<bool, Error> {
    let failed = |cause: &dyn std::fmt::Display| {
        Error::new(Code::Io, format!("write device information {}: {cause}", path.display()))
    };
    let document = document(device, &sysfs.rdma_devices(device.vf)?);
    if let Some(directory) = path.parent() {
        std::fs::create_dir_all(directory).map_err(|cause| failed(&cause))?;
    }
    match std::fs::File::create_new(path) {
        Ok(mut file) => std::io::Write::write_all(&mut file, document.to_string().as_bytes())
            .map(|()| true)
            .map_err(|cause| failed(&cause)),
        Err(cause) if cause.kind() == std::io::ErrorKind::AlreadyExists => Ok(false),
        Err(cause) => Err(failed(&cause)),
    }
}

/// Removes the file, if it is there.
pub(super) fn remove(path: &Path) -> Result<(), Error> {
    match std::fs::remove_file(path) {
        Err(cause) if cause.kind() != std::io::ErrorKind::NotFound => Err(Error::new(
            Code::Io,
            format!("remove device information {}: {cause}", path.display()),
        )),
        _ => Ok(()),
    }
}

fn document(device: &Device, rdma: &[String]) -> Value {
    let mut pci = json!({"pci-address": device.vf, "pf-pci-address": device.pf});
    if let Some(rdma) = rdma.first() {
        pci["rdma-device"] = json!(rdma);
    }
    json!({"type": "pci", "version": "1.1.0", "pci": pci})
}

#[cfg(test)]
mod tests {
    use conf::VfIndex;

    use super::*;

    fn device() -> Device {
        Device {
            vf: "0000:01:10.0".parse().unwrap(),
            pf: "0000:01:00.0".parse().unwrap(),
            index: VfIndex(0),
            incarnation: 1,
            driver: "igbvf".parse().unwrap(),
        }
    }

    #[test]
    fn document_golden() {
        assert_eq!(
            document(&device(), &["mlx5_2".to_owned()]).to_string(),
            r#"{"pci":{"pci-address":"0000:01:10.0","pf-pci-address":"0000:01:00.0","rdma-device":"mlx5_2"},"type":"pci","version":"1.1.0"}"#
        );
    }

    #[test]
    fn a_file_that_is_there_is_left_alone() {
        let directory = tempfile::tempdir().unwrap();
        let sysfs = Sysfs::at(directory.path().join("sys"));
        let path = directory.path().join("devinfo/cni/x");
        assert!(write(&sysfs, &path, &device()).unwrap());
        std::fs::write(&path, "theirs").unwrap();
        assert!(!write(&sysfs, &path, &device()).unwrap());
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "theirs");
        remove(&path).unwrap();
        remove(&path).unwrap();
    }
}
