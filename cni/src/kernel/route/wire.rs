//! Routes as RTM_NEWROUTE carries them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnetwork::IpNetwork;
use netlink_packet_route::AddressFamily;
use netlink_packet_route::route::{
    RouteAddress, RouteAttribute, RouteFlags, RouteHeader, RouteMessage, RouteMetric,
    RouteNextHopFlags, RouteProtocol, RouteScope, RouteType,
};

use super::{IpRoute, MAIN};

/// The message that adds or removes `route`.
pub(super) fn message(route: &IpRoute) -> RouteMessage {
    let mut message = RouteMessage::default();
    message.header = RouteHeader {
        address_family: family(&route.destination),
        destination_prefix_length: route.destination.prefix(),
        protocol: RouteProtocol::Boot,
        kind: RouteType::Unicast,
        scope: scope(route),
        // A table above 255 does not fit here; RTA_TABLE rules either way.
        table: RouteHeader::RT_TABLE_UNSPEC,
        flags: if route.onlink { RouteFlags::Onlink } else { RouteFlags::empty() },
        ..RouteHeader::default()
    };
    let metrics: Vec<RouteMetric> =
        [route.mtu.map(RouteMetric::Mtu), route.advmss.map(RouteMetric::Advmss)]
            .into_iter()
            .flatten()
            .collect();
    let destination = route.destination.network();
    message.attributes = [
        (route.destination.prefix() > 0)
            .then(|| RouteAttribute::Destination(RouteAddress::from(destination))),
        Some(RouteAttribute::Oif(route.index)),
        Some(RouteAttribute::Table(route.table.unwrap_or(MAIN))),
        route.gateway.map(|gateway| RouteAttribute::Gateway(RouteAddress::from(gateway))),
        route.source.map(|source| RouteAttribute::PrefSource(RouteAddress::from(source))),
        route.priority.map(RouteAttribute::Priority),
        (!metrics.is_empty()).then_some(RouteAttribute::Metrics(metrics)),
    ]
    .into_iter()
    .flatten()
    .collect();
    message
}

/// The question for the route to `address`, whole as it stands in its table (RTM_F_FIB_MATCH): the
/// answer to the plain question knows one next hop only.
pub(super) fn lookup(address: IpAddr) -> RouteMessage {
    let destination = IpNetwork::from(address);
    let mut message = RouteMessage::default();
    message.header = RouteHeader {
        address_family: family(&destination),
        destination_prefix_length: destination.prefix(),
        flags: RouteFlags::FibMatch,
        ..RouteHeader::default()
    };
    message.attributes.push(RouteAttribute::Destination(RouteAddress::from(address)));
    message
}

/// The routes that a message tells of: one for each next hop; none where it is not a unicast
/// route to an IP network.
pub(super) fn routes(message: &RouteMessage) -> Vec<IpRoute> {
    let cloned = message.header.flags.contains(RouteFlags::Cloned);
    if message.header.kind != RouteType::Unicast || cloned {
        return Vec::new();
    }
    let Some(mut route) = bare(message) else { return Vec::new() };
    let mut hops = Vec::new();
    for attribute in &message.attributes {
        match attribute {
            RouteAttribute::Oif(index) => route.index = *index,
            RouteAttribute::Gateway(address) => route.gateway = ip(address),
            RouteAttribute::PrefSource(address) => route.source = ip(address),
            RouteAttribute::Priority(priority) => route.priority = Some(*priority),
            RouteAttribute::Table(table) => route.table = Some(*table),
            RouteAttribute::Metrics(metrics) => apply(&mut route, metrics),
            RouteAttribute::MultiPath(found) => hops.clone_from(found),
            _ => {}
        }
    }
    if hops.is_empty() {
        return vec![route];
    }
    let through = |hop: &netlink_packet_route::route::RouteNextHop| IpRoute {
        index: hop.interface_index,
        onlink: hop.flags.contains(RouteNextHopFlags::Onlink),
        gateway: hop.attributes.iter().find_map(|attribute| match attribute {
            RouteAttribute::Gateway(address) => ip(address),
            _ => None,
        }),
        ..route.clone()
    };
    hops.iter().map(through).collect()
}

fn bare(message: &RouteMessage) -> Option<IpRoute> {
    let unspecified: IpAddr = match message.header.address_family {
        AddressFamily::Inet => Ipv4Addr::UNSPECIFIED.into(),
        AddressFamily::Inet6 => Ipv6Addr::UNSPECIFIED.into(),
        _ => return None,
    };
    let destination = message.attributes.iter().find_map(|attribute| match attribute {
        RouteAttribute::Destination(address) => ip(address),
        _ => None,
    });
    let prefix = message.header.destination_prefix_length;
    let network = IpNetwork::new(destination.unwrap_or(unspecified), prefix).ok()?;
    Some(IpRoute {
        onlink: message.header.flags.contains(RouteFlags::Onlink),
        table: Some(u32::from(message.header.table)),
        scope: Some(u8::from(message.header.scope)),
        protocol: Some(u8::from(message.header.protocol)),
        ..IpRoute::new(network, 0)
    })
}

fn apply(route: &mut IpRoute, metrics: &[RouteMetric]) {
    for metric in metrics {
        match metric {
            RouteMetric::Mtu(mtu) => route.mtu = Some(*mtu),
            RouteMetric::Advmss(advmss) => route.advmss = Some(*advmss),
            _ => {}
        }
    }
}

fn family(network: &IpNetwork) -> AddressFamily {
    if network.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 }
}

fn scope(route: &IpRoute) -> RouteScope {
    match (route.scope, route.gateway) {
        (Some(scope), _) => RouteScope::from(scope),
        (None, None) if route.destination.is_ipv4() => RouteScope::Link,
        (None, _) => RouteScope::Universe,
    }
}

fn ip(address: &RouteAddress) -> Option<IpAddr> {
    match address {
        RouteAddress::Inet(address) => Some((*address).into()),
        RouteAddress::Inet6(address) => Some((*address).into()),
        _ => None,
    }
}
