//! The numbering of blocks, the scenarios that name one, and what holds for every pool.

use std::num::NonZeroU32;

use conf::pool::StaticAllocation;

use super::*;
use crate::specimen::{self, ip};

mod model;

fn range(first: &str, last: &str) -> AddressRange {
    AddressRange::new(ip(first), ip(last)).unwrap()
}

fn ip_pool(subnet: &str, size: u32, gateway: Option<&str>) -> IpPool {
    IpPool { gateway: gateway.map(ip), ..specimen::ip_pool(subnet, size) }
}

fn cidr_pool(cidr: &str, prefix: u8, gateway_index: Option<u32>) -> CidrPool {
    CidrPool { gateway_index, ..specimen::cidr_pool(cidr, prefix) }
}

fn promise(node: Option<&str>, prefix: &str, gateway: Option<&str>) -> StaticAllocation {
    StaticAllocation {
        node: node.map(str::to_owned),
        gateway: gateway.map(ip),
        prefix: prefix.parse().unwrap(),
    }
}

/// How many blocks there are.
fn count(blocks: &Blocks) -> u128 {
    blocks.last().map_or(0, |last| last + 1)
}

fn node(name: &str) -> NodeName {
    name.parse().unwrap()
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
    let blocks = Blocks::of_ip_pool(&pool, &node("n"));
    assert_eq!(blocks.per_node_exclusions, [(0, 1), (4, 9)]);
}

#[test]
fn scenario_1_two_nodes_of_a_16() {
    let blocks = Blocks::of_ip_pool(&ip_pool("192.168.0.0/16", 4, Some("192.168.0.1")), &node("n"));
    assert_eq!(dealt(&blocks, 2), ["192.168.0.1-192.168.0.4", "192.168.0.5-192.168.0.8"]);
    assert_eq!(count(&blocks), 16383);
}

#[test]
fn scenario_2_the_third_node_of_two_blocks_gets_none() {
    let blocks = Blocks::of_ip_pool(&ip_pool("10.0.0.0/24", 100, None), &node("n"));
    assert_eq!(dealt(&blocks, 3), ["10.0.0.1-10.0.0.100", "10.0.0.101-10.0.0.200", "none"]);
}

#[test]
fn scenario_4_no_block_is_the_gateway_alone() {
    let blocks = Blocks::of_ip_pool(&ip_pool("10.0.0.0/24", 1, Some("10.0.0.1")), &node("n"));
    assert_eq!(blocks.for_host(standalone(0, 1)).unwrap().range.to_string(), "10.0.0.2");
    assert_eq!(blocks.for_host(standalone(1, 2)).unwrap().range.to_string(), "10.0.0.2");
    assert_eq!(blocks.for_host(standalone(0, 2)).unwrap().range.to_string(), "10.0.0.3");
}

#[test]
fn scenario_13_blocks_of_an_ipv6_64() {
    let blocks = Blocks::of_ip_pool(&ip_pool("fd00::/64", 500, None), &node("n"));
    let first = |range: &String| range.split('-').next().unwrap().to_owned();
    let starts: Vec<_> = dealt(&blocks, 3).iter().map(first).collect();
    assert_eq!(starts, ["fd00::1", "fd00::1f5", "fd00::3e9"]);
}

#[test]
fn scenarios_13_and_14_a_pool_that_is_all_excluded_is_not_searched_block_by_block() {
    let mut pool = ip_pool("fd00::/64", 1, None);
    pool.exclusions = vec![range("fd00::", "fd00::ffff:ffff:ffff:ffff")];
    assert_eq!(Blocks::of_ip_pool(&pool, &node("n")).for_host(standalone(0, 1)), None);
    let mut pool = cidr_pool("fd00::/64", 128, None);
    pool.exclusions = vec![range("fd00::", "fd00::ffff:ffff:ffff:fffe")];
    let last = "fd00::ffff:ffff:ffff:ffff";
    assert_eq!(dealt(&Blocks::of_cidr_pool(&pool, &node("n")), 1), [last]);
    pool.exclusions.push(range(last, last));
    assert_eq!(dealt(&Blocks::of_cidr_pool(&pool, &node("n")), 1), ["none"]);
    pool.exclusions = Vec::new();
    pool.per_node_exclusions = vec![IndexRange { first: 0, last: 0 }];
    assert_eq!(Blocks::of_cidr_pool(&pool, &node("n")).for_host(standalone(3, 7)), None);
}

