//! Blocks against a model that writes every address of a small pool down and shares nothing with
//! the arithmetic: nv-ipam's numbering, read literally.

use std::collections::BTreeSet;

use conf::address::number;
use proptest::prelude::*;

use super::*;

/// What the blocks of a pool give out, by number; empty for one that gives nothing.
struct Model(Vec<Vec<u128>>);

/// Every address of a network of either family, by mask.
fn addresses(network: IpNetwork) -> Vec<u128> {
    let width = if network.is_ipv4() { 32 } else { 128 };
    let size = 1u128 << (width - network.prefix());
    let first = number(network.ip()) & !(size - 1);
    (first..first + size).collect()
}

/// Those that an interface may carry.
fn carried(addresses: &[u128], is_ipv4: bool) -> &[u128] {
    match (addresses, is_ipv4) {
        ([_] | [_, _], _) => addresses,
        ([_, inner @ .., _], true) => inner,
        ([_, inner @ ..], _) => inner,
        ([], _) => &[],
    }
}

fn in_any(address: u128, ranges: &[AddressRange]) -> bool {
    ranges.iter().any(|range| number(range.first()) <= address && address <= number(range.last()))
}

fn counted(index: usize, ranges: &[IndexRange]) -> bool {
    ranges.iter().any(|range| range.first as usize <= index && index <= range.last as usize)
}

impl Model {
    fn of_ip_pool(pool: &IpPool) -> Self {
        let all = addresses(pool.subnet);
        let size = pool.per_node_block_size.get() as usize;
        let gives = carried(&all, pool.subnet.is_ipv4()).chunks_exact(size).map(|block| {
            let given = block.iter().enumerate().filter(|(index, address)| {
                !in_any(**address, &pool.exclusions)
                    && !counted(*index, &pool.per_node_exclusions)
                    && pool.gateway.map(number) != Some(**address)
            });
            given.map(|(_, address)| *address).collect()
        });
        Self(gives.collect())
    }

    fn of_cidr_pool(pool: &CidrPool) -> Self {
        let all = addresses(pool.cidr);
        let width = if pool.cidr.is_ipv4() { 32 } else { 128 };
        let gives = all.chunks_exact(1 << (width - pool.per_node_prefix)).map(|block| {
            let carried = carried(block, pool.cidr.is_ipv4());
            let given = block.iter().enumerate().filter(|(index, address)| {
                carried.contains(address)
                    && !in_any(**address, &pool.exclusions)
                    && !counted(*index, &pool.per_node_exclusions)
                    && pool.gateway_index.map(|index| index as usize) != Some(*index)
            });
            given.map(|(_, address)| *address).collect()
        });
        Self(gives.collect())
    }

    /// The numbers of those that give something.
    fn usable(&self) -> Vec<u128> {
        let all = self.0.iter().zip(0..);
        all.filter(|(gives, _)| !gives.is_empty()).map(|(_, index)| index).collect()
    }
}

/// What a block gives out, address by address.
fn gives(block: &NodeBlock) -> Vec<u128> {
    (number(block.range.first())..=number(block.range.last()))
        .filter(|address| !in_any(*address, &block.exclusions))
        .filter(|address| block.gateway.map(number) != Some(*address))
        .collect()
}

/// `10.0.0.0/PREFIX` or `fd00::/PREFIX` with 0 to 8 host bits.
fn any_network() -> impl Strategy<Value = IpNetwork> {
    (any::<bool>(), 0u8..=8, 0u8..4).prop_map(|(is_ipv4, host_bits, part)| {
        let (any, prefix) = match is_ipv4 {
            true => (IpAddr::from([10, 0, part, 0]), 32 - host_bits),
            false => {
                (IpAddr::from([0xfd00, 0, 0, 0, 0, 0, 0, u16::from(part) << 8]), 128 - host_bits)
            }
        };
        IpNetwork::new(any, prefix).unwrap()
    })
}

fn at(network: IpNetwork, steps: u8) -> IpAddr {
    advance(network.ip(), u128::from(steps)).unwrap()
}

/// Exclusions at, in and around a network: nested, adjacent, the same twice.
fn any_exclusions() -> impl Strategy<Value = Vec<(u8, u8)>> {
    let one = (0u8..=255, 0u8..60);
    proptest::collection::vec(one, 0..6).prop_map(|mut ends| {
        if let [first, .., last] = &mut ends[..] {
            *last = *first;
        }
        ends
    })
}

fn exclusions(network: IpNetwork, ends: &[(u8, u8)]) -> Vec<AddressRange> {
    let range = |(first, more): &(u8, u8)| {
        AddressRange::new(at(network, *first), at(network, first.saturating_add(*more)))
    };
    ends.iter().filter_map(range).collect()
}

fn any_indices() -> impl Strategy<Value = Vec<IndexRange>> {
    let one =
        (0u32..20, 0u32..6).prop_map(|(first, more)| IndexRange { first, last: first + more });
    proptest::collection::vec(one, 0..4)
}

fn any_ip_pool() -> impl Strategy<Value = IpPool> {
    let gateway = proptest::option::of(0u8..=255);
    (any_network(), 1u32..40, gateway, any_exclusions(), any_indices()).prop_map(
        |(subnet, size, gateway, excluded, per_node_exclusions)| IpPool {
            subnet,
            gateway: gateway.map(|steps| at(subnet, steps)),
            exclusions: exclusions(subnet, &excluded),
            per_node_exclusions,
            ..ip_pool("10.0.0.0/24", size, None)
        },
    )
}

