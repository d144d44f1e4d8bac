//! Which device a PCI address stands for, and what else belongs to it.

use std::os::unix::fs::MetadataExt;

use conf::{IfName, PciAddress};

use super::{Sysfs, read};
use crate::kernel::Error;
use crate::kernel::port::{self, Candidate};

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

    /// The netdev that stands for the function itself, among those in the namespace of the sysfs
    /// mount.
    pub fn uplink(&self, address: PciAddress) -> Result<Option<IfName>, Error> {
        self.uplink_of(&self.netdevs(address)?)
    }

    /// The same of a function with these netdevs.
    pub fn uplink_of(&self, netdevs: &[IfName]) -> Result<Option<IfName>, Error> {
        let mut candidates = Vec::with_capacity(netdevs.len());
        for netdev in netdevs {
            // Of one alone it does not matter.
            let index = if netdevs.len() > 1 { self.index(netdev)? } else { None };
            let (port, index) = (self.port(netdev), index.unwrap_or(u32::MAX));
            candidates.push(Candidate { netdev: netdev.clone(), port, index });
        }
        Ok(port::own(candidates))
    }

    /// The function that a device on `bus` belongs to: the device itself, or of a virtio device
    /// (`virtio3`) the one that it hangs from.
    pub fn function_of(&self, bus: &str, device: &str) -> Option<PciAddress> {
        match bus {
            "pci" => device.parse().ok(),
            "virtio" => {
                let link = self.root.join("bus/virtio/devices").join(device);
                let device = std::fs::read_link(link).ok()?;
                device.parent()?.file_name()?.to_str()?.parse().ok()
            }
            _ => None,
        }
    }

    /// The names of the RDMA devices of the function, those of another namespace included.
    pub fn rdma_devices(&self, address: PciAddress) -> Result<Vec<String>, Error> {
        read::names(&self.directory(address).join("infiniband"))
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn netdev(root: &Path, name: &str, port: Option<&str>, index: u32) {
        let class = root.join("class/net").join(name);
        std::fs::create_dir_all(&class).unwrap();
        std::fs::write(class.join("ifindex"), format!("{index}\n")).unwrap();
        if let Some(port) = port {
            std::fs::write(class.join("phys_port_name"), format!("{port}\n")).unwrap();
        }
    }

    #[test]
    fn the_uplink_is_no_representor_whatever_it_is_called() {
        let root = tempfile::tempdir().unwrap();
        let sysfs = Sysfs::at(root.path());
        let pf: PciAddress = "0000:01:00.0".parse().unwrap();
        let add = |name: &str, port: Option<&str>, index| {
            std::fs::create_dir_all(sysfs.directory(pf).join("net").join(name)).unwrap();
            netdev(root.path(), name, port, index);
        };
        assert_eq!(sysfs.uplink(pf).unwrap(), None);
        add("aaa", Some("pf0vf0"), 5);
        assert_eq!(sysfs.uplink(pf).unwrap(), None, "not even where it is the only one");
        add("ccc", Some("p0"), 4);
        add("ddd", Some("pf0vf1"), 3);
        assert_eq!(sysfs.uplink(pf).unwrap().unwrap().as_str(), "ccc");
        // Two ports of one function: the first one made is not the first by name.
        add("bbb", Some("p1"), 9);
        assert_eq!(sysfs.uplink(pf).unwrap().unwrap().as_str(), "ccc");
    }

    #[test]
    fn a_virtio_netdev_belongs_to_the_function_one_level_up() {
        let root = tempfile::tempdir().unwrap();
        let sysfs = Sysfs::at(root.path());
        let function: PciAddress = "0000:3b:00.2".parse().unwrap();
        let directory = sysfs.directory(function);
        std::fs::create_dir_all(directory.join("virtio7/net/eth1")).unwrap();
        std::fs::create_dir_all(directory.join("virtio-pci-legacy/net/eth9")).unwrap();
        netdev(root.path(), "eth1", None, 4);
        let devices = root.path().join("bus/virtio/devices");
        std::fs::create_dir_all(&devices).unwrap();
        let target = "../../../devices/pci0000:3a/0000:3a:00.0/0000:3b:00.2/virtio7";
        std::os::unix::fs::symlink(target, devices.join("virtio7")).unwrap();
        assert_eq!(sysfs.uplink(function).unwrap().unwrap().as_str(), "eth1");
        assert_eq!(sysfs.netdev_names(function).unwrap(), ["eth1"]);
        assert_eq!(sysfs.function_of("virtio", "virtio7"), Some(function));
        assert_eq!(sysfs.function_of("pci", "0000:3b:00.2"), Some(function));
        for (bus, device) in [("virtio", "virtio8"), ("usb", "1-1"), ("pci", "virtio7")] {
            assert_eq!(sysfs.function_of(bus, device), None, "{bus} {device}");
        }
    }

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
