//! The routes of an attachment, beside those that the container has already.

use conf::IfName;
use conf::cni::{AddResult, Error};
use ipnetwork::IpNetwork;

use crate::kernel;
use crate::kernel::netlink::Route;
use crate::kernel::route::IpRoute;
use crate::log::Log;

/// Gives the link the routes of a result, in order. Routes of other links stay as they are; where
/// a default route meets one of theirs, that is warned about.
///
/// # Errors
/// The kernel's refusal.
pub(super) fn add(
    in_container: &mut Route,
    ifname: &IfName,
    index: u32,
    wanted: &AddResult,
    log: &Log,
) -> Result<(), Error> {
    let wanted: Vec<IpRoute> = wanted_by(wanted, index).collect();
    for route in &wanted {
        let added = in_container.add_route(route);
        log.change(format_args!("add {ifname}: route to {}", route.destination), added)?;
    }
    // Only then is there another request: every pod has a default route by its first interface.
    let defaults: Vec<&IpRoute> =
        wanted.iter().filter(|route| route.destination.prefix() == 0).collect();
    if !defaults.is_empty()
        && let Err(error) = warn_of_others(in_container, ifname, &defaults, log)
    {
        log.warning(&error);
    }
    Ok(())
}

/// Names the other links that have default routes too, and says which one counts.
fn warn_of_others(
    in_container: &mut Route,
    ifname: &IfName,
    ours: &[&IpRoute],
    log: &Log,
) -> Result<(), kernel::Error> {
    let all = in_container.default_routes()?;
    for own in ours {
        let rivals = all.iter().filter(|other| {
            other.index != own.index && other.has_destination_of(own) && other.shares_table(own)
        });
        for rival in rivals {
            let name = in_container.name_of(rival.index);
            log.warning(&format_args!(
                "{ifname} has a default route{}, and so has {name}{}: {}",
                via(own),
                via(rival),
                Precedence::of(own, rival).told(ifname, &name)
            ));
        }
    }
    Ok(())
}

fn via(route: &IpRoute) -> String {
    route.gateway.map(|gateway| format!(" via {gateway}")).unwrap_or_default()
}

/// Which of two routes to one destination counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Precedence {
    /// Ours.
    Ours,
    /// The other, as long as it is there.
    Other,
    /// Both: they are next hops of one route.
    Both,
}

impl Precedence {
    /// Of our route, which was added last, beside another one.
    fn of(own: &IpRoute, other: &IpRoute) -> Self {
        match own.metric().cmp(&other.metric()) {
            std::cmp::Ordering::Less => Self::Ours,
            std::cmp::Ordering::Greater => Self::Other,
            std::cmp::Ordering::Equal if own.destination.is_ipv4() => Self::Ours,
            std::cmp::Ordering::Equal if own.gateway.is_some() && other.gateway.is_some() => {
                Self::Both
            }
            std::cmp::Ordering::Equal => Self::Other,
        }
    }

    fn told(self, ifname: &IfName, other: &str) -> String {
        match self {
            Self::Ours => format!(
                "that of {ifname} comes first; leave it out of the IPAM's routes, or give it a \
                 higher priority, and {other} stays the way out"
            ),
            Self::Other => format!("that of {other} comes first"),
            Self::Both => format!(
                "connections are spread over both; leave it out of the IPAM's routes, or give it a \
                 higher priority, and {other} stays the way out"
            ),
        }
    }
}

/// RT_SCOPE_LINK: destinations on the link itself, to which no router leads.
const LINK_SCOPE: u8 = 253;

/// The routes of a result. One without next hop goes by the gateway of its family's first
/// address, as the Go library has it; unless its scope says that it needs none.
pub(super) fn wanted_by(wanted: &AddResult, index: u32) -> impl Iterator<Item = IpRoute> {
    wanted.routes.iter().map(move |route| {
        let by_default = wanted
            .ips
            .iter()
            .filter(|ip| ip.address.is_ipv4() == route.dst.is_ipv4())
            .find_map(|ip| ip.gateway)
            .filter(|_| route.scope.is_none_or(|scope| scope < LINK_SCOPE));
        IpRoute {
            gateway: route.gw.or(by_default),
            mtu: route.mtu,
            advmss: route.advmss,
            priority: route.priority,
            table: route.table,
            scope: route.scope,
            ..IpRoute::new(network_of(route.dst), index)
        }
    })
}

