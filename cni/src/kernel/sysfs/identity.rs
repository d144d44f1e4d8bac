//! Which device a PCI address stands for, and what else belongs to it.

use std::os::unix::fs::MetadataExt;

use conf::{IfName, PciAddress};

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

    /// The netdev that stands for the function itself, among those in the namespace of the sysfs
    /// mount. In switchdev mode a PF also carries its VFs' representors, which the kernel names
    /// `pf0vf3` or `c1pf0sf2` (`devlink_port_phys_port_name_get`, net/devlink/port.c).
    pub fn uplink(&self, address: PciAddress) -> Result<Option<IfName>, Error> {
        let mut netdevs = self.netdevs(address)?.into_iter();
        let (first, second) = (netdevs.next(), netdevs.next());
        if second.is_none() {
            return Ok(first);
        }
        let own = first.into_iter().chain(second).chain(netdevs).find(|netdev| {
            let file = self.root.join("class/net").join(netdev.as_str()).join("phys_port_name");
            // A driver without port names refuses to tell one, and has no representors.
            !std::fs::read_to_string(file).is_ok_and(|port| is_representor(port.trim_end()))
        });
        Ok(own)
    }

    /// The names of the RDMA devices of the function, those of another namespace included.
    pub fn rdma_devices(&self, address: PciAddress) -> Result<Vec<String>, Error> {
        read::names(&self.directory(address).join("infiniband"))
    }
}

/// `[cN]pfN(vf|sf)N`.
fn is_representor(port: &str) -> bool {
    fn number<'a>(text: &'a str, before: &str) -> Option<&'a str> {
        let digits = text.strip_prefix(before)?;
        let rest = digits.trim_start_matches(|c: char| c.is_ascii_digit());
        (rest.len() < digits.len()).then_some(rest)
    }
    let port = number(port, "c").unwrap_or(port);
    let Some(rest) = number(port, "pf") else { return false };
    number(rest, "vf").or_else(|| number(rest, "sf")).is_some_and(str::is_empty)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn representors_are_told_from_the_uplink() {
        for port in ["pf0vf3", "c1pf0vf10", "pf1sf88"] {
            assert!(is_representor(port), "{port}");
        }
        for port in ["p0", "", "pf0", "pf0hpf", "pfvf", "c1pf0"] {
            assert!(!is_representor(port), "{port}");
        }
        let root = tempfile::tempdir().unwrap();
        let sysfs = Sysfs::at(root.path());
        let pf: PciAddress = "0000:01:00.0".parse().unwrap();
        assert_eq!(sysfs.uplink(pf).unwrap(), None);
        for (netdev, port) in
            [("aaa", Some("pf0vf0")), ("bbb", Some("p0")), ("ccc", Some("pf0vf1"))]
        {
            std::fs::create_dir_all(sysfs.directory(pf).join("net").join(netdev)).unwrap();
            let class = root.path().join("class/net").join(netdev);
            std::fs::create_dir_all(&class).unwrap();
            if let Some(port) = port {
                std::fs::write(class.join("phys_port_name"), format!("{port}\n")).unwrap();
            }
        }
        assert_eq!(sysfs.uplink(pf).unwrap().unwrap().as_str(), "bbb");
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
