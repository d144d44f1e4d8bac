//! Network interfaces ("links"): what they are, and the verbs that change one.

use conf::{IfName, Mac, Mtu, PciAddress};

use super::netlink::Route;
use super::netns::Netns;
use super::{Change, Error};

/// One network interface, as RTM_NEWLINK tells of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// Its number in its namespace.
    pub index: u32,
    /// Its name, as the kernel has it: may be one that [`IfName`] refuses.
    pub name: String,
    /// Its other names.
    pub altnames: Vec<String>,
    /// Its address; `None` where the link layer has none of six octets.
    pub mac: Option<Mac>,
    /// The address burnt in (IFLA_PERM_ADDRESS).
    pub permanent_mac: Option<Mac>,
    /// The link layer.
    pub hardware: Hardware,
    /// Its MTU, bytes.
    pub mtu: u32,
    /// The least MTU its driver takes; 0: not said.
    pub min_mtu: u32,
    /// The greatest MTU its driver takes; 0: not said.
    pub max_mtu: u32,
    /// Set up by the administrator (IFF_UP).
    pub up: bool,
    /// Up and with a carrier (IFF_RUNNING and IFF_LOWER_UP).
    pub carrier: bool,
    /// IFF_PROMISC was set on it by an administrator.
    pub promisc: bool,
    /// IFF_ALLMULTI was set on it by an administrator.
    pub allmulti: bool,
    /// How many users want it promiscuous (IFLA_PROMISCUITY).
    pub promiscuity: u32,
    /// The device it belongs to (IFLA_PARENT_DEV_NAME): a PCI address for a NIC.
    pub parent_device: Option<String>,
    /// The bus of that device (IFLA_PARENT_DEV_BUS_NAME): `pci`.
    pub parent_bus: Option<String>,
    /// The interface that enslaves it.
    pub master: Option<u32>,
    /// Its kind (IFLA_INFO_KIND): `veth`, `bridge`; a NIC has none.
    pub kind: Option<String>,
    /// How many VFs it says it has (IFLA_NUM_VF), when asked about them.
    pub num_vfs: Option<u32>,
}

/// A link layer (ARPHRD_*).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Hardware {
    /// ARPHRD_ETHER.
    Ethernet,
    /// ARPHRD_INFINIBAND.
    InfiniBand,
    /// ARPHRD_LOOPBACK.
    Loopback,
    /// Another, by number.
    Other(u16),
}

impl Link {
    /// Its name, where it is one that railhead works with.
    pub fn if_name(&self) -> Option<IfName> {
        self.name.parse().ok()
    }

    /// The PCI function it belongs to.
    pub fn pci(&self) -> Option<PciAddress> {
        todo!()
    }
}

/// How far [`Route::move_and_rename`] came.
#[derive(Debug)]
#[must_use = "the link may have moved under its old name"]
pub enum Moved {
    /// It is in the other namespace and has the new name.
    Renamed,
    /// It is in the other namespace, under its old name: the new one is taken there (EEXIST), or
    /// was refused.
    NotRenamed(Error),
}

impl Route {
    /// All links of the namespace, without VF information, by index.
    pub fn links(&mut self) -> Result<Vec<Link>, Error> {
        todo!()
    }
    /// The link with this index; `None` when there is none.
    pub fn link_by_index(&mut self, index: u32) -> Result<Option<Link>, Error> {
        let _ = index;
        todo!()
    }
    /// The link with this name or altname; `None` when there is none.
    pub fn link_by_name(&mut self, name: &IfName) -> Result<Option<Link>, Error> {
        let _ = name;
        todo!()
    }
    /// The first link of this PCI function; `None` when it has none in this namespace.
    pub fn link_by_pci(&mut self, address: PciAddress) -> Result<Option<Link>, Error> {
        let _ = address;
        todo!()
    }
    /// Sets a link up.
    pub fn set_up(&mut self, index: u32) -> Result<(), Error> {
        let _ = index;
        todo!()
    }
    /// Sets a link down.
    pub fn set_down(&mut self, index: u32) -> Result<(), Error> {
        let _ = index;
        todo!()
    }
    /// Sets a link's MTU.
    pub fn set_mtu(&mut self, index: u32, mtu: Mtu) -> Result<(), Error> {
        let _ = (index, mtu);
        todo!()
    }
    /// Sets a link's MAC address.
    pub fn set_mac(&mut self, index: u32, mac: Mac) -> Result<(), Error> {
        let _ = (index, mac);
        todo!()
    }
    /// Renames a link, up or down.
    pub fn rename(&mut self, index: u32, name: &IfName) -> Result<(), Error> {
        let _ = (index, name);
        todo!()
    }
    /// Moves a link to another namespace and renames it, in one request.
    pub fn move_and_rename(
        &mut self,
        index: u32,
        netns: &Netns,
        name: &IfName,
    ) -> Result<Moved, Error> {
        let _ = (index, netns, name);
        todo!()
    }
    /// Takes back what an administrator set: IFF_PROMISC and IFF_ALLMULTI.
    pub fn set_promiscuity_off(&mut self, index: u32) -> Result<(), Error> {
        let _ = index;
        todo!()
    }
    /// Gives a link another name besides its own.
    pub fn add_altname(&mut self, index: u32, altname: &str) -> Result<Change, Error> {
        let _ = (index, altname);
        todo!()
    }
    /// Takes an altname away.
    pub fn remove_altname(&mut self, index: u32, altname: &str) -> Result<Change, Error> {
        let _ = (index, altname);
        todo!()
    }
    /// Deletes a (virtual) link.
    pub fn delete_link(&mut self, index: u32) -> Result<Change, Error> {
        let _ = index;
        todo!()
    }
}