fn any_cidr_pool() -> impl Strategy<Value = CidrPool> {
    let gateway = proptest::option::of(0u32..6);
    let reserved = proptest::collection::btree_map(0u8..=255, proptest::option::of("[ab]"), 0..4);
    (any_network(), 0u8..=8, gateway, any_exclusions(), any_indices(), reserved).prop_map(
        |(cidr, more, gateway_index, excluded, per_node_exclusions, reserved)| {
            let width = if cidr.is_ipv4() { 32 } else { 128 };
            let prefix = (cidr.prefix() + more).min(width);
            let mut nodes = BTreeSet::new();
            let static_allocations = reserved.into_iter().filter_map(|(steps, node)| {
                let address = at(cidr, steps);
                let network = IpNetwork::new(address, prefix).unwrap();
                let fits = network.ip() == network.network() && cidr.contains(address);
                let once = node.as_ref().is_none_or(|node| nodes.insert(node.clone()));
                let promise = StaticAllocation { node, gateway: None, prefix: network };
                (fits && once).then_some(promise)
            });
            CidrPool {
                cidr,
                exclusions: exclusions(cidr, &excluded),
                per_node_exclusions,
                static_allocations: static_allocations.collect(),
                ..cidr_pool("10.0.0.0/24", prefix, gateway_index)
            }
        },
    )
}

/// Every block gives what the model says, and there are no others.
fn assert_deals(blocks: &Blocks, model: &Model, hidden: &[u128]) -> Result<(), TestCaseError> {
    prop_assert_eq!(count(blocks), model.0.len() as u128);
    for (index, expected) in (0..).zip(&model.0) {
        let given = blocks.block(index, Sharing::Shared);
        let given = given.as_ref().map(gives).unwrap_or_default();
        let expected = if hidden.contains(&index) { &[][..] } else { expected };
        prop_assert_eq!(given, expected, "block {}", index);
    }
    prop_assert_eq!(blocks.block(count(blocks), Sharing::Shared), None);
    Ok(())
}

/// All numbers of a set, in order.
fn all(numbers: &Numbers) -> Vec<u128> {
    (0..numbers.count()).map_while(|rank| numbers.nth(rank)).collect()
}

proptest! {
    #[test]
    fn an_ip_pool_deals_as_the_model_does(pool in any_ip_pool(), host in 0u32..6, hosts in 1u32..6) {
        let (blocks, model) = (Blocks::of_ip_pool(&pool, &node("n")), Model::of_ip_pool(&pool));
        assert_deals(&blocks, &model, &[])?;
        let usable = model.usable();
        prop_assert_eq!(&all(&blocks.open()), &usable);
        let mine = |index: &&u128| host < hosts && **index % u128::from(hosts) == u128::from(host);
        let dealt = blocks.for_host(standalone(host, hosts)).map(|block| block.index);
        prop_assert_eq!(dealt, usable.iter().find(mine).copied());
    }

    #[test]
    fn a_cidr_pool_deals_as_the_model_does(pool in any_cidr_pool(), host in 0u32..4, hosts in 1u32..4) {
        let (blocks, model) = (Blocks::of_cidr_pool(&pool, &node("a")), Model::of_cidr_pool(&pool));
        let number_of = |allocation: &StaticAllocation| {
            let size = 1u128 << ((if pool.cidr.is_ipv4() { 32 } else { 128 }) - pool.per_node_prefix);
            (number(allocation.prefix.ip()) - number(pool.cidr.ip())) / size
        };
        let (own, others): (Vec<&StaticAllocation>, Vec<_>) =
            pool.static_allocations.iter().partition(|one| one.node.as_deref() == Some("a"));
        let own: Vec<u128> = own.into_iter().map(number_of).collect();
        let others: Vec<u128> = others.into_iter().map(number_of).collect();
        assert_deals(&blocks, &model, &others)?;
        let promised = |index: &u128| own.contains(index) || others.contains(index);
        let open: Vec<u128> = model.usable().into_iter().filter(|index| !promised(index)).collect();
        prop_assert_eq!(&all(&blocks.open()), &open);
        let mine = |index: &&u128| host < hosts && **index % u128::from(hosts) == u128::from(host);
        let expected = match own.first() {
            Some(own) => model.usable().into_iter().find(|index| index == own),
            None => open.iter().find(mine).copied(),
        };
        prop_assert_eq!(blocks.for_host(standalone(host, hosts)).map(|block| block.index), expected);
    }

    /// What a daemon writes the plugin reads, to the letter.
    #[test]
    fn every_block_keeps_the_rules_of_its_format(pool in any_ip_pool(), index in 0u128..9) {
        if let Some(block) = Blocks::of_ip_pool(&pool, &node("n")).block(index, Sharing::Alone)
            && pool.gateway.is_none_or(|gateway| pool.subnet.contains(gateway))
        {
            let text = serde_json::to_string(&block).unwrap();
            prop_assert_eq!(serde_json::from_str::<NodeBlock>(&text).unwrap(), block);
        }
    }
}
