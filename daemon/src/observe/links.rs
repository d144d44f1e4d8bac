//! Netdevs by the PCI function that they belong to.

use std::collections::{BTreeMap, BTreeSet};

use cni::kernel::Error;
use cni::kernel::link::{Hardware, Link};
use cni::kernel::netlink::Route;
use cni::kernel::sysfs::Function;
use conf::{IfName, Mac, PciAddress};

use super::AdminMacs;
use crate::host::Host;
use crate::snapshot::Netdev;

/// All netdevs of our network namespace, from one dump; of a captured tree, its files.
pub(super) enum Links {
    Live { route: Route, by_index: BTreeMap<u32, Link>, by_function: BTreeMap<PciAddress, u32> },
    Captured,
}

/// A PCI function's netdev.
pub(super) struct Found {
    pub(super) netdev: Netdev,
    pub(super) altnames: Vec<String>,
    pub(super) permanent_mac: Option<Mac>,
    pub(super) max_mtu: Option<u32>,
    /// The netdev that it is a port of.
    pub(super) master: Option<String>,
}

impl Links {
    pub(super) fn read(host: &Host) -> Result<Self, Error> {
        if !host.is_live() {
            return Ok(Self::Captured);
        }
        let mut route = Route::open()?;
        let links = route.links()?;
        let mut by_function = BTreeMap::new();
        for link in &links {
            if let Some(address) = link.pci() {
                // A function may have several: the first one made is its own, the others are
                // representors or further ports.
                let first = by_function.entry(address).or_insert(link.index);
                *first = link.index.min(*first);
            }
        }
        let by_index = links.into_iter().map(|link| (link.index, link)).collect();
        Ok(Self::Live { route, by_index, by_function })
    }

    /// The netdev of a function; `None` when it has none here.
    pub(super) fn of(&self, host: &Host, function: &Function) -> Result<Option<Found>, Error> {
        match self {
            Self::Live { by_index, by_function, .. } => Ok(by_function
                .get(&function.address)
                .and_then(|index| by_index.get(index))
                .and_then(|link| found(link, by_index))),
            Self::Captured => captured(host, function),
        }
    }

    /// The netdevs that the default routes lead out of, IPv4 and IPv6; a captured tree tells none.
    pub(super) fn with_default_route(&mut self) -> Result<Vec<IfName>, Error> {
        let Self::Live { route, by_index, .. } = self else { return Ok(Vec::new()) };
        let routes = route.default_routes()?;
        let indices: BTreeSet<u32> = routes.into_iter().map(|route| route.index).collect();
        Ok(indices.iter().filter_map(|index| by_index.get(index)?.if_name()).collect())
    }

    /// The MACs that a PF has assigned to its VFs; none where it has too many VFs to say.
    pub(super) fn admin_macs(&mut self, pf: u32) -> Result<AdminMacs, Error> {
        let Self::Live { route, .. } = self else { return Ok(AdminMacs::new()) };
        match route.vfs(pf) {
            Ok(vfs) => Ok(vfs.into_iter().map(|(index, vf)| (index, vf.mac)).collect()),
            Err(error) if matches!(error.cause, cni::kernel::Cause::VfInfoTooBig) => {
                Ok(AdminMacs::new())
            }
            Err(error) => Err(error),
        }
    }
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
    })
}

fn captured(host: &Host, function: &Function) -> Result<Option<Found>, Error> {
    let Some(name) = function.net.first() else { return Ok(None) };
    let Some(files) = host.sysfs().netdev(name)? else { return Ok(None) };
    Ok(Some(Found {
        netdev: Netdev {
            index: files.index,
            name: name.clone(),
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
    }))
}
