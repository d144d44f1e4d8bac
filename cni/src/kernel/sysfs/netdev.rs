//! Netdevs in sysfs (`class/net`): what rtnetlink does not tell, and, of a captured tree, all that
//! there is.

use std::path::PathBuf;

use conf::{IfName, Mac};

use super::{Sysfs, read};
use crate::kernel::Error;

/// One netdev, as its files tell of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Netdev {
    /// Its interface index.
    pub index: u32,
    /// Its address; `None` where the link layer has none of six octets.
    pub mac: Option<Mac>,
    /// Its MTU, bytes.
    pub mtu: u32,
    /// Set up by the administrator (IFF_UP).
    pub up: bool,
    /// Whether it has a carrier; a netdev that is down has none.
    pub carrier: bool,
    /// Whether its link layer is InfiniBand (ARPHRD_INFINIBAND).
    pub infiniband: bool,
}

/// IFF_UP (include/uapi/linux/if.h).
const IFF_UP: u32 = 1;

/// ARPHRD_INFINIBAND (include/uapi/linux/if_arp.h).
const ARPHRD_INFINIBAND: u32 = 32;

impl Sysfs {
    /// One netdev; `None` when there is none of this name in the namespace of the sysfs mount.
    pub fn netdev(&self, name: &IfName) -> Result<Option<Netdev>, Error> {
        let directory = self.class_net(name);
        let number = |file| read::value::<u32>(&directory.join(file));
        let (Some(index), Some(mtu)) = (number("ifindex")?, number("mtu")?) else {
            return Ok(None);
        };
        let flags: String = read::value(&directory.join("flags"))?.unwrap_or_default();
        let flags = u32::from_str_radix(flags.trim_start_matches("0x"), 16).unwrap_or(0);
        let address: String = read::value(&directory.join("address"))?.unwrap_or_default();
        let state: String = read::value(&directory.join("operstate"))?.unwrap_or_default();
        Ok(Some(Netdev {
            index,
            mac: address.parse().ok(),
            mtu,
            up: flags & IFF_UP != 0,
            carrier: state == "up",
            infiniband: number("type")? == Some(ARPHRD_INFINIBAND),
        }))
    }

    /// Its interface index; `None` when there is no such netdev.
    pub(super) fn index(&self, name: &IfName) -> Result<Option<u32>, Error> {
        read::value(&self.class_net(name).join("ifindex"))
    }

    /// Its port name; `None` where its driver tells none, and refuses to be asked.
    pub fn port(&self, name: &IfName) -> Option<String> {
        read::value(&self.class_net(name).join("phys_port_name")).ok()?
    }

    /// The switch that it is a port of, in hexadecimal digits; `None` where there is none.
    pub fn switch(&self, name: &IfName) -> Option<String> {
        let id: String = read::value(&self.class_net(name).join("phys_switch_id")).ok()??;
        (!id.is_empty()).then_some(id)
    }

    /// A netdev's speed in Mbit/s; `None` while it is down, or has no link, or has no speed.
    pub fn speed(&self, name: &IfName) -> Option<u32> {
        // A netdev that is down fails with EINVAL, one without link says -1.
        let speed: i64 = read::value(&self.class_net(name).join("speed")).ok()??;
        u32::try_from(speed).ok().filter(|speed| *speed > 0 && *speed < u32::MAX)
    }

    /// The netdevs that one stands on: a bond's and a bridge's ports, a VLAN's parent (`lower_*`).
    /// A name that [`IfName`] refuses is left out.
    pub fn lower_netdevs(&self, name: &IfName) -> Result<Vec<IfName>, Error> {
        let names = read::names(&self.class_net(name))?;
        Ok(names.iter().filter_map(|name| name.strip_prefix("lower_")?.parse().ok()).collect())
    }

    /// The netdevs of the same namespace that stand on this one: VLANs, bridges, bonds.
    pub fn upper_netdevs(&self, name: &IfName) -> Result<Vec<String>, Error> {
        let names = read::names(&self.class_net(name))?;
        Ok(names.iter().filter_map(|name| Some(name.strip_prefix("upper_")?.to_owned())).collect())
    }

    fn class_net(&self, name: &IfName) -> PathBuf {
        self.root().join("class/net").join(name.as_str())
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn tree(files: &[(&str, &str)]) -> (tempfile::TempDir, Sysfs) {
        let root = tempfile::tempdir().unwrap();
        let directory = root.path().join("class/net/eth0");
        fs::create_dir_all(&directory).unwrap();
        for (name, content) in files {
            fs::write(directory.join(name), content).unwrap();
        }
        let sysfs = Sysfs::at(root.path());
        (root, sysfs)
    }

    fn eth0() -> IfName {
        "eth0".parse().unwrap()
    }

    #[test]
    fn a_netdev_is_read_from_its_files() {
        let (_root, sysfs) = tree(&[
            ("ifindex", "3\n"),
            ("mtu", "9000\n"),
            ("flags", "0x1003\n"),
            ("address", "52:54:00:12:34:56\n"),
            ("operstate", "up\n"),
            ("type", "1\n"),
            ("speed", "1000\n"),
        ]);
        let netdev = sysfs.netdev(&eth0()).unwrap().unwrap();
        assert_eq!((netdev.index, netdev.mtu, netdev.up, netdev.carrier), (3, 9000, true, true));
        assert_eq!(netdev.mac, "52:54:00:12:34:56".parse().ok());
        assert_eq!((netdev.infiniband, sysfs.speed(&eth0())), (false, Some(1000)));
    }

    #[test]
    fn what_is_down_has_no_speed_and_what_is_absent_is_none() {
        let (_root, sysfs) = tree(&[("speed", "-1\n")]);
        assert_eq!(sysfs.speed(&eth0()), None);
        assert_eq!(sysfs.netdev(&eth0()).unwrap(), None);
        assert_eq!(sysfs.netdev(&"eth1".parse().unwrap()).unwrap(), None);
    }

    #[test]
    fn lower_netdevs_are_found_by_their_links() {
        let (_root, sysfs) = tree(&[("lower_ens1f0", ""), ("lower_ens1f1", ""), ("upper_br0", "")]);
        let lowers = sysfs.lower_netdevs(&eth0()).unwrap();
        assert_eq!(lowers, ["ens1f0".parse().unwrap(), "ens1f1".parse().unwrap()]);
        assert_eq!(sysfs.upper_netdevs(&eth0()).unwrap(), ["br0"]);
    }
}
