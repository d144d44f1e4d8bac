//! The rules of an IPPool.

use std::num::NonZeroU32;

use ipnetwork::IpNetwork;

use super::spec::IpPoolSpec;
use super::{IpPool, rules, selector};
use crate::{AddressRange, Violations};

/// Checks the pool `name`.
///
/// Host bits of `subnet` are accepted and dropped, as upstream does: `192.168.0.5/16` is
/// `192.168.0.0/16`. (A CIDRPool's `cidr` must have none.)
pub(crate) fn check(name: &str, spec: &IpPoolSpec) -> Result<IpPool, Violations> {
    let mut broken = Violations::default();
    let name = rules::name(name, &mut broken);
    let subnet = broken
        .given(spec.subnet.as_deref(), "spec.subnet")
        .and_then(|text| rules::prefix("spec.subnet", text, &mut broken))
        .map(rules::canonical);
    let block_size = block_size(spec.per_node_block_size, subnet, &mut broken);
    let gateway = (!spec.gateway.is_empty())
        .then(|| rules::address_in(subnet, "spec.gateway", &spec.gateway, &mut broken))
        .flatten();
    let exclusions = rules::exclusions(&spec.exclusions, subnet, &mut broken);
    let last_index = block_size.map(|size| size.get() - 1);
    let per_node_exclusions =
        rules::per_node_exclusions(&spec.per_node_exclusions, last_index, &mut broken);
    let routes = rules::routes(
        &spec.routes,
        spec.default_gateway,
        subnet,
        ("gateway", !spec.gateway.is_empty()),
        &mut broken,
    );
    let node_selector = selector::check(spec.node_selector.as_ref(), &mut broken);

    broken.into_result()?;
    // Whatever is missing here has left a violation above, or when the metadata was read.
    let absent = Violations::default;
    Ok(IpPool {
        name: name.ok_or_else(absent)?,
        subnet: subnet.ok_or_else(absent)?,
        per_node_block_size: block_size.ok_or_else(absent)?,
        gateway,
        exclusions,
        per_node_exclusions,
        node_selector,
        default_gateway: spec.default_gateway,
        routes,
        allocations: Vec::new(),
    })
}

fn block_size(
    number: Option<i64>,
    subnet: Option<IpNetwork>,
    broken: &mut Violations,
) -> Option<NonZeroU32> {
    const AT: &str = "spec.perNodeBlockSize";
    let number = broken.given(number, AT)?;
    let most = subnet.map_or(u32::MAX, usable);
    let size = u32::try_from(number).ok().filter(|size| *size <= most).and_then(NonZeroU32::new);
    let of = subnet.map(|subnet| format!(", the usable addresses of {subnet}")).unwrap_or_default();
    broken.require(size.is_some(), AT, number, format!("must be between 1 and {most}{of}"));
    size
}

/// How many addresses of `subnet` an interface may carry; 2^32 - 1 for more, since no block is
/// larger.
fn usable(subnet: IpNetwork) -> u32 {
    let one_less = AddressRange::hosts_of(subnet).len_minus_one();
    u32::try_from(one_less.saturating_add(1)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usable_addresses() {
        for (subnet, count) in [
            ("10.0.0.0/24", 254),
            ("10.0.0.0/30", 2),
            ("10.0.0.0/31", 2),
            ("10.0.0.1/32", 1),
            ("0.0.0.0/1", (1 << 31) - 2),
            ("0.0.0.0/0", u32::MAX - 1),
            ("fd00::/126", 3),
            ("fd00::/127", 2),
            ("fd00::/128", 1),
            ("fd00::/96", u32::MAX),
            ("fd00::/64", u32::MAX),
            ("::/0", u32::MAX),
        ] {
            assert_eq!(usable(subnet.parse().unwrap()), count, "{subnet}");
        }
    }
}
