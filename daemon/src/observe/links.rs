//! Netdevs by the PCI function that they belong to.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use cni::in_use::Tables;
use cni::kernel::Error;
use cni::kernel::link::{Hardware, Link};
use cni::kernel::netlink::Route;
use cni::kernel::port;
use cni::kernel::sysfs::Function;
use cni::kernel::usage;
use conf::{IfName, Mac, PciAddress};

use super::AdminMacs;
use crate::host::Host;
use crate::recorded::{DefaultRoute, GlobalAddress, Recorded, Ways};
use crate::snapshot::Netdev;

/// All netdevs of the machine's network namespace, from one dump; of a tree of files, its files.
pub(super) struct Links {
    from: From,
    by_index: BTreeMap<u32, Link>,
    by_function: BTreeMap<PciAddress, u32>,
    /// Functions that have representors.
    represented: BTreeSet<PciAddress>,
    /// What shows that the host uses them; asked for when the first VF needs it.
    tables: Option<Tables>,
    /// Packet sockets by link, likewise.
    listeners: Option<BTreeMap<u32, u32>>,
}

/// Who is asked.
enum From {
    /// The kernel.
    Kernel(Route),
    /// What a kernel told once.
    Told(Arc<Recorded>),
    /// Files alone.
    Files,
}

/// A PCI function's netdev.
pub(super) struct Found {
    pub(super) netdev: Netdev,
    pub(super) altnames: Vec<String>,
    pub(super) permanent_mac: Option<Mac>,
    pub(super) max_mtu: Option<u32>,
    /// The netdev that it is a port of.
    pub(super) master: Option<String>,
    /// Whether it is a port of a switch (`phys_switch_id`).
    has_switch: bool,
    /// Whether its function has representors too.
    has_representors: bool,
}

impl Found {
    /// Whether the embedded switch of `function`, which this stands for, is in switchdev mode.
    ///
    /// Drivers tell a switch's id in that mode alone; but `ice` does in any
    /// (`ice_devlink_set_switch_id`), so that there only a representor says it.
    pub(super) fn is_switchdev(&self, function: &Function) -> bool {
        let tells_always = function.driver.as_ref().is_some_and(|driver| driver.as_str() == "ice");
        self.has_representors || (self.has_switch && !tells_always)
    }
}

impl Links {
    pub(super) fn read(host: &Host) -> Result<Self, Error> {
        let (from, links) = match (host.told(), host.recorded()) {
            (Some(told), Some(recorded)) => (From::Told(Arc::clone(recorded)), told.links.clone()),
            _ if host.is_live() => {
                let mut route = Route::open()?;
                let links = route.links()?;
                (From::Kernel(route), links)
            }
            _ => (From::Files, Vec::new()),
        };
        let mut of_functions: BTreeMap<PciAddress, Vec<Link>> = BTreeMap::new();
        for link in &links {
            if let Some(address) = link.pci(host.sysfs()) {
                of_functions.entry(address).or_default().push(link.clone());
            }
        }
        let is_representor = |link: &Link| link.port.as_deref().is_some_and(port::is_representor);
        let represented = of_functions.iter().filter(|(_, links)| links.iter().any(is_representor));
        let represented = represented.map(|(address, _)| *address).collect();
        let own = of_functions.into_iter().filter_map(|(address, links)| {
            let own = port::own(links.into_iter().map(Link::candidate))?;
            Some((address, own.index))
        });
        let by_function = own.collect();
        let by_index = links.into_iter().map(|link| (link.index, link)).collect();
        Ok(Self { from, by_index, by_function, represented, tables: None, listeners: None })
    }

    /// The netdev of a function; `None` when it has none here.
    pub(super) fn of(&self, host: &Host, function: &Function) -> Result<Option<Found>, Error> {
        if let From::Files = self.from {
            return captured(host, function);
        }
        let link = self.by_function.get(&function.address);
        let link = link.and_then(|index| self.by_index.get(index));
        let found = link.and_then(|link| found(link, &self.by_index));
        let has_representors = self.represented.contains(&function.address);
        Ok(found.map(|found| Found { has_representors, ..found }))
    }

    /// The first sign that the host uses a netdev; a captured tree tells none, and what was told of
    /// a machine that is not here is known already.
    pub(super) fn used_by_host(
        &mut self,
        host: &Host,
        index: u32,
    ) -> Result<Option<String>, Error> {
        let From::Kernel(route) = &mut self.from else { return Ok(None) };
        let Some(link) = self.by_index.get(&index) else { return Ok(None) };
        let tables = match &mut self.tables {
            Some(tables) => tables,
            empty => empty.insert(Tables::of_all(route)?),
        };
        Ok(tables.sign(route, host.sysfs(), link)?.map(|sign| sign.to_string()))
    }

