//! Whether the host itself uses an interface: the one rule, for the plugins as for the daemon.
//!
//! In use is what somebody set up and would miss. What comes by itself on any interface that is up
//! (link-local and announced addresses, the kernel's routes, default queueing) is no sign, nor is
//! a packet socket, which some programs open on every interface there is.

use std::collections::BTreeSet;
use std::fmt;
use std::net::IpAddr;

use conf::IfName;
use ipnetwork::IpNetwork;

use crate::kernel::Error;
use crate::kernel::bpf;
use crate::kernel::link::Link;
use crate::kernel::netlink::Route;
use crate::kernel::route::IpRoute;
use crate::kernel::sysfs::Sysfs;
use crate::kernel::usage::{self, Standing};

/// Kinds of queueing that nobody asked for: of a link that was never up, of one without a queue,
/// the kernel's own and those that systemd makes the default.
const DEFAULT_QDISCS: [&str; 5] = ["noop", "noqueue", "mq", "pfifo_fast", "fq_codel"];

/// What is known of an interface.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Facts {
    /// Whether it is a port of another one.
    pub is_port: bool,
    /// The interfaces of this namespace that stand on it, the one that it is a port of included.
    pub uppers: Vec<String>,
    /// Whether one stands on it that is not in this namespace, or any at all.
    pub is_shared: bool,
    /// Its addresses.
    pub addresses: Vec<Standing>,
    /// The routes that lead by it.
    pub routes: Vec<IpRoute>,
    /// Whether an XDP program is attached to it.
    pub xdp: bool,
    /// Whether tcx programs are attached to it.
    pub tcx: bool,
    /// How it queues what it sends.
    pub qdisc: Option<String>,
    /// How interfaces do unless told otherwise.
    pub default_qdisc: String,
    /// What has programs look at its frames.
    pub ingress: Option<String>,
}

/// A sign that the host uses an interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sign {
    /// It is a port of a bridge, a bond, a VRF; by name where that is known.
    Port(Option<String>),
    /// An interface stands on it.
    Upper(String),
    /// One in another network namespace does.
    UpperElsewhere,
    /// It has an address.
    Address(IpAddr),
    /// A route that somebody made leads by it.
    Route(IpNetwork),
    /// An XDP program is attached to it.
    Xdp,
    /// A tcx program is.
    Tcx,
    /// Traffic control is set up on it: the kind of queueing.
    TrafficControl(String),
}

impl Facts {
    /// The first sign that the host uses it.
    pub fn sign(&self) -> Option<Sign> {
        let address = || {
            let mut meant =
                self.addresses.iter().filter(|found| !found.link_local && !found.announced);
            meant.next().map(|found| Sign::Address(found.ip))
        };
        let route = || {
            let mut made = self.routes.iter().filter(|route| !route.came_by_itself());
            made.next().map(|route| Sign::Route(route.destination))
        };
        if self.is_port {
            return Some(Sign::Port(self.uppers.first().cloned()));
        }
        if let Some(upper) = self.uppers.first() {
            return Some(Sign::Upper(upper.clone()));
        }
        address()
            .or_else(|| self.is_shared.then_some(Sign::UpperElsewhere))
            .or_else(|| self.xdp.then_some(Sign::Xdp))
            .or_else(|| self.tcx.then_some(Sign::Tcx))
            .or_else(|| self.ingress.clone().map(Sign::TrafficControl))
            .or_else(|| self.unusual_qdisc().map(Sign::TrafficControl))
            .or_else(route)
    }

    fn unusual_qdisc(&self) -> Option<String> {
        let is_default =
            |kind: &String| DEFAULT_QDISCS.contains(&kind.as_str()) || *kind == self.default_qdisc;
        self.qdisc.clone().filter(|kind| !is_default(kind))
    }
}

/// What the kernel tells of one interface or of all of them at once, to gather facts from.
#[derive(Debug)]
pub struct Tables {
    addresses: Vec<Standing>,
    routes: Vec<IpRoute>,
    shared: BTreeSet<u32>,
    default_qdisc: String,
}

impl Tables {
    /// Of all interfaces of the namespace that `host` and the calling thread are in.
    ///
    /// # Errors
    /// The kernel did not say.
    pub fn of_all(host: &mut Route) -> Result<Self, Error> {
        let (addresses, routes) = (host.standing_addresses(None)?, host.all_routes()?);
        Self::with(addresses, routes)
    }

    /// Of one, in as few requests as may be: one that is down has no routes.
    ///
    /// # Errors
    /// Those of [`Tables::of_all`].
    pub fn of_one(host: &mut Route, link: &Link) -> Result<Self, Error> {
        let addresses = host.standing_addresses(Some(link.index))?;
        let routes = if link.up { host.routes(link.index)? } else { Vec::new() };
        Self::with(addresses, routes)
    }

    fn with(addresses: Vec<Standing>, routes: Vec<IpRoute>) -> Result<Self, Error> {
        let default_qdisc = usage::default_qdisc();
        Ok(Self { addresses, routes, shared: usage::shared()?, default_qdisc })
    }

