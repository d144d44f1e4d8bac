//! Next-hop objects (`ip nexthop`): a route may carry nothing but the id of one, or of a group.
//!
//! netlink-packet-route does not know their messages.

use std::collections::BTreeMap;
use std::net::IpAddr;

use netlink_packet_core::{NetlinkSerializable, parse_u32};
use netlink_packet_route::route::{RouteAttribute, RouteMessage};

use super::{IpRoute, wire};
use crate::kernel::link::decode::attributes;
use crate::kernel::netlink::{Route, malformed};
use crate::kernel::{Cause, Errno};

// include/uapi/linux/rtnetlink.h and nexthop.h
const RTM_GETNEXTHOP: u16 = 106;
const NHA_ID: u16 = 1;
const NHA_GROUP: u16 = 2;
const NHA_OIF: u16 = 5;
const NHA_GATEWAY: u16 = 6;
/// Octets of `struct nhmsg`.
const HEADER: usize = 8;
/// Octets of `struct nexthop_grp`; the id comes first.
const MEMBER: usize = 8;

/// The request for all next-hop objects.
#[derive(Debug, Clone)]
struct GetNextHops;

impl NetlinkSerializable for GetNextHops {
    fn message_type(&self) -> u16 {
        RTM_GETNEXTHOP
    }

    fn buffer_len(&self) -> usize {
        HEADER
    }

    fn serialize(&self, buffer: &mut [u8]) {
        buffer.fill(0);
    }
}

/// A next-hop object.
#[derive(Debug, Clone, PartialEq, Eq)]
struct NextHop {
    id: u32,
    index: Option<u32>,
    gateway: Option<IpAddr>,
    /// The ids of a group's members.
    members: Vec<u32>,
}

/// A route as its message tells it.
pub(super) struct Found {
    routes: Vec<IpRoute>,
    /// The object that says where it leads, where the message itself does not
    /// (`net.ipv4.nexthop_compat_mode` 0).
    next_hop: Option<u32>,
}

impl Found {
    pub(super) fn read(message: &RouteMessage) -> Self {
        let mut next_hop = None;
        let mut says = false;
        for attribute in &message.attributes {
            match attribute {
                RouteAttribute::NhId(id) => next_hop = Some(*id),
                RouteAttribute::Oif(_) | RouteAttribute::MultiPath(_) => says = true,
                _ => {}
            }
        }
        Self { routes: wire::routes(message), next_hop: next_hop.filter(|_| !says) }
    }
}

impl Route {
    /// The routes, one for each next hop. Objects are asked for only where a route needs them.
    pub(super) fn resolve(&mut self, found: Vec<Found>) -> Result<Vec<IpRoute>, Cause> {
        let needed = found.iter().any(|found| found.next_hop.is_some());
        let known = if needed { self.next_hops()? } else { BTreeMap::new() };
        Ok(found
            .into_iter()
            .flat_map(|Found { routes, next_hop }| match next_hop {
                None => routes,
                Some(id) => routes.iter().flat_map(|route| through(route, id, &known)).collect(),
            })
            .collect())
    }

    fn next_hops(&mut self) -> Result<BTreeMap<u32, NextHop>, Cause> {
        let found = self.dump(&GetNextHops, |payload| read(payload).map(Some));
        match found {
            Ok(found) => Ok(found.into_iter().map(|hop| (hop.id, hop)).collect()),
            // A kernel without them has no route by one either.
            Err(Cause::Errno { errno: Errno::EOPNOTSUPP, .. }) => Ok(BTreeMap::new()),
            Err(cause) => Err(cause),
        }
    }
}

/// `route` through the object, or through each of a group; the kernel nests no groups.
fn through(route: &IpRoute, id: u32, known: &BTreeMap<u32, NextHop>) -> Vec<IpRoute> {
    let Some(hop) = known.get(&id) else { return Vec::new() };
    let members = hop.members.iter().filter_map(|id| known.get(id));
    let of = |hop: &NextHop| {
        let is_alike = |gateway: &IpAddr| gateway.is_ipv4() == route.destination.is_ipv4();
        let gateway = hop.gateway.filter(is_alike);
        hop.index.map(|index| IpRoute { index, gateway, ..route.clone() })
    };
    std::iter::once(hop).chain(members).filter_map(of).collect()
}

fn read(payload: &[u8]) -> Result<NextHop, Cause> {
    let mut hop = NextHop { id: 0, index: None, gateway: None, members: Vec::new() };
    for attribute in attributes(payload.get(HEADER..).unwrap_or_default()) {
        let attribute = attribute.map_err(malformed)?;
        let value = attribute.value();
        match attribute.kind() {
            NHA_ID => hop.id = parse_u32(value).map_err(malformed)?,
            NHA_OIF => hop.index = Some(parse_u32(value).map_err(malformed)?),
            NHA_GATEWAY => hop.gateway = address(value),
            NHA_GROUP => {
                let ids = value.chunks_exact(MEMBER).filter_map(|member| member.get(..4));
                hop.members = ids.map(parse_u32).collect::<Result<_, _>>().map_err(malformed)?;
            }
            _ => {}
        }
    }
    Ok(hop)
}

fn address(octets: &[u8]) -> Option<IpAddr> {
    let v4 = <[u8; 4]>::try_from(octets).map(IpAddr::from);
    v4.or_else(|_| <[u8; 16]>::try_from(octets).map(IpAddr::from)).ok()
}