    /// How many packet sockets listen at the netdev of `function`; a captured tree tells none.
    pub(super) fn packet_sockets(
        &mut self,
        function: PciAddress,
        index: u32,
    ) -> Result<u32, Error> {
        let found = match &self.from {
            From::Files => None,
            From::Told(recorded) => {
                let told = recorded.told.as_ref();
                told.and_then(|told| told.packet_sockets.get(&function).copied())
            }
            From::Kernel(_) => {
                let listeners = match &mut self.listeners {
                    Some(listeners) => listeners,
                    empty => empty.insert(usage::packet_sockets()?),
                };
                listeners.get(&index).copied()
            }
        };
        Ok(found.unwrap_or_default())
    }

    /// The netdevs that others reach this machine by, each with why; a captured tree tells none.
    ///
    /// They are those of the main table's default routes. Where it has none, some other table
    /// has (a VRF, a routing daemon's own); where there is no default route at all, an address
    /// is all that there is.
    pub(super) fn ways_out(&mut self) -> Result<Vec<(IfName, String)>, Error> {
        let routes = self.default_routes()?;
        let main = routes.iter().filter(|route| route.table.is_none()).map(|route| route.index);
        let mut indices: BTreeMap<u32, String> =
            main.map(|index| (index, "it carries the default route".to_owned())).collect();
        if indices.is_empty() {
            let why = |route: &DefaultRoute| match route.table {
                Some(table) => format!("it carries the default route of table {table}"),
                None => "it carries the default route".to_owned(),
            };
            indices.extend(routes.iter().map(|route| (route.index, why(route))));
        }
        if indices.is_empty() {
            indices.extend(self.addresses()?.into_iter().map(|GlobalAddress { index, ip }| {
                (index, format!("there is no default route, and it has the address {ip}"))
            }));
        }
        let named = indices.into_iter();
        Ok(named
            .filter_map(|(index, why)| Some((self.by_index.get(&index)?.if_name()?, why)))
            .collect())
    }

    /// The netdevs that have this address, or by which the kernel sends there, each with why; a
    /// captured tree tells none.
    pub(super) fn ways_to(&mut self, address: IpAddr) -> Result<Vec<(IfName, String)>, Error> {
        let Ways { own, routes } = match &mut self.from {
            From::Kernel(route) => Ways::ask(route, address)?,
            From::Told(recorded) => {
                let told = recorded.told.as_ref();
                told.and_then(|told| told.guarded.get(&address)).cloned().unwrap_or_default()
            }
            From::Files => Ways::default(),
        };
        let by_address = format!("it has the address {address} of guard.addresses");
        let by_route = format!("the way to {address} of guard.addresses leads by it");
        let own = own.into_iter().map(|index| (index, by_address.clone()));
        let ways = own.chain(routes.into_iter().map(|index| (index, by_route.clone())));
        Ok(ways
            .filter_map(|(index, why)| Some((self.by_index.get(&index)?.if_name()?, why)))
            .collect())
    }

    /// What the Open vSwitch port `upper` may send its frames out of: every other port. Nothing
    /// but the flows says which, and nothing in sysfs leads from one to the other, since the
    /// master of them all is the datapath.
    pub(super) fn switch_ports(&self, upper: &IfName) -> Vec<IfName> {
        switch_ports(&self.by_index, upper)
    }

    /// The MACs that a PF has assigned to its VFs; none where it has too many VFs to say.
    pub(super) fn admin_macs(&mut self, pf: u32) -> Result<AdminMacs, Error> {
        let route = match &mut self.from {
            From::Kernel(route) => route,
            From::Told(recorded) => {
                let told = recorded.told.as_ref();
                let macs = told.and_then(|told| told.admin_macs.get(&pf));
                return Ok(macs.cloned().unwrap_or_default());
            }
            From::Files => return Ok(AdminMacs::new()),
        };
        match route.vfs(pf) {
            Ok(vfs) => Ok(vfs.into_iter().map(|(index, vf)| (index, vf.mac)).collect()),
            Err(error) if matches!(error.cause, cni::kernel::Cause::VfInfoTooBig) => {
                Ok(AdminMacs::new())
            }
            Err(error) => Err(error),
        }
    }

    fn default_routes(&mut self) -> Result<Vec<DefaultRoute>, Error> {
        match &mut self.from {
            From::Kernel(route) => {
                Ok(route.default_routes()?.iter().map(DefaultRoute::from).collect())
            }
            From::Told(recorded) => {
                Ok(recorded.told.iter().flat_map(|told| told.default_routes.clone()).collect())
            }
            From::Files => Ok(Vec::new()),
        }
    }

