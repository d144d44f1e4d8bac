//! The numbering of blocks, the scenarios that name one, and what holds for every pool.

use std::collections::BTreeMap;
use std::num::NonZeroU32;

use conf::address::number;
use conf::pool::StaticAllocation;
use proptest::prelude::*;

use super::*;

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn range(first: &str, last: &str) -> AddressRange {
    AddressRange::new(ip(first), ip(last)).unwrap()
}

fn ip_pool(subnet: &str, size: u32, gateway: Option<&str>) -> IpPool {
    IpPool {
        name: "p".parse().unwrap(),
        subnet: subnet.parse().unwrap(),
        per_node_block_size: NonZeroU32::new(size).unwrap(),
        gateway: gateway.map(ip),
        exclusions: Vec::new(),
        per_node_exclusions: Vec::new(),
        node_selector: None,
        default_gateway: false,
        routes: Vec::new(),
    }
}

fn cidr_pool(cidr: &str, prefix: u8, gateway_index: Option<u32>) -> CidrPool {
    CidrPool {
        name: "c".parse().unwrap(),
        cidr: cidr.parse().unwrap(),
        per_node_prefix: prefix,
        gateway_index,
        exclusions: Vec::new(),
        per_node_exclusions: Vec::new(),
        static_allocations: Vec::new(),
        node_selector: None,
        default_gateway: false,
        routes: Vec::new(),
    }
}

fn standalone(host: u32, hosts: u32) -> Standalone {
    Standalone { host, hosts }
}

/// The ranges that hosts 0, 1, … of `hosts` get.
fn dealt(blocks: &Blocks, hosts: u32) -> Vec<String> {
    (0..hosts)
        .map(|host| match blocks.for_host(standalone(host, hosts)) {
            Some(block) => block.range.to_string(),
            None => "none".to_owned(),
        })
        .collect()
}

#[test]
fn indexes_are_gone_through_once_however_often_they_are_excluded() {
    let index = |first, last| IndexRange { first, last };
    let mut pool = ip_pool("10.0.0.0/16", 256, None);
    pool.per_node_exclusions = vec![index(0, 0); 20_000];
    pool.per_node_exclusions.extend([index(9, 9), index(4, 6), index(1, 1), index(5, 8)]);
    let blocks = Blocks::of_ip_pool(&pool);
    assert_eq!(blocks.per_node_exclusions, [index(0, 1), index(4, 9)]);
}

#[test]
fn scenario_1_two_nodes_of_a_16() {
    let blocks = Blocks::of_ip_pool(&ip_pool("192.168.0.0/16", 4, Some("192.168.0.1")));
    assert_eq!(dealt(&blocks, 2), ["192.168.0.1-192.168.0.4", "192.168.0.5-192.168.0.8"]);
    assert_eq!(blocks.count(), 16383);
}

#[test]
fn scenario_2_the_third_node_of_two_blocks_gets_none() {
    let blocks = Blocks::of_ip_pool(&ip_pool("10.0.0.0/24", 100, None));
    assert_eq!(dealt(&blocks, 3), ["10.0.0.1-10.0.0.100", "10.0.0.101-10.0.0.200", "none"]);
}

#[test]
fn scenario_4_no_block_is_the_gateway_alone() {
    let blocks = Blocks::of_ip_pool(&ip_pool("10.0.0.0/24", 1, Some("10.0.0.1")));
    assert_eq!(blocks.for_host(standalone(0, 1)).unwrap().range.to_string(), "10.0.0.2");
    assert_eq!(blocks.for_host(standalone(1, 2)).unwrap().range.to_string(), "10.0.0.2");
    assert_eq!(blocks.for_host(standalone(0, 2)).unwrap().range.to_string(), "10.0.0.3");
}

#[test]
fn scenario_13_blocks_of_an_ipv6_64() {
    let blocks = Blocks::of_ip_pool(&ip_pool("fd00::/64", 500, None));
    let first = |range: &String| range.split('-').next().unwrap().to_owned();
    let starts: Vec<_> = dealt(&blocks, 3).iter().map(first).collect();
    assert_eq!(starts, ["fd00::1", "fd00::1f5", "fd00::3e9"]);
}

