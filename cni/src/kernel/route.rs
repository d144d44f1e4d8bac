//! IP routes.

mod nexthop;
mod wire;

use std::net::IpAddr;

use ipnetwork::IpNetwork;
use netlink_packet_core::{NLM_F_CREATE, NLM_F_EXCL, Parseable};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::route::{RouteAttribute, RouteMessage};

use super::netlink::{Route, malformed};
use super::{Cause, Change, Errno, Error};

/// RT_TABLE_MAIN.
const MAIN: u32 = 254;

/// One IP route through one link. `None`: the kernel's default.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IpRoute {
    /// Where to.
    pub destination: IpNetwork,
    /// Through which link.
    pub index: u32,
    /// Through which router; of the destination's family.
    pub gateway: Option<IpAddr>,
    /// The router is reached directly although no route says so (RTNH_F_ONLINK).
    pub onlink: bool,
    /// Source address to prefer.
    pub source: Option<IpAddr>,
    /// Routing table; `None`: main.
    pub table: Option<u32>,
    /// Scope, as in rtnetlink(7); `None`: universe with a gateway, else link. IPv6 has none.
    pub scope: Option<u8>,
    /// Metric; `None`: 0 for IPv4, 1024 for IPv6.
    pub priority: Option<u32>,
    /// Path MTU, bytes.
    pub mtu: Option<u32>,
    /// Advertised MSS, bytes.
    pub advmss: Option<u32>,
    /// Who made it (rtm_protocol), of one that was found; what is added is `boot`, as of `ip`.
    pub protocol: Option<u8>,
}

/// RTPROT_REDIRECT, RTPROT_KERNEL and RTPROT_RA (include/uapi/linux/rtnetlink.h).
const MADE_BY_ITSELF: [u8; 3] = [1, 2, 9];

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
            protocol: None,
        }
    }

    /// Whether the kernel made it with an address, or a router announced it: nobody asked for it.
    pub fn came_by_itself(&self) -> bool {
        self.protocol.is_some_and(|protocol| MADE_BY_ITSELF.contains(&protocol))
    }

    /// Whether it is in the main table.
    pub fn is_main(&self) -> bool {
        self.table.is_none_or(|table| table == MAIN)
    }

    /// Its metric, as the kernel compares it.
    pub fn metric(&self) -> u32 {
        /// IP6_RT_PRIO_USER, include/uapi/linux/ipv6_route.h.
        const IPV6: u32 = 1024;
        self.priority.unwrap_or(if self.destination.is_ipv6() { IPV6 } else { 0 })
    }

    /// Whether both lead to the same destination, each in its own way.
    pub fn has_destination_of(&self, other: &Self) -> bool {
        let network = |route: &Self| (route.destination.network(), route.destination.prefix());
        network(self) == network(other)
    }

    /// Whether both are in one table.
    pub fn shares_table(&self, other: &Self) -> bool {
        self.table.unwrap_or(MAIN) == other.table.unwrap_or(MAIN)
    }

    /// Whether it is what `wanted` asks for: equal in what `wanted` says, whatever the rest.
    pub fn satisfies(&self, wanted: &Self) -> bool {
        self.shares_table(wanted) && self.satisfies_in_any_table(wanted)
    }

    /// The same, whatever table it is in.
    pub fn satisfies_in_any_table(&self, wanted: &Self) -> bool {
        fn same<T: PartialEq>(wanted: Option<T>, found: Option<T>) -> bool {
            wanted.is_none() || wanted == found
        }
        self.has_destination_of(wanted)
            && self.index == wanted.index
            && self.gateway == wanted.gateway
            && same(wanted.source, self.source)
            && (wanted.destination.is_ipv6() || same(wanted.scope, self.scope))
            && same(wanted.priority, self.priority)
            && same(wanted.mtu, self.mtu)
            && same(wanted.advmss, self.advmss)
    }
}

impl Route {
    /// Routes of both families in all tables that lead through one link, without those that the
    /// kernel keeps itself (local, broadcast, multicast).
    pub fn routes(&mut self, index: u32) -> Result<Vec<IpRoute>, Error> {
        // The kernel filters, where it can: it knows the link, and needs no more.
        let mut message = RouteMessage::default();
        message.attributes.push(RouteAttribute::Oif(index));
        match self.dump_routes(message, |route| route.index == index) {
            Ok(routes) => Ok(routes),
            Err(cause) => Err(self.failed(index, "list", "routes", cause)),
        }
    }