    fn addresses(&mut self) -> Result<Vec<GlobalAddress>, Error> {
        match &mut self.from {
            From::Kernel(route) => {
                Ok(route.global_addresses()?.iter().map(GlobalAddress::from).collect())
            }
            From::Told(recorded) => {
                Ok(recorded.told.iter().flat_map(|told| told.addresses.clone()).collect())
            }
            From::Files => Ok(Vec::new()),
        }
    }
}

/// The kind of an Open vSwitch datapath and of its internal ports.
const OPENVSWITCH: &str = "openvswitch";

fn switch_ports(links: &BTreeMap<u32, Link>, upper: &IfName) -> Vec<IfName> {
    let is_switch = |link: &Link| link.kind.as_deref() == Some(OPENVSWITCH);
    if !links.values().any(|link| link.name == upper.as_str() && is_switch(link)) {
        return Vec::new();
    }
    let is_port =
        |link: &&Link| link.master.and_then(|master| links.get(&master)).is_some_and(is_switch);
    links.values().filter(is_port).filter_map(Link::if_name).collect()
}

/// A link as a netdev; `None` when its name is one that nobody can work with.
fn found(link: &Link, all: &BTreeMap<u32, Link>) -> Option<Found> {
    let master = link.master.map(|index| {
        all.get(&index).map_or_else(|| format!("interface {index}"), |master| master.name.clone())
    });
    Some(Found {
        netdev: Netdev {
            index: link.index,
            name: link.if_name()?,
            mac: link.mac,
            mtu: link.mtu,
            up: link.up,
            carrier: link.carrier,
            infiniband: link.hardware == Hardware::InfiniBand,
        },
        altnames: link.altnames.clone(),
        permanent_mac: link.permanent_mac,
        max_mtu: (link.max_mtu > 0).then_some(link.max_mtu),
        master,
        has_switch: link.switch.is_some(),
        has_representors: false,
    })
}

fn captured(host: &Host, function: &Function) -> Result<Option<Found>, Error> {
    let sysfs = host.sysfs();
    let Some(name) = sysfs.uplink_of(&function.net)? else { return Ok(None) };
    let Some(files) = sysfs.netdev(&name)? else { return Ok(None) };
    let has_switch = sysfs.switch(&name).is_some();
    let is_representor =
        |netdev: &IfName| sysfs.port(netdev).is_some_and(|port| port::is_representor(&port));
    let has_representors =
        function.net.iter().filter(|netdev| **netdev != name).any(is_representor);
    Ok(Some(Found {
        netdev: Netdev {
            index: files.index,
            name,
            mac: files.mac,
            mtu: files.mtu,
            up: files.up,
            carrier: files.carrier,
            infiniband: files.infiniband,
        },
        altnames: Vec::new(),
        permanent_mac: files.mac,
        max_mtu: None,
        master: None,
        has_switch,
        has_representors,
    }))
}

#[cfg(test)]
mod tests {
    use cni::kernel::link::LinkSettings;

    use super::*;

    fn link(index: u32, name: &str, kind: Option<&str>, master: Option<u32>) -> (u32, Link) {
        let link = Link {
            index,
            name: name.to_owned(),
            altnames: Vec::new(),
            mac: None,
            permanent_mac: None,
            hardware: Hardware::Ethernet,
            mtu: 1500,
            min_mtu: 0,
            max_mtu: 0,
            up: true,
            carrier: true,
            promisc: false,
            allmulti: false,
            promiscuity: 0,
            parent_device: None,
            parent_bus: None,
            port: None,
            switch: None,
            master,
            kind: kind.map(str::to_owned),
            qdisc: None,
            settings: LinkSettings::default(),
            xdp: Vec::new(),
        };
        (index, link)
    }

    #[test]
    fn an_open_vswitch_bridge_stands_on_the_ports_of_its_datapath() {
        let links: BTreeMap<u32, Link> = [
            link(2, "ens1f0", None, Some(4)),
            link(3, "ens1f1", None, Some(6)),
            link(4, "ovs-system", Some("openvswitch"), None),
            link(5, "br-ex", Some("openvswitch"), None),
            link(6, "br0", Some("bridge"), None),
        ]
        .into();
        let ports = |name: &str| switch_ports(&links, &name.parse().unwrap());
        assert_eq!(ports("br-ex"), ["ens1f0".parse().unwrap()]);
        assert_eq!(ports("br0"), [], "its ports are its lower netdevs");
        assert_eq!(ports("ens1f1"), []);
    }
}