/// The kernel refuses a destination with host bits.
fn network_of(destination: IpNetwork) -> IpNetwork {
    IpNetwork::new(destination.network(), destination.prefix()).unwrap_or(destination)
}

#[cfg(test)]
mod tests {
    use conf::cni::{Ip, Route as WantedRoute};

    use super::*;

    #[test]
    fn routes_keep_all_they_ask_for_and_find_their_gateway() {
        let ip = |address: &str, gateway: Option<&str>| Ip {
            interface: None,
            address: address.parse().unwrap(),
            gateway: gateway.map(|gateway| gateway.parse().unwrap()),
        };
        let wanted = AddResult {
            ips: vec![
                ip("10.0.0.2/24", None),
                ip("10.0.1.2/24", Some("10.0.1.1")),
                ip("fd00::2/64", Some("fd00::1")),
            ],
            routes: vec![
                WantedRoute::new("0.0.0.0/0".parse().unwrap(), None),
                WantedRoute::new("fd01::5/32".parse().unwrap(), None),
                WantedRoute {
                    mtu: Some(1400),
                    advmss: Some(1360),
                    priority: Some(7),
                    table: Some(100),
                    scope: Some(253),
                    ..WantedRoute::new("192.168.0.0/16".parse().unwrap(), "10.0.0.9".parse().ok())
                },
                WantedRoute {
                    scope: Some(253),
                    ..WantedRoute::new("10.0.9.9/32".parse().unwrap(), None)
                },
            ],
            ..AddResult::default()
        };
        let routes: Vec<IpRoute> = wanted_by(&wanted, 5).collect();
        assert_eq!(routes[0].gateway, "10.0.1.1".parse().ok());
        assert_eq!(routes[1].gateway, "fd00::1".parse().ok());
        assert_eq!(routes[1].destination, "fd01::/32".parse().unwrap());
        assert_eq!(
            routes[2],
            IpRoute {
                gateway: "10.0.0.9".parse().ok(),
                mtu: Some(1400),
                advmss: Some(1360),
                priority: Some(7),
                table: Some(100),
                scope: Some(253),
                ..IpRoute::new("192.168.0.0/16".parse().unwrap(), 5)
            }
        );
        assert_eq!((routes[3].scope, routes[3].gateway), (Some(253), None));
    }

    #[test]
    fn which_of_two_default_routes_counts() {
        let route = |to: &str, gateway: &str, priority: u32| IpRoute {
            gateway: gateway.parse().ok(),
            priority: Some(priority).filter(|priority| *priority > 0),
            ..IpRoute::new(to.parse().unwrap(), 1)
        };
        let (v4, v6) = ("0.0.0.0/0", "::/0");
        for (own, other, expected) in [
            (route(v4, "10.0.0.1", 0), route(v4, "10.1.0.1", 0), Precedence::Ours),
            (route(v4, "10.0.0.1", 100), route(v4, "10.1.0.1", 0), Precedence::Other),
            (route(v4, "10.0.0.1", 0), route(v4, "10.1.0.1", 100), Precedence::Ours),
            (route(v6, "fd00::1", 0), route(v6, "fd01::1", 1024), Precedence::Both),
            (route(v6, "fd00::1", 0), route(v6, "", 1024), Precedence::Other),
            (route(v6, "", 0), route(v6, "fd01::1", 1024), Precedence::Other),
            (route(v6, "fd00::1", 512), route(v6, "fd01::1", 1024), Precedence::Ours),
        ] {
            assert_eq!(Precedence::of(&own, &other), expected, "{own:?} {other:?}");
        }
    }
}
