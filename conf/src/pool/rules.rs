//! Rules that both kinds of pool have.

use std::net::IpAddr;

use ipnetwork::IpNetwork;

use super::IndexRange;
use super::spec::{ExclusionSpec, IndexRangeSpec, RouteSpec};
use crate::violation::quoted;
use crate::{AddressRange, PoolName, Violation, Violations};

/// `metadata.name` as a pool's name.
pub(super) fn name(name: &str, broken: &mut Violations) -> Option<PoolName> {
    // An empty one has left a violation when the metadata was read.
    (!name.is_empty()).then(|| broken.parse("metadata.name", name)).flatten()
}

/// The prefix that `text` says, with its host bits.
pub(super) fn prefix(path: &str, text: &str, broken: &mut Violations) -> Option<IpNetwork> {
    // `IpNetwork` takes a lone address and a netmask as well; a prefix has a length.
    let prefix = text.split_once('/').and_then(|(address, length)| {
        let digits = !length.is_empty() && length.bytes().all(|b| b.is_ascii_digit());
        let length = digits.then(|| length.parse().ok()).flatten()?;
        IpNetwork::new(address.parse().ok()?, length).ok()
    });
    if prefix.is_none() {
        let rule = "must be a prefix, like 192.168.0.0/16 or fd00::/64";
        broken.push(Violation::new(path, quoted(text), rule));
    }
    prefix
}

/// The same prefix by its network address.
pub(super) fn canonical(prefix: IpNetwork) -> IpNetwork {
    // The length has been one of this family all along.
    IpNetwork::new(prefix.network(), prefix.prefix()).unwrap_or(prefix)
}

/// An address at `path`.
pub(super) fn address(path: &str, text: &str, broken: &mut Violations) -> Option<IpAddr> {
    let address = text.parse().ok();
    broken.require(address.is_some(), path, quoted(text), "must be an IP address");
    address
}

/// An address at `path` that lies in `network`, where that is known.
pub(super) fn address_in(
    network: Option<IpNetwork>,
    path: &str,
    text: &str,
    broken: &mut Violations,
) -> Option<IpAddr> {
    let address = address(path, text, broken)?;
    let outside = network.filter(|network| !network.contains(address));
    if let Some(network) = outside {
        broken.push(Violation::new(path, quoted(text), format!("must lie in {network}")));
        return None;
    }
    Some(address)
}

/// `exclusions`, inside `network`.
pub(super) fn exclusions(
    specs: &[ExclusionSpec],
    network: Option<IpNetwork>,
    broken: &mut Violations,
) -> Vec<AddressRange> {
    let mut out = Vec::with_capacity(specs.len());
    for (at, spec) in specs.iter().enumerate() {
        let path = format!("spec.exclusions[{at}]");
        let first = address_in(network, &format!("{path}.startIP"), &spec.start_ip, broken);
        let last = address_in(network, &format!("{path}.endIP"), &spec.end_ip, broken);
        let (Some(first), Some(last)) = (first, last) else { continue };
        match AddressRange::new(first, last) {
            Some(range) => out.push(range),
            None => broken.push(Violation::new(
                format!("{path}.endIP"),
                quoted(&spec.end_ip),
                format!("must not be below startIP, which is {first}"),
            )),
        }
    }
    out
}

/// `perNodeExclusions`, up to `most` where that is known.
pub(super) fn per_node_exclusions(
    specs: &[IndexRangeSpec],
    most: Option<u32>,
    broken: &mut Violations,
) -> Vec<IndexRange> {
    let most = most.unwrap_or(u32::MAX);
    let mut out = Vec::with_capacity(specs.len());
    for (at, spec) in specs.iter().enumerate() {
        let mut index = |field: &str, number: Option<i64>| {
            let path = format!("spec.perNodeExclusions[{at}].{field}");
            let number = broken.given(number, &path)?;
            let fits = u32::try_from(number).ok().filter(|index| *index <= most);
            let rule = format!("must be between 0 and {most}, the last address of a node");
            broken.require(fits.is_some(), path, number, rule);
            fits
        };
        let first = index("startIndex", spec.start_index);
        let last = index("endIndex", spec.end_index);
        let (Some(first), Some(last)) = (first, last) else { continue };
        broken.require(
            first <= last,
            format!("spec.perNodeExclusions[{at}].endIndex"),
            last,
            format!("must not be below startIndex, which is {first}"),
        );
        out.push(IndexRange { first, last });
    }
    out
}

/// `routes` and `defaultGateway`, of the family of `network` where that is known. `gateway` is the
/// field that they need, and whether it is there.
pub(super) fn routes(
    specs: &[RouteSpec],
    default_gateway: bool,
    network: Option<IpNetwork>,
    (field, gateway): (&str, bool),
    broken: &mut Violations,
) -> Vec<IpNetwork> {
    broken.require(
        gateway || !default_gateway,
        "spec.defaultGateway",
        default_gateway,
        format!("needs {field}"),
    );
    broken.require(gateway || specs.is_empty(), "spec.routes", "", format!("needs {field}"));
    let mut out = Vec::with_capacity(specs.len());
    for (at, spec) in specs.iter().enumerate() {
        let path = format!("spec.routes[{at}].dst");
        let Some(dst) = prefix(&path, &spec.dst, broken) else { continue };
        let same = network.is_none_or(|network| network.is_ipv4() == dst.is_ipv4());
        let family = if dst.is_ipv4() {
            "must be IPv6, as the pool is"
        } else {
            "must be IPv4, as the pool is"
        };
        broken.require(same, &path, quoted(&spec.dst), family);
        broken.require(
            !default_gateway || dst.prefix() > 0,
            &path,
            quoted(&spec.dst),
            "must not be the default route, which defaultGateway makes",
        );
        out.push(canonical(dst));
    }
    out
}
