//! IP routes.

use std::net::IpAddr;

use ipnetwork::IpNetwork;

use super::netlink::Route;
use super::{Change, Error};

/// One IP route through one link. `None`: the kernel's default.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IpRoute {
    /// Where to.
    pub destination: IpNetwork,
    /// Through which link.
    pub index: u32,
    /// Through which router.
    pub gateway: Option<IpAddr>,
    /// The router is reached directly although no route says so (RTNH_F_ONLINK).
    pub onlink: bool,
    /// Source address to prefer.
    pub source: Option<IpAddr>,
    /// Routing table; `None`: main.
    pub table: Option<u32>,
    /// Scope, as in rtnetlink(7); `None`: universe with a gateway, else link.
    pub scope: Option<u8>,
    /// Metric.
    pub priority: Option<u32>,
    /// Path MTU, bytes.
    pub mtu: Option<u32>,
    /// Advertised MSS, bytes.
    pub advmss: Option<u32>,
}

impl IpRoute {
    /// The route to `destination` through the link, everything else by default.
    pub fn new(destination: IpNetwork, index: u32) -> Self {
        Self {
            destination,
            index,
            gateway: None,
            onlink: false,
            source: None,
            table: None,
            scope: None,
            priority: None,
            mtu: None,
            advmss: None,
        }
    }
}

impl Route {
    /// Routes of both families in all tables that lead through one link, without those that the
    /// kernel keeps itself (local, broadcast, multicast).
    pub fn routes(&mut self, index: u32) -> Result<Vec<IpRoute>, Error> {
        let _ = index;
        todo!()
    }
    /// All routes of the namespace in the main table with prefix length 0.
    pub fn default_routes(&mut self) -> Result<Vec<IpRoute>, Error> {
        todo!()
    }
    /// Adds a route.
    pub fn add_route(&mut self, route: &IpRoute) -> Result<Change, Error> {
        let _ = route;
        todo!()
    }
    /// Removes a route.
    pub fn remove_route(&mut self, route: &IpRoute) -> Result<Change, Error> {
        let _ = route;
        todo!()
    }
}
