//! What is known of a machine that is not here, besides its files: of a [dump](crate::dump).

use std::collections::BTreeMap;
use std::net::IpAddr;

use cni::kernel::Error;
use cni::kernel::address::Address;
use cni::kernel::link::Link;
use cni::kernel::netlink::Route;
use cni::kernel::route::IpRoute;
use conf::{BootId, Mac, PciAddress, VfIndex};
use ipam::lease::Cooling;
use ipam::store::Loss;
use ipam::{BootTime, Lease};
use serde::{Deserialize, Serialize};

use crate::doctor::Finding;
use crate::report::Timestamp;
use crate::service::protocol::DaemonStatus;
use crate::snapshot::{OperatorDaemon, Stuck, User};

/// What is known of a machine that is not here, besides its files.
#[derive(Debug, Clone)]
pub struct Recorded {
    /// What the kernel and its processes told; absent where only files are left of the machine.
    pub told: Option<Told>,
    /// What doctor found. It looks at a hundred places that decide nothing: they are not dumped.
    pub findings: Vec<Finding>,
}

/// What a kernel and its processes tell by other means than files.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Told {
    /// When it was asked, in seconds since 1970.
    pub taken: u64,
    /// In which run of the machine.
    pub boot: BootId,
    /// When in it.
    pub time: BootTime,
    /// The host's name.
    pub host_name: String,
    /// `uname -m`.
    pub machine: String,
    /// All links of its network namespace, by rtnetlink.
    pub links: Vec<Link>,
    /// The default routes.
    pub default_routes: Vec<DefaultRoute>,
    /// The addresses that others can reach; asked for only where there is no default route.
    pub addresses: Vec<GlobalAddress>,
    /// The ways to the addresses of `guard.addresses`.
    pub guarded: BTreeMap<IpAddr, Ways>,
    /// The MACs that PFs have assigned to their VFs, by the PF's interface index.
    pub admin_macs: AllAdminMacs,
    /// Who uses which VF.
    pub users: BTreeMap<PciAddress, User>,
    /// How many packet sockets listen at which VF.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub packet_sockets: BTreeMap<PciAddress, u32>,
    /// Writes under way, by PF.
    pub stuck: BTreeMap<PciAddress, Stuck>,
    /// The SR-IOV Network Operator's daemon.
    pub operator: Option<OperatorDaemon>,
    /// The addresses that are given out.
    pub leases: Leases,
    /// railhead's daemon.
    pub daemon: Option<DaemonStatus>,
}

/// A default route.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DefaultRoute {
    /// Through which link.
    pub index: u32,
    /// Of which table; `None`: main.
    pub table: Option<u32>,
}

/// An address that others can reach.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GlobalAddress {
    /// On which link.
    pub index: u32,
    /// The address.
    pub ip: IpAddr,
}

/// The links that an address stands on, or is reached by.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Ways {
    /// Those that have the address.
    pub own: Vec<u32>,
    /// Where none has, those by which the kernel sends there.
    pub routes: Vec<u32>,
}

/// The MACs that PFs have assigned to their VFs, by the PF's interface index.
pub type AllAdminMacs = BTreeMap<u32, BTreeMap<VfIndex, Mac>>;

/// What the store of leases says.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Leases {
    /// Addresses that are given out.
    pub leases: Vec<Lease>,
    /// Addresses at rest.
    pub cooling: Vec<Cooling>,
    /// What was lost of them.
    pub loss: Option<Loss>,
}

impl From<&IpRoute> for DefaultRoute {
    fn from(route: &IpRoute) -> Self {
        Self { index: route.index, table: route.table.filter(|_| !route.is_main()) }
    }
}

impl From<&Address> for GlobalAddress {
    fn from(address: &Address) -> Self {
        Self { index: address.index, ip: address.network.ip() }
    }
}

impl Ways {
    /// Asks the kernel for the ways to `address`.
    pub fn ask(route: &mut Route, address: IpAddr) -> Result<Self, Error> {
        let all = route.all_addresses()?;
        let own: Vec<u32> = all
            .iter()
            .filter(|found| found.network.ip() == address)
            .map(|found| found.index)
            .collect();
        let routes = if own.is_empty() { route.routes_to(address)? } else { Vec::new() };
        Ok(Self { own, routes: routes.iter().map(|route| route.index).collect() })
    }
}

impl Told {
    /// When it was asked.
    pub fn wall(&self) -> Timestamp {
        Timestamp::from_epoch(self.taken)
    }
}