#[test]
fn scenarios_13_and_14_a_pool_that_is_all_excluded_is_not_searched_block_by_block() {
    let mut pool = ip_pool("fd00::/64", 1, None);
    pool.exclusions = vec![range("fd00::", "fd00::ffff:ffff:ffff:ffff")];
    assert_eq!(Blocks::of_ip_pool(&pool).for_host(standalone(0, 1)), None);
    let mut pool = cidr_pool("fd00::/64", 128, None);
    // The very last of 2^64 prefixes has no number of 64 bits, and nobody will miss it.
    pool.exclusions = vec![range("fd00::", "fd00::ffff:ffff:ffff:fffd")];
    assert_eq!(dealt(&Blocks::of_cidr_pool(&pool, "n"), 1), ["fd00::ffff:ffff:ffff:fffe"]);
    pool.exclusions = Vec::new();
    pool.per_node_exclusions = vec![IndexRange { first: 0, last: 0 }];
    assert_eq!(Blocks::of_cidr_pool(&pool, "n").for_host(standalone(3, 7)), None);
}

#[test]
fn scenario_16_a_promised_prefix_is_dealt_to_its_node_only() {
    let mut pool = cidr_pool("fd00::/48", 64, Some(1));
    let promise = |node: Option<&str>, prefix: &str, gateway: Option<&str>| StaticAllocation {
        node: node.map(str::to_owned),
        gateway: gateway.map(ip),
        prefix: prefix.parse().unwrap(),
    };
    pool.static_allocations = vec![
        promise(None, "fd00::/64", None),
        promise(Some("b"), "FD00:0:0:1::/64", Some("fd00:0:0:1::fe")),
    ];
    let of_a = Blocks::of_cidr_pool(&pool, "a").for_host(standalone(0, 1)).unwrap();
    assert_eq!(of_a.network.to_string(), "fd00:0:0:2::/64");
    assert_eq!(of_a.gateway, Some(ip("fd00:0:0:2::1")));
    // Promised to it, so whatever number it has among the hosts.
    let of_b = Blocks::of_cidr_pool(&pool, "b").for_host(standalone(5, 9)).unwrap();
    assert_eq!(of_b.network.to_string(), "fd00:0:0:1::/64");
    assert_eq!(of_b.gateway, Some(ip("fd00:0:0:1::fe")));
}

#[test]
fn scenario_20_exclusions_that_overlap_are_their_union() {
    let mut pool = ip_pool("192.168.0.0/16", 100, Some("192.168.0.1"));
    pool.exclusions = vec![
        range("192.168.0.10", "192.168.0.20"),
        range("192.168.0.15", "192.168.0.16"),
        range("192.168.0.95", "192.168.0.105"),
    ];
    pool.per_node_exclusions = vec![IndexRange { first: 0, last: 10 }];
    let blocks = Blocks::of_ip_pool(&pool);
    let excluded = |index| -> Vec<String> {
        let block = blocks.block(index, Sharing::Shared).unwrap();
        block.exclusions.iter().map(ToString::to_string).collect()
    };
    assert_eq!(excluded(0), ["192.168.0.1-192.168.0.20", "192.168.0.95-192.168.0.100"]);
    assert_eq!(excluded(1), ["192.168.0.101-192.168.0.111"]);
    assert_eq!(excluded(2), ["192.168.0.201-192.168.0.211"]);
}

#[test]
fn scenario_22_gateway_and_exclusions_leave_nothing() {
    let mut pool = ip_pool("10.0.0.0/24", 4, Some("10.0.0.2"));
    pool.exclusions = vec![range("10.0.0.1", "10.0.0.1"), range("10.0.0.3", "10.0.0.4")];
    assert_eq!(dealt(&Blocks::of_ip_pool(&pool), 1), ["10.0.0.5-10.0.0.8"]);
}