    /// The same of all links.
    pub fn all_routes(&mut self) -> Result<Vec<IpRoute>, Error> {
        self.dump_routes(RouteMessage::default(), |_| true)
            .map_err(|cause| Error::new("list", "routes", cause))
    }

    /// All default routes of the namespace, in any table. One with several next hops gives one
    /// entry for each; each half (`0.0.0.0/1`, `128.0.0.0/1`), which a VPN puts in front of the
    /// whole, is one as well.
    pub fn default_routes(&mut self) -> Result<Vec<IpRoute>, Error> {
        self.dump_routes(RouteMessage::default(), |route| route.destination.prefix() <= 1)
            .map_err(|cause| Error::new("list", "default routes", cause))
    }

    /// The route by which the kernel sends to `address`, one entry for each next hop; none where
    /// there is no way, or where the address is the namespace's own.
    pub fn routes_to(&mut self, address: IpAddr) -> Result<Vec<IpRoute>, Error> {
        let message = RouteNetlinkMessage::GetRoute(wire::lookup(address));
        let found = self.ask(message, |payload| {
            let message = RouteMessage::parse(payload).map_err(malformed)?;
            Ok(nexthop::Found::read(&message))
        });
        match found.and_then(|found| self.resolve(vec![found])) {
            // No route; or one that says so: `unreachable`, `prohibit`.
            Err(Cause::Errno {
                errno: Errno::ENETUNREACH | Errno::EHOSTUNREACH | Errno::EACCES,
                ..
            }) => Ok(Vec::new()),
            found => {
                found.map_err(|cause| Error::new("find", format!("the way to {address}"), cause))
            }
        }
    }

    /// Adds a route. The same route there already is [`Change::Same`]. Others to the same
    /// destination stay: of equal metric, an IPv4 route comes before them, and one of IPv6 with a
    /// gateway becomes a further next hop of theirs (fib_table_insert() in net/ipv4/fib_trie.c,
    /// fib6_add_rt2node() in net/ipv6/ip6_fib.c).
    ///
    /// # Errors
    /// The kernel's refusal; EEXIST for the same next hop with other attributes.
    pub fn add_route(&mut self, route: &IpRoute) -> Result<Change, Error> {
        let message = || RouteNetlinkMessage::NewRoute(wire::message(route));
        let mut outcome = self.change(message(), NLM_F_CREATE | NLM_F_EXCL);
        if let Err(Cause::Errno { errno: Errno::EEXIST, .. }) = outcome {
            // The kernel would take one that it made itself, to a connected network, for another.
            let is_it =
                |found: &IpRoute| found.satisfies(route) && found.metric() == route.metric();
            if self.routes(route.index)?.iter().any(is_it) {
                return Ok(Change::Same);
            }
            // Without NLM_F_EXCL: every pod has a default route by its first interface.
            outcome = self.change(message(), NLM_F_CREATE);
        }
        match outcome {
            Ok(()) => Ok(Change::Changed),
            Err(cause) => Err(Error::new("add", format!("route {}", self.described(route)), cause)),
        }
    }

    fn dump_routes(
        &mut self,
        message: RouteMessage,
        wanted: impl Fn(&IpRoute) -> bool,
    ) -> Result<Vec<IpRoute>, Cause> {
        let found = self.dump(&RouteNetlinkMessage::GetRoute(message), |payload| {
            let message = RouteMessage::parse(payload).map_err(malformed)?;
            Ok(Some(nexthop::Found::read(&message)))
        })?;
        Ok(self.resolve(found)?.into_iter().filter(wanted).collect())
    }

    /// In the words of `ip route`.
    fn described(&mut self, route: &IpRoute) -> String {
        let via = route.gateway.map(|gateway| format!(" via {gateway}")).unwrap_or_default();
        let dev = self.name_of(route.index);
        let table = route.table.map(|table| format!(" table {table}")).unwrap_or_default();
        format!("{}{via} dev {dev}{table}", route.destination)
    }
}
