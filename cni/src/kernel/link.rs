//! Network interfaces ("links"): what they are.
//!
//! The verbs that change one are in `change`.

mod change;
pub(super) mod decode;
mod settings;

use conf::{IfName, Mac, PciAddress};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::link::{LinkAttribute, LinkExtentMask, LinkMessage};
use serde::{Deserialize, Serialize};

use super::netlink::Route;
use super::port::{self, Candidate};
use super::sysfs::Sysfs;
use super::{Cause, Errno, Error};

pub use self::change::Moved;
pub(super) use self::change::link_message;
pub use self::settings::{LinkSettings, XdpMode};

/// One network interface, as RTM_NEWLINK tells of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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
    /// An administrator made it promiscuous (IFF_PROMISC).
    pub promisc: bool,
    /// An administrator made it take all multicast (IFF_ALLMULTI).
    pub allmulti: bool,
    /// How many users want it promiscuous (IFLA_PROMISCUITY).
    pub promiscuity: u32,
    /// The device it belongs to (IFLA_PARENT_DEV_NAME): a PCI address for a NIC.
    pub parent_device: Option<String>,
    /// The bus of that device (IFLA_PARENT_DEV_BUS_NAME): `pci`.
    pub parent_bus: Option<String>,
    /// The name of its port on the NIC (IFLA_PHYS_PORT_NAME).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<String>,
    /// The switch that it is a port of (IFLA_PHYS_SWITCH_ID), in hexadecimal digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub switch: Option<String>,
    /// The interface that enslaves it.
    pub master: Option<u32>,
    /// Its kind (IFLA_INFO_KIND): `veth`, `bridge`; a NIC has none.
    pub kind: Option<String>,
    /// How it queues what it sends (IFLA_QDISC).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub qdisc: Option<String>,
    /// What else can be set of it, and stays when it goes to another namespace.
    #[serde(default)]
    pub settings: LinkSettings,
    /// In which modes an XDP program is attached to it (IFLA_XDP).
    #[serde(default)]
    pub xdp: Vec<XdpMode>,
}

/// A link layer (ARPHRD_*).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
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

    /// The PCI function it belongs to, which of a virtio device `sysfs` knows.
    pub fn pci(&self, sysfs: &Sysfs) -> Option<PciAddress> {
        sysfs.function_of(self.parent_bus.as_deref()?, self.parent_device.as_deref()?)
    }

    /// What tells whether it is its function's own.
    pub fn candidate(self) -> Candidate<Self> {
        Candidate { port: self.port.clone(), index: self.index, netdev: self }
    }
}

impl Route {
    /// All links of the namespace, by index; without VF information, which would make a message
    /// per PF as large as its VFs are many.
    pub fn links(&mut self) -> Result<Vec<Link>, Error> {
        let mut links = self
            .dump(&get(Vec::new()), |payload| decode::link(payload).map(Some))
            .map_err(|cause| Error::new("list", "links", cause))?;
        links.sort_by_key(|link| link.index);
        Ok(links)
    }

    /// The link with this index; `None` when there is none.
    pub fn link_by_index(&mut self, index: u32) -> Result<Option<Link>, Error> {
        let mut message = get(Vec::new());
        if let RouteNetlinkMessage::GetLink(link) = &mut message {
            link.header.index = index;
        }
        self.find(message).map_err(|cause| Error::new("read", format!("link {index}"), cause))
    }

    /// The link with this name or altname; `None` when there is none.
    pub fn link_by_name(&mut self, name: &IfName) -> Result<Option<Link>, Error> {
        self.find(get(vec![LinkAttribute::IfName(name.to_string())]))
            .map_err(|cause| Error::new("read", name, cause))
    }

    /// The link that stands for this PCI function; `None` when it has none in this namespace.
    pub fn link_by_pci(
        &mut self,
        sysfs: &Sysfs,
        address: PciAddress,
    ) -> Result<Option<Link>, Error> {
        let links = self.links()?.into_iter().filter(|link| link.pci(sysfs) == Some(address));
        Ok(port::own(links.map(Link::candidate)))
    }

    /// The same, where `name` is probably its name or altname: one request then, and a look at
    /// all links only when that is another's, or nobody's.
    pub fn link_by_name_or_pci(
        &mut self,
        sysfs: &Sysfs,
        name: &IfName,
        address: PciAddress,
    ) -> Result<Option<Link>, Error> {
        match self.link_by_name(name)?.filter(|link| link.pci(sysfs) == Some(address)) {
            Some(link) => Ok(Some(link)),
            None => self.link_by_pci(sysfs, address),
        }
    }

    fn find(&mut self, message: RouteNetlinkMessage) -> Result<Option<Link>, Cause> {
        match self.ask(message, decode::link) {
            Ok(link) => Ok(Some(link)),
            Err(Cause::Errno { errno: Errno::ENODEV, .. }) => Ok(None),
            Err(cause) => Err(cause),
        }
    }

    /// The name of a link for a message. Asked only when something has failed, or is worth a warning:
    /// a verb that succeeds costs one request.
    pub fn name_of(&mut self, index: u32) -> String {
        match self.link_by_index(index) {
            Ok(Some(link)) => link.name,
            Ok(None) | Err(_) => format!("link {index}"),
        }
    }
}

/// RTM_GETLINK without statistics.
fn get(mut attributes: Vec<LinkAttribute>) -> RouteNetlinkMessage {
    attributes.push(LinkAttribute::ExtMask(vec![LinkExtentMask::SkipStats]));
    let mut message = LinkMessage::default();
    message.attributes = attributes;
    RouteNetlinkMessage::GetLink(message)
}