#[test]
fn the_smallest_networks_have_no_network_address() {
    let all = |pool: &IpPool| {
        let blocks = Blocks::of_ip_pool(pool);
        let hosts = u32::try_from(blocks.count()).unwrap();
        dealt(&blocks, hosts)
    };
    assert_eq!(all(&ip_pool("10.0.0.4/31", 1, None)), ["10.0.0.4", "10.0.0.5"]);
    assert_eq!(all(&ip_pool("10.0.0.4/31", 2, None)), ["10.0.0.4-10.0.0.5"]);
    assert_eq!(all(&ip_pool("10.0.0.4/32", 1, None)), ["10.0.0.4"]);
    assert_eq!(all(&ip_pool("10.0.0.4/30", 2, None)), ["10.0.0.5-10.0.0.6"]);
    assert_eq!(all(&ip_pool("fd00::4/127", 1, None)), ["fd00::4", "fd00::5"]);
    assert_eq!(all(&ip_pool("fd00::4/128", 1, None)), ["fd00::4"]);
    assert_eq!(all(&ip_pool("fd00::4/126", 3, None)), ["fd00::5-fd00::7"]);
}

#[test]
fn prefixes_of_a_cidr_pool() {
    let pool = cidr_pool("10.0.0.0/24", 26, Some(1));
    let blocks = Blocks::of_cidr_pool(&pool, "n");
    let told: Vec<_> = (0..blocks.count())
        .map(|index| {
            let block = blocks.block(index, Sharing::Shared).unwrap();
            format!("{} {} {}", block.network, block.range, block.gateway.unwrap())
        })
        .collect();
    assert_eq!(
        told,
        [
            "10.0.0.0/26 10.0.0.1-10.0.0.62 10.0.0.1",
            "10.0.0.64/26 10.0.0.65-10.0.0.126 10.0.0.65",
            "10.0.0.128/26 10.0.0.129-10.0.0.190 10.0.0.129",
            "10.0.0.192/26 10.0.0.193-10.0.0.254 10.0.0.193",
        ]
    );
    let whole = Blocks::of_cidr_pool(&cidr_pool("10.0.0.0/24", 24, None), "n");
    assert_eq!(dealt(&whole, 2), ["10.0.0.1-10.0.0.254", "none"]);
    let pairs = Blocks::of_cidr_pool(&cidr_pool("10.0.0.0/30", 31, Some(0)), "n");
    assert_eq!(dealt(&pairs, 2), ["10.0.0.0-10.0.0.1", "10.0.0.2-10.0.0.3"]);
}

#[test]
fn exclusions_of_a_cidr_pool_count_from_the_network_address() {
    let mut pool = cidr_pool("10.0.0.0/24", 26, None);
    pool.per_node_exclusions = vec![IndexRange { first: 1, last: 2 }];
    let block = Blocks::of_cidr_pool(&pool, "n").block(1, Sharing::Shared).unwrap();
    assert_eq!(block.exclusions, [range("10.0.0.65", "10.0.0.66")]);
}

#[test]
fn one_host_may_name_any_address_of_its_pool() {
    let blocks = Blocks::of_ip_pool(&ip_pool("10.0.0.0/24", 4, None));
    let static_range =
        |hosts| blocks.for_host(standalone(0, hosts)).unwrap().static_range.to_string();
    assert_eq!(static_range(1), "10.0.0.1-10.0.0.254");
    assert_eq!(static_range(2), "10.0.0.1-10.0.0.4");
}

#[test]
fn a_host_beyond_their_number_gets_none() {
    let blocks = Blocks::of_ip_pool(&ip_pool("10.0.0.0/24", 4, None));
    assert_eq!(blocks.for_host(standalone(2, 2)), None);
    assert_eq!(blocks.for_host(standalone(0, 0)), None);
}