    /// The first sign that the host uses `link`.
    ///
    /// # Errors
    /// Those of [`Tables::of_all`].
    pub fn sign(
        &self,
        host: &mut Route,
        sysfs: &Sysfs,
        link: &Link,
    ) -> Result<Option<Sign>, Error> {
        let name: Option<IfName> = link.if_name();
        let uppers = name.map(|name| sysfs.upper_netdevs(&name)).transpose()?;
        let of_it = |index: u32| index == link.index;
        let facts = Facts {
            is_port: link.master.is_some(),
            uppers: uppers.unwrap_or_default(),
            is_shared: self.shared.contains(&link.index),
            addresses: self.addresses.iter().filter(|found| of_it(found.index)).cloned().collect(),
            routes: self.routes.iter().filter(|route| of_it(route.index)).cloned().collect(),
            xdp: !link.xdp.is_empty(),
            // Whoever may not ask for programs cannot take the interface either.
            tcx: bpf::tcx_programs(link.index).is_ok_and(|count| count > 0),
            qdisc: link.qdisc.clone(),
            default_qdisc: self.default_qdisc.clone(),
            ingress: host.ingress(link.index)?,
        };
        Ok(facts.sign())
    }
}

impl fmt::Display for Sign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Port(Some(of)) => write!(f, "port of {of}"),
            Self::Port(None) => f.write_str("port of another interface"),
            Self::Upper(name) => write!(f, "{name} stands on it"),
            Self::UpperElsewhere => {
                f.write_str("a macvlan, VLAN or the like in another namespace stands on it")
            }
            Self::Address(ip) => write!(f, "address {ip}"),
            Self::Route(network) if network.prefix() == 0 => f.write_str("default route by it"),
            Self::Route(network) => write!(f, "route to {network} by it"),
            Self::Xdp => f.write_str("an XDP program is attached to it"),
            Self::Tcx => f.write_str("a tcx program is attached to it"),
            Self::TrafficControl(kind) => write!(f, "traffic control ({kind}) is set up on it"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn standing(ip: &str, link_local: bool, announced: bool) -> Standing {
        Standing { index: 5, ip: ip.parse().unwrap(), link_local, announced }
    }

    fn route(protocol: u8) -> IpRoute {
        let destination = "198.51.100.0/24".parse().unwrap();
        IpRoute { protocol: Some(protocol), ..IpRoute::new(destination, 5) }
    }

    fn sign(facts: Facts) -> Option<String> {
        facts.sign().map(|sign| sign.to_string())
    }

    #[test]
    fn what_somebody_set_up_is_a_sign() {
        let uppers = vec!["st100".to_owned()];
        let qdisc = |kind: &str| Some(kind.to_owned());
        let free = Facts::default;
        for (facts, words) in [
            (Facts { is_port: true, uppers: uppers.clone(), ..free() }, "port of st100"),
            (Facts { is_port: true, ..free() }, "port of another interface"),
            (Facts { uppers, is_shared: true, ..free() }, "st100 stands on it"),
            (Facts { is_shared: true, ..free() }, "in another namespace"),
            (
                Facts { addresses: vec![standing("198.51.100.7", false, false)], ..free() },
                "address 198.51.100.7",
            ),
            (
                Facts {
                    addresses: vec![
                        standing("fe80::1", true, false),
                        standing("2001:db8::7", false, false),
                    ],
                    ..free()
                },
                "address 2001:db8::7",
            ),
            (Facts { xdp: true, ..free() }, "XDP"),
            (Facts { tcx: true, ..free() }, "tcx"),
            (Facts { ingress: qdisc("clsact"), ..free() }, "(clsact)"),
            (Facts { qdisc: qdisc("htb"), ..free() }, "(htb)"),
            // RTPROT_BOOT: `ip route add`; RTPROT_STATIC; RTPROT_BGP.
            (Facts { routes: vec![route(3)], ..free() }, "route to 198.51.100.0/24"),
            (Facts { routes: vec![route(2), route(4)], ..free() }, "route to 198.51.100.0/24"),
            (Facts { routes: vec![route(186)], ..free() }, "route to 198.51.100.0/24"),
        ] {
            let found = sign(facts.clone()).unwrap_or_default();
            assert!(found.contains(words), "{found:?} of {facts:?}");
        }
    }

    #[test]
    fn what_comes_by_itself_is_none() {
        let facts = Facts {
            addresses: vec![
                standing("fe80::1", true, false),
                standing("2001:db8::5054:ff:fe00:1", false, true),
            ],
            routes: vec![route(1), route(2), route(9)],
            ..Facts::default()
        };
        assert_eq!(sign(facts), None);
        for kind in ["noop", "noqueue", "mq", "pfifo_fast", "fq_codel", "cake"] {
            let facts = Facts {
                qdisc: Some(kind.to_owned()),
                default_qdisc: "cake".to_owned(),
                ..Facts::default()
            };
            assert_eq!(sign(facts), None, "{kind}");
        }
    }
}
