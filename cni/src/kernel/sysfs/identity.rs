//! Which device a PCI address stands for, and what else belongs to it.

use std::os::unix::fs::MetadataExt;

use conf::PciAddress;

use super::{Sysfs, read};
use crate::kernel::Error;

impl Sysfs {
    /// A number of the device at this address, which no later device at the same address has: the
    /// inode number of its directory. kernfs counts its nodes up and adds a generation to numbers
    /// it uses again (`__kernfs_new_node`, fs/kernfs/dir.c). A VF that was removed and made again
    /// differs in nothing else. `None` when there is no such device.
    pub fn incarnation(&self, address: PciAddress) -> Result<Option<u64>, Error> {
        let directory = self.directory(address);
        match std::fs::metadata(&directory) {
            Ok(metadata) => Ok(Some(metadata.ino())),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Error::new("stat", directory.display(), error)),
        }
    }

    /// The names of the RDMA devices of the function, those of another namespace included.
    pub fn rdma_devices(&self, address: PciAddress) -> Result<Vec<String>, Error> {
        read::names(&self.directory(address).join("infiniband"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_made_again_is_another_one() {
        let root = tempfile::tempdir().unwrap();
        let sysfs = Sysfs::at(root.path());
        let address: PciAddress = "0000:01:10.0".parse().unwrap();
        assert_eq!(sysfs.incarnation(address).unwrap(), None);
        let directory = sysfs.directory(address);
        std::fs::create_dir_all(directory.join("infiniband/mlx5_2")).unwrap();
        assert_eq!(
            sysfs.incarnation(address).unwrap(),
            Some(std::fs::metadata(&directory).unwrap().ino())
        );
        assert_eq!(sysfs.rdma_devices(address).unwrap(), ["mlx5_2"]);
    }
}