#[test]
fn an_edited_pool_keeps_a_block_or_says_what_it_means_now() {
    let mut pool = ip_pool("10.0.0.0/24", 4, Some("10.0.0.1"));
    let block = Blocks::of_ip_pool(&pool).block(1, Sharing::Shared).unwrap();
    pool.gateway = Some(ip("10.0.0.254"));
    pool.default_gateway = true;
    pool.exclusions = vec![range("10.0.0.6", "10.0.0.6")];
    let Kept::Same(kept) = Blocks::of_ip_pool(&pool).keep(&block, Sharing::Shared) else {
        panic!("gateway and exclusions do not renumber");
    };
    assert_eq!((kept.range, kept.gateway), (block.range, pool.gateway));
    assert!(kept.default_gateway && kept.exclusions == pool.exclusions);

    pool.per_node_block_size = NonZeroU32::new(8).unwrap();
    assert_eq!(
        Blocks::of_ip_pool(&pool).keep(&block, Sharing::Shared),
        Kept::Renumbered { now: Some(range("10.0.0.9", "10.0.0.16")) }
    );
    pool.per_node_block_size = NonZeroU32::new(200).unwrap();
    assert_eq!(
        Blocks::of_ip_pool(&pool).keep(&block, Sharing::Shared),
        Kept::Renumbered { now: None }
    );
    let wider = ip_pool("10.0.0.0/23", 4, None);
    assert_eq!(
        Blocks::of_ip_pool(&wider).keep(&block, Sharing::Shared),
        Kept::Renumbered { now: Some(block.range) },
        "the mask of pods that run would differ from that of new ones"
    );
}

#[test]
fn every_prefix_length_of_both_families_has_sane_blocks() {
    let v4 = (1..=32).map(|prefix| (IpAddr::from([128, 0, 0, 0]), prefix));
    let v6 = (1..=128).map(|prefix| (ip("8000::"), prefix));
    for (network, prefix) in v4.chain(v6) {
        let subnet = IpNetwork::new(network, prefix).unwrap();
        for size in [1, 2, 3, 1000, u32::MAX] {
            let pool = IpPool { subnet, ..ip_pool("10.0.0.0/8", size, None) };
            let blocks = Blocks::of_ip_pool(&pool);
            for index in [0, 1, blocks.count().saturating_sub(1), blocks.count()] {
                let block = blocks.block(index, Sharing::Alone);
                assert_eq!(block.is_some(), index < blocks.count(), "{subnet} {size} {index}");
                if let Some(block) = block {
                    // The format's own rules hold.
                    let text = serde_json::to_string(&block).unwrap();
                    assert_eq!(serde_json::from_str::<NodeBlock>(&text).unwrap(), block);
                }
            }
        }
    }
}

fn any_pool() -> impl Strategy<Value = IpPool> {
    let exclusions = proptest::collection::vec((0u8..=255, 0u8..40), 0..6);
    let per_node = proptest::collection::vec((0u32..12, 0u32..6), 0..3);
    (24u8..=32, 1u32..40, proptest::option::of(0u8..=255), exclusions, per_node).prop_map(
        |(prefix, size, gateway, exclusions, per_node)| {
            let address = |octet: u8| IpAddr::from([10, 0, 0, octet]);
            IpPool {
                subnet: IpNetwork::new(address(0), prefix).unwrap(),
                gateway: gateway.map(address),
                exclusions: exclusions
                    .into_iter()
                    .filter_map(|(first, more)| {
                        AddressRange::new(address(first), address(first.saturating_add(more)))
                    })
                    .collect(),
                per_node_exclusions: per_node
                    .into_iter()
                    .map(|(first, more)| IndexRange { first, last: first + more })
                    .collect(),
                ..ip_pool("10.0.0.0/24", size, None)
            }
        },
    )
}

/// What a block gives out, address by address.
fn gives(block: &NodeBlock) -> Vec<u128> {
    let withheld = |address: u128| {
        let inside = |range: &AddressRange| {
            (number(range.first())..=number(range.last())).contains(&address)
        };
        block.exclusions.iter().any(inside) || block.gateway.map(number) == Some(address)
    };
    (number(block.range.first())..=number(block.range.last()))
        .filter(|address| !withheld(*address))
        .collect()
}

