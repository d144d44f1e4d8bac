//! The rules of a CIDRPool.

use std::collections::BTreeSet;
use std::net::IpAddr;

use ipnetwork::IpNetwork;

use super::spec::{CidrPoolSpec, StaticAllocationSpec};
use super::{CidrPool, StaticAllocation, rules, selector};
use crate::address::number;
use crate::violation::quoted;
use crate::{AddressRange, Violations};

/// Checks the pool `name`.
pub(crate) fn check(name: &str, spec: &CidrPoolSpec) -> Result<CidrPool, Violations> {
    let mut broken = Violations::default();
    let name = rules::name(name, &mut broken);
    let cidr = broken
        .given(spec.cidr.as_deref(), "spec.cidr")
        .and_then(|text| network("spec.cidr", text, &mut broken));
    let length = length(spec.per_node_network_prefix, cidr, &mut broken);
    // Any prefix of the pool will do: they are all of this size.
    let node = cidr.zip(length).and_then(|(cidr, length)| IpNetwork::new(cidr.ip(), length).ok());
    let gateway_index = gateway_index(spec.gateway_index, node, &mut broken);
    let exclusions = rules::exclusions(&spec.exclusions, cidr, &mut broken);
    let last_index = node.map(|node| index_in(node, node.broadcast()));
    let per_node_exclusions =
        rules::per_node_exclusions(&spec.per_node_exclusions, last_index, &mut broken);
    let static_allocations = statics(&spec.static_allocations, cidr, length, &mut broken);
    let routes = rules::routes(
        &spec.routes,
        spec.default_gateway,
        cidr,
        ("gatewayIndex", spec.gateway_index.is_some()),
        &mut broken,
    );
    let node_selector = selector::check(spec.node_selector.as_ref(), &mut broken);

    broken.into_result()?;
    // Whatever is missing here has left a violation above, or when the metadata was read.
    let absent = Violations::default;
    Ok(CidrPool {
        name: name.ok_or_else(absent)?,
        cidr: cidr.ok_or_else(absent)?,
        per_node_prefix: length.ok_or_else(absent)?,
        gateway_index,
        exclusions,
        per_node_exclusions,
        static_allocations,
        node_selector,
        default_gateway: spec.default_gateway,
        routes,
        allocations: Vec::new(),
    })
}

/// A prefix at `path` that has no host bits.
fn network(path: &str, text: &str, broken: &mut Violations) -> Option<IpNetwork> {
    let prefix = rules::prefix(path, text, broken)?;
    let network = rules::canonical(prefix);
    broken.require(
        prefix.ip() == network.ip(),
        path,
        quoted(text),
        format!("must have no host bits; did you mean {network}?"),
    );
    Some(network)
}

fn length(number: Option<i64>, cidr: Option<IpNetwork>, broken: &mut Violations) -> Option<u8> {
    const AT: &str = "spec.perNodeNetworkPrefix";
    let number = broken.given(number, AT)?;
    let least = cidr.map_or(1, |cidr| cidr.prefix().max(1));
    let most = if cidr.is_some_and(|cidr| cidr.is_ipv4()) { 32 } else { 128 };
    let length = u8::try_from(number).ok().filter(|length| (least..=most).contains(length));
    broken.require(length.is_some(), AT, number, format!("must be between {least} and {most}"));
    length
}

/// The largest index upstream (int32).
const MOST: u32 = i32::MAX.unsigned_abs();

/// The number of `address` in `network`, as far as indexes go.
fn index_in(network: IpNetwork, address: IpAddr) -> u32 {
    let index = number(address).saturating_sub(number(network.network()));
    u32::try_from(index).map_or(MOST, |index| index.min(MOST))
}

fn gateway_index(
    number: Option<i64>,
    node: Option<IpNetwork>,
    broken: &mut Violations,
) -> Option<u32> {
    let number = number?;
    let (least, most) = node.map_or((0, MOST), |node| {
        let hosts = AddressRange::hosts_of(node);
        (index_in(node, hosts.first()), index_in(node, hosts.last()))
    });
    let index = u32::try_from(number).ok().filter(|index| (least..=most).contains(index));
    let of = node.map(|node| format!(", a host of a /{}", node.prefix())).unwrap_or_default();
    broken.require(
        index.is_some(),
        "spec.gatewayIndex",
        number,
        format!("must be between {least} and {most}{of}"),
    );
    index
}

fn statics(
    specs: &[StaticAllocationSpec],
    cidr: Option<IpNetwork>,
    length: Option<u8>,
    broken: &mut Violations,
) -> Vec<StaticAllocation> {
    let (mut nodes, mut prefixes) = (BTreeSet::new(), BTreeSet::new());
    let mut out = Vec::with_capacity(specs.len());
    for (at, spec) in specs.iter().enumerate() {
        let path = |field: &str| format!("spec.staticAllocations[{at}].{field}");
        let shown = quoted(&spec.prefix);
        let prefix = network(&path("prefix"), &spec.prefix, broken);
        if let Some(prefix) = prefix {
            // Compared as networks, so that FD00:0::/64 is fd00::/64.
            broken.require(
                prefixes.insert(prefix),
                path("prefix"),
                &shown,
                "must not be given twice",
            );
            if let Some(cidr) = cidr {
                broken.require(
                    cidr.prefix() <= prefix.prefix() && cidr.contains(prefix.ip()),
                    path("prefix"),
                    &shown,
                    format!("must lie in {cidr}"),
                );
            }
            if let Some(length) = length {
                broken.require(
                    prefix.prefix() == length,
                    path("prefix"),
                    &shown,
                    format!("must be a /{length}, as perNodeNetworkPrefix says"),
                );
            }
        }
        let gateway = (!spec.gateway.is_empty())
            .then(|| rules::address_in(prefix, &path("gateway"), &spec.gateway, broken))
            .flatten();
        let node = (!spec.node_name.is_empty()).then(|| spec.node_name.clone());
        if let Some(node) = &node {
            broken.require(
                nodes.insert(node.clone()),
                path("nodeName"),
                quoted(node),
                "must not be given twice",
            );
        }
        if let Some(prefix) = prefix {
            out.push(StaticAllocation { node, gateway, prefix });
        }
    }
    out
}
