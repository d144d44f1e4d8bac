//! Looks at the host, once and without touching anything: no write, no fork.
//!
//! ```text
//! sysfs: PCI functions -----------+
//! rtnetlink: one dump of links ---+--> Pf, Vf --+
//! rtnetlink: VFs of a PF ---------+             +--> Snapshot
//! store, locks, /proc: users -------------------+
//! addresses, routes, what stands on VFs --------+
//! /proc, /etc: the SR-IOV Network Operator -----+
//! routes, addresses: management NICs -----------+
//! ```
//!
//! A PF that cannot be read hides no other.

use std::collections::BTreeMap;
use std::time::Duration;

use cni::kernel::processes::{self, Process};
use cni::kernel::sysfs::{Function, Sriov};
use cni::kernel::{self, child, module, vfio};
use conf::settings::Guard;
use conf::{DriverName, Mac, PciAddress, VfIndex};

use crate::apply::Deadlines;
use crate::chain::Chain;
use crate::host::Host;
use crate::snapshot::{Pf, Snapshot, Stuck, User, Vf};

mod groups;
mod links;
mod management;
pub(crate) mod operator;
mod users;

use links::Links;
use management::Reached;
use operator::Operator;
use users::Users;

/// Looks at the host.
///
/// Fails only when nothing can be said at all; what cannot be read of one PF is in
/// [`Snapshot::unreadable`].
pub fn observe(host: &Host) -> Result<Snapshot, kernel::Error> {
    observe_with(host, &Guard::default())
}

/// The same, where the machine depends on the addresses of `guard` as well.
pub fn observe_with(host: &Host, guard: &Guard) -> Result<Snapshot, kernel::Error> {
    let mut links = Links::read(host)?;
    let mut users = Users::read(host);
    let Reached { by: management, lost } = management::netdevs(host, &mut links, guard)?;
    let processes = processes(host)?;
    let stragglers = child::stragglers(&processes);
    let operator = Operator::read(host);
    let told = host.told();
    let mut snapshot = Snapshot {
        vfio_pci: module::is_loaded(host.sysfs(), &DriverName::vfio_pci()),
        no_iommu: vfio::allows_no_iommu(host.sysfs()),
        operator: told.map_or_else(|| operator::daemon(&processes), |told| told.operator),
        unguarded: lost,
        ..Snapshot::default()
    };
    for (address, function) in host.sysfs().physical_functions()? {
        let pf = function.and_then(|function| match function.sriov.clone() {
            Some(sriov) if function.is_network() => {
                let stuck = match told {
                    Some(told) => told.stuck.get(&address).cloned(),
                    None => stuck(&function, &stragglers),
                };
                pf(host, &mut links, &mut users, function, sriov, stuck).map(Some)
            }
            _ => Ok(None),
        });
        match pf {
            Ok(Some(mut pf)) => {
                management::mark(&mut pf, &management);
                pf.inherited = operator.on(&pf);
                snapshot.pfs.insert(address, pf);
            }
            Ok(None) => {}
            Err(error) => {
                snapshot.unreadable.insert(address, Chain(&error).to_string());
            }
        }
    }
    groups::mark(&mut snapshot);
    Ok(snapshot)
}

fn pf(
    host: &Host,
    links: &mut Links,
    users: &mut Users,
    function: Function,
    sriov: Sriov,
    stuck: Option<Stuck>,
) -> Result<Pf, kernel::Error> {
    let link = links.of(host, &function)?;
    let speed = link.as_ref().and_then(|link| host.sysfs().speed(&link.netdev.name));
    let admin_macs = match &link {
        Some(link) if !function.virtfns.is_empty() => links.admin_macs(link.netdev.index)?,
        _ => BTreeMap::new(),
    };
    let mut vfs = BTreeMap::new();
    for (index, address) in &function.virtfns {
        let sysfs = host.sysfs();
        let function = match &stuck {
            Some(_) => sysfs.function_while_stuck(*address)?,
            None => sysfs.function(*address)?,
        };
        // One that is gone was there a moment ago.
        if let Some(function) = function {
            vfs.insert(*index, vf(host, links, users, function, admin_macs.get(index).copied())?);
        }
    }
    let at_work = vfs.values().find_map(|vf: &Vf| users.step(vf.address));
    let infiniband = function.is_infiniband();
    let netdev_elsewhere = function.net_elsewhere && link.is_none();
    let switchdev = link.as_ref().is_some_and(|link| link.is_switchdev(&function));
    let (netdev, altnames, permanent_mac, max_mtu) = match link {
        Some(link) => (Some(link.netdev), link.altnames, link.permanent_mac, link.max_mtu),
        None => (None, Vec::new(), None, None),
    };
    Ok(Pf {
        address: function.address,
        vendor: function.vendor,
        device: function.device,
        vf_device: sriov.vf_device,
        driver: function.driver,
        netdev,
        netdev_elsewhere,
        altnames,
        permanent_mac,
        max_mtu,
        speed,
        numa_node: function.numa_node,
        iommu_group: function.iommu_group,
        total_vfs: sriov.total,
        num_vfs: sriov.num,
        autoprobe: sriov.autoprobe,
        offset: sriov.offset,
        stride: sriov.stride,
        infiniband,
        switchdev,
        management: None,
        stuck,
        at_work,
        inherited: None,
        vfs,
    })
}

fn vf(
    host: &Host,
    links: &mut Links,
    users: &mut Users,
    function: Function,
    admin_mac: Option<Mac>,
) -> Result<Vf, kernel::Error> {
    let link = links.of(host, &function)?;
    let master = link.as_ref().and_then(|link| link.master.clone());
    let altnames = link.as_ref().map(|link| link.altnames.clone()).unwrap_or_default();
    let elsewhere = function.net_elsewhere && link.is_none();
    let mut vf = Vf {
        address: function.address,
        driver: function.driver,
        driver_override: function.driver_override,
        netdev: link.map(|link| link.netdev),
        altnames,
        admin_mac,
        iommu_group: function.iommu_group,
        neighbour: None,
        user: None,
        packet_sockets: 0,
    };
    vf.user = users.of(&vf, master, elsewhere);
    if let (None, Some(netdev)) = (&vf.user, &vf.netdev) {
        vf.user = links.used_by_host(host, netdev.index)?.map(|sign| User::Host { sign });
    }
    if let Some(netdev) = &vf.netdev {
        vf.packet_sockets = links.packet_sockets(vf.address, netdev.index)?;
    }
    Ok(vf)
}

/// The processes of a machine that is alive.
fn processes(host: &Host) -> Result<Vec<Process>, kernel::Error> {
    if host.is_live() { processes::all() } else { Ok(Vec::new()) }
}

/// The write under way, ours or that of a railhead that was killed in the middle, which is about
/// this PF, or a VF of it.
fn stuck(function: &Function, stragglers: &[child::Stuck]) -> Option<Stuck> {
    let concerns = |address: PciAddress| {
        address == function.address || function.virtfns.values().any(|vf| *vf == address)
    };
    let found = stragglers.iter().find(|stuck| stuck.function.is_some_and(concerns))?;
    // Whoever started it gives up at the deadline, and must find it overdue then.
    let overdue = found.since + Duration::from_secs(1) >= Deadlines::default().write;
    Some(Stuck { pid: found.pid, path: found.path.clone(), overdue })
}

/// VFs by index, with their admin MACs.
type AdminMacs = BTreeMap<VfIndex, Mac>;