proptest! {
    #[test]
    fn blocks_are_disjoint_inside_the_subnet_and_numbered_as_nv_ipam_does(pool in any_pool()) {
        let blocks = Blocks::of_ip_pool(&pool);
        let mut seen: BTreeMap<u128, u64> = BTreeMap::new();
        let first = number(hosts(pool.subnet).first());
        let broadcast = number(pool.subnet.broadcast());
        for index in 0..blocks.count() {
            let Some(block) = blocks.block(index, Sharing::Shared) else { continue };
            let size = u128::from(pool.per_node_block_size.get());
            prop_assert_eq!(number(block.range.first()), first + u128::from(index) * size);
            prop_assert_eq!(block.range.len_minus_one() + 1, size);
            prop_assert!(pool.subnet.prefix() >= 31 || number(block.range.last()) < broadcast);
            prop_assert!(!gives(&block).is_empty());
            for address in gives(&block) {
                prop_assert!(pool.subnet.contains(block.range.first()));
                prop_assert_eq!(seen.insert(address, index), None);
                let excluded = pool.exclusions.iter().any(|range| {
                    (number(range.first())..=number(range.last())).contains(&address)
                });
                prop_assert!(!excluded);
            }
        }
    }

    #[test]
    fn a_host_gets_the_first_usable_of_its_numbers(
        pool in any_pool(),
        host in 0u32..6,
        hosts in 1u32..6,
    ) {
        let blocks = Blocks::of_ip_pool(&pool);
        let sharing = if hosts == 1 { Sharing::Alone } else { Sharing::Shared };
        let expected = (0..blocks.count())
            .filter(|index| host < hosts && index % u64::from(hosts) == u64::from(host))
            .find_map(|index| blocks.block(index, sharing));
        prop_assert_eq!(blocks.for_host(standalone(host, hosts)), expected);
    }

    #[test]
    fn a_host_gets_the_first_usable_prefix_of_its_numbers(
        prefix in 24u8..=32,
        gateway in proptest::option::of(0u32..4),
        pool in any_pool(),
        reserved in proptest::collection::btree_set(0u8..16, 0..4),
        host in 0u32..4,
        hosts in 1u32..4,
    ) {
        let step = 1u32 << (32 - prefix);
        let cidr = CidrPool {
            exclusions: pool.exclusions,
            per_node_exclusions: pool.per_node_exclusions,
            static_allocations: reserved
                .into_iter()
                .filter_map(|number| {
                    let octet = u8::try_from(u32::from(number) * step).ok()?;
                    let prefix = IpNetwork::new(IpAddr::from([10, 0, 0, octet]), prefix).ok()?;
                    Some(StaticAllocation { node: None, gateway: None, prefix })
                })
                .collect(),
            ..cidr_pool("10.0.0.0/24", prefix, gateway.filter(|index| *index < step))
        };
        let blocks = Blocks::of_cidr_pool(&cidr, "n");
        let sharing = if hosts == 1 { Sharing::Alone } else { Sharing::Shared };
        let expected = (0..blocks.count())
            .filter(|index| host < hosts && index % u64::from(hosts) == u64::from(host))
            .find_map(|index| blocks.block(index, sharing));
        prop_assert_eq!(blocks.for_host(standalone(host, hosts)), expected);
    }

    #[test]
    fn a_block_exists_exactly_when_something_is_left(pool in any_pool(), index in 0u64..300) {
        let blocks = Blocks::of_ip_pool(&pool);
        if index < blocks.count() {
            let bare = IpPool { exclusions: vec![], per_node_exclusions: vec![], gateway: None, ..pool.clone() };
            let span = Blocks::of_ip_pool(&bare).block(index, Sharing::Shared).unwrap();
            let full = NodeBlock {
                exclusions: blocks.excluded(span.range, span.range),
                gateway: pool.gateway,
                ..span
            };
            prop_assert_eq!(blocks.block(index, Sharing::Shared).is_some(), !gives(&full).is_empty());
        }
    }
}
