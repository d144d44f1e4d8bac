//! What one ADD was given, and how CNI is told.

use std::net::IpAddr;

use conf::block::{NodeBlock, PoolRef};
use conf::cni::{AddResult, Ip, Route};
use ipnetwork::IpNetwork;

use super::target::Target;
use crate::allocate::{Grant, Source};

/// The addresses of one attachment, in the order of its pools.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Allocation {
    /// One for each pool.
    pub granted: Vec<Granted>,
}

/// One address and what goes with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Granted {
    /// The pool.
    pub pool: PoolRef,
    /// The address with the prefix length of the pool's subnet, or of the node's prefix.
    pub address: IpNetwork,
    /// The gateway.
    pub gateway: Option<IpAddr>,
    /// Routes by that gateway, without duplicates, the default route last.
    pub routes: Vec<IpNetwork>,
    /// Where the address comes from.
    pub source: Source,
}

impl Granted {
    pub(super) fn new(target: &Target, grant: Grant) -> Self {
        let block = &target.block;
        let gateway = block.gateway.filter(|_| !target.is_gateway);
        Self {
            pool: block.pool.clone(),
            address: with_prefix(grant.address, block.network),
            gateway,
            routes: if gateway.is_some() { routes(block) } else { Vec::new() },
            source: grant.source,
        }
    }
}

impl Allocation {
    /// The result: addresses and routes only. Interfaces are the business of whoever asked.
    pub fn result(&self) -> AddResult {
        let ips = self.granted.iter().map(|granted| Ip {
            interface: None,
            address: granted.address,
            gateway: granted.gateway,
        });
        let routes = self
            .granted
            .iter()
            .flat_map(|granted| granted.routes.iter().map(|dst| Route::new(*dst, granted.gateway)));
        AddResult { ips: ips.collect(), routes: routes.collect(), ..AddResult::default() }
    }

    /// Whether some of it was held already, by an ADD before this one.
    pub fn is_repeated(&self) -> bool {
        self.granted.iter().any(|granted| granted.source == Source::Held)
    }

    /// What the log should tell: an address that had not cooled.
    pub fn notes(&self) -> Vec<String> {
        self.granted
            .iter()
            .filter(|granted| granted.source == Source::Cooling)
            .map(|granted| {
                let address = granted.address.ip();
                format!("{address} of {} was given out again before it had cooled", granted.pool)
            })
            .collect()
    }
}

fn routes(block: &NodeBlock) -> Vec<IpNetwork> {
    let mut routes = block.routes.clone();
    routes.sort();
    routes.dedup();
    if let Some(default) = block.default_gateway.then(|| default_route(block.network)).flatten() {
        routes.retain(|route| *route != default);
        routes.push(default);
    }
    routes
}

/// `0.0.0.0/0` or `::/0`, whichever is of the family of `network`.
fn default_route(network: IpNetwork) -> Option<IpNetwork> {
    let any = match network {
        IpNetwork::V4(_) => IpAddr::from([0; 4]),
        IpNetwork::V6(_) => IpAddr::from([0; 16]),
    };
    IpNetwork::new(any, 0).ok()
}

/// `address` with the prefix length of `network`, in which it lies.
fn with_prefix(address: IpAddr, network: IpNetwork) -> IpNetwork {
    // A prefix length of the same family always fits.
    IpNetwork::new(address, network.prefix()).unwrap_or_else(|_| IpNetwork::from(address))
}