#[test]
fn scenario_16_a_promised_prefix_is_dealt_to_its_node_only() {
    let mut pool = cidr_pool("fd00::/48", 64, Some(1));
    pool.static_allocations = vec![
        promise(None, "fd00::/64", None),
        promise(Some("b"), "FD00:0:0:1::/64", Some("fd00:0:0:1::fe")),
    ];
    let of_a = Blocks::of_cidr_pool(&pool, &node("a")).for_host(standalone(0, 1)).unwrap();
    assert_eq!(of_a.network.to_string(), "fd00:0:0:2::/64");
    assert_eq!(of_a.gateway, Some(ip("fd00:0:0:2::1")));
    // Promised to it, so whatever number it has among the hosts.
    let of_b = Blocks::of_cidr_pool(&pool, &node("b")).for_host(standalone(5, 9)).unwrap();
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
    let blocks = Blocks::of_ip_pool(&pool, &node("n"));
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
    assert_eq!(dealt(&Blocks::of_ip_pool(&pool, &node("n")), 1), ["10.0.0.5-10.0.0.8"]);
}

#[test]
fn the_smallest_networks_have_no_network_address() {
    let all = |pool: &IpPool| {
        let blocks = Blocks::of_ip_pool(pool, &node("n"));
        let hosts = u32::try_from(count(&blocks)).unwrap();
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
    let blocks = Blocks::of_cidr_pool(&pool, &node("n"));
    let told: Vec<_> = (0..count(&blocks))
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
    let whole = Blocks::of_cidr_pool(&cidr_pool("10.0.0.0/24", 24, None), &node("n"));
    assert_eq!(dealt(&whole, 2), ["10.0.0.1-10.0.0.254", "none"]);
    let pairs = Blocks::of_cidr_pool(&cidr_pool("10.0.0.0/30", 31, Some(0)), &node("n"));
    assert_eq!(dealt(&pairs, 2), ["10.0.0.0-10.0.0.1", "10.0.0.2-10.0.0.3"]);
}

#[test]
fn exclusions_of_a_cidr_pool_count_from_the_network_address() {
    let mut pool = cidr_pool("10.0.0.0/24", 26, None);
    pool.per_node_exclusions = vec![IndexRange { first: 1, last: 2 }];
    let block = Blocks::of_cidr_pool(&pool, &node("n")).block(1, Sharing::Shared).unwrap();
    assert_eq!(block.exclusions, [range("10.0.0.65", "10.0.0.66")]);
}

#[test]
fn one_host_may_name_any_address_of_its_pool() {
    let blocks = Blocks::of_ip_pool(&ip_pool("10.0.0.0/24", 4, None), &node("n"));
    let static_range =
        |hosts| blocks.for_host(standalone(0, hosts)).unwrap().static_range.to_string();
    assert_eq!(static_range(1), "10.0.0.1-10.0.0.254");
    assert_eq!(static_range(2), "10.0.0.1-10.0.0.4");
}

fn allocation(to: &str, first: &str, last: &str) -> Allocation {
    Allocation { node: node(to), range: range(first, last) }
}

#[test]
fn a_block_that_the_node_has_by_status_comes_before_its_number() {
    let mut pool = ip_pool("10.0.0.0/24", 4, None);
    pool.allocations = vec![
        allocation("other", "10.0.0.1", "10.0.0.4"),
        allocation("n", "10.0.0.41", "10.0.0.44"),
    ];
    let of_n = Blocks::of_ip_pool(&pool, &node("n"));
    assert_eq!(of_n.for_host(standalone(1, 2)).unwrap().index, 10);
    let of_other = Blocks::of_ip_pool(&pool, &node("other"));
    assert_eq!(of_other.for_host(standalone(1, 2)).unwrap().index, 0);
    // Blocks of others are not dealt, whoever's number they have.
    let of_third = Blocks::of_ip_pool(&pool, &node("third"));
    assert_eq!(of_third.for_host(standalone(0, 10)).unwrap().index, 20);
    assert_eq!(
        (of_third.block(0, Sharing::Shared), of_third.block(10, Sharing::Shared)),
        (None, None)
    );
    // One that holds nothing by now is not gone on with, and still nobody else's.
    pool.exclusions = vec![range("10.0.0.41", "10.0.0.44")];
    let of_n = Blocks::of_ip_pool(&pool, &node("n"));
    assert_eq!((of_n.adopted(), of_n.for_host(standalone(0, 1)).unwrap().index), (None, 1));
}

#[test]
fn what_the_spec_promises_counts_for_more_than_what_the_status_says() {
    let mut pool = cidr_pool("10.0.0.0/24", 28, None);
    pool.allocations = vec![
        allocation("a", "10.0.0.16", "10.0.0.31"),
        allocation("b", "10.0.0.32", "10.0.0.47"),
        allocation("c", "10.0.0.48", "10.0.0.63"),
    ];
    pool.static_allocations =
        vec![promise(Some("a"), "10.0.0.32/28", None), promise(None, "10.0.0.48/28", None)];
    let index = |name: &str| {
        let blocks = Blocks::of_cidr_pool(&pool, &node(name));
        blocks.for_host(standalone(0, 1)).unwrap().index
    };
    // To `c` and `b` the blocks of `a`, old and new, are another's.
    assert_eq!((index("a"), index("b"), index("c")), (2, 0, 0));
}

#[test]
fn a_host_beyond_their_number_gets_none() {
    let blocks = Blocks::of_ip_pool(&ip_pool("10.0.0.0/24", 4, None), &node("n"));
    assert_eq!(blocks.for_host(standalone(2, 2)), None);
    assert_eq!(blocks.for_host(standalone(0, 0)), None);
}

#[test]
fn an_edited_pool_keeps_a_block_or_says_what_it_means_now() {
    let mut pool = ip_pool("10.0.0.0/24", 4, Some("10.0.0.1"));
    let block = Blocks::of_ip_pool(&pool, &node("n")).block(1, Sharing::Shared).unwrap();
    pool.gateway = Some(ip("10.0.0.254"));
    pool.default_gateway = true;
    pool.exclusions = vec![range("10.0.0.6", "10.0.0.6")];
    let Kept::Same(kept) = Blocks::of_ip_pool(&pool, &node("n")).keep(&block, Sharing::Shared)
    else {
        panic!("gateway and exclusions do not renumber");
    };
    assert_eq!((kept.range, kept.gateway), (block.range, pool.gateway));
    assert!(kept.default_gateway && kept.exclusions == pool.exclusions);

    pool.per_node_block_size = NonZeroU32::new(8).unwrap();
    assert_eq!(
        Blocks::of_ip_pool(&pool, &node("n")).keep(&block, Sharing::Shared),
        Kept::Renumbered { now: Some(range("10.0.0.9", "10.0.0.16")) }
    );
    pool.per_node_block_size = NonZeroU32::new(200).unwrap();
    assert_eq!(
        Blocks::of_ip_pool(&pool, &node("n")).keep(&block, Sharing::Shared),
        Kept::Renumbered { now: None }
    );
    let wider = ip_pool("10.0.0.0/23", 4, None);
    assert_eq!(
        Blocks::of_ip_pool(&wider, &node("n")).keep(&block, Sharing::Shared),
        Kept::Renumbered { now: Some(block.range) },
        "the mask of pods that run would differ from that of new ones"
    );
}

/// A number has 128 bits, as an address has.
#[test]
fn no_prefix_is_beyond_numbering() {
    let mut pool = cidr_pool("fd00::/16", 128, None);
    pool.static_allocations = vec![promise(Some("n"), "fd00:ffff::1/128", None)];
    let block = Blocks::of_cidr_pool(&pool, &node("n")).for_host(standalone(0, 1)).unwrap();
    assert_eq!((block.range.to_string(), block.index), ("fd00:ffff::1".into(), (0xffff << 96) + 1));
    let text = serde_json::to_string(&block).unwrap();
    assert_eq!(serde_json::from_str::<NodeBlock>(&text).unwrap(), block);

    let all = Blocks::of_cidr_pool(&cidr_pool("::/0", 128, None), &node("n"));
    assert_eq!(all.last(), Some(u128::MAX));
    let last = all.block(u128::MAX, Sharing::Shared).unwrap();
    assert_eq!(last.range.to_string(), "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff");
    let halves = Blocks::of_cidr_pool(&cidr_pool("::/0", 1, Some(1)), &node("n"));
    assert_eq!(halves.block(1, Sharing::Shared).unwrap().gateway, Some(ip("8000::1")));
    assert_eq!(halves.block(2, Sharing::Shared), None);
}

#[test]
fn every_prefix_length_of_both_families_has_sane_blocks() {
    let v4 = (1..=32).map(|prefix| (IpAddr::from([128, 0, 0, 0]), prefix));
    let v6 = (1..=128).map(|prefix| (ip("8000::"), prefix));
    for (network, prefix) in v4.chain(v6) {
        let subnet = IpNetwork::new(network, prefix).unwrap();
        for size in [1, 2, 3, 1000, u32::MAX] {
            let pool = IpPool { subnet, ..ip_pool("10.0.0.0/8", size, None) };
            let blocks = Blocks::of_ip_pool(&pool, &node("n"));
            let last = blocks.last();
            for index in [0, 1, last.unwrap_or(0), last.map_or(2, |last| last + 1)] {
                let block = blocks.block(index, Sharing::Alone);
                let exists = last.is_some_and(|last| index <= last);
                assert_eq!(block.is_some(), exists, "{subnet} {size} {index}");
                if let Some(block) = block {
                    // The format's own rules hold.
                    let text = serde_json::to_string(&block).unwrap();
                    assert_eq!(serde_json::from_str::<NodeBlock>(&text).unwrap(), block);
                }
            }
        }
    }
}
