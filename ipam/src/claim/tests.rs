//! Whole fleets of nodes against an arbiter in memory.

use std::collections::{BTreeMap, BTreeSet};

use conf::AddressRange;
use conf::address::advance;
use conf::block::{PoolKind, PoolRef};
use conf::pool::{Allocation, IpPool, StaticAllocation};

use super::*;
use crate::specimen::{cidr_pool, ip_pool};

mod fleet;
mod load;
mod races;

use fleet::{Arbiter, Fleet, node};

#[test]
fn the_first_node_records_what_the_numbers_mean_and_the_others_compare() {
    let mut arbiter = Arbiter::default();
    let pool = ip_pool("10.0.0.0/24", 4);
    arbiter.claim(&Blocks::of_ip_pool(&pool, &node(0)), &node(0));
    let recorded = arbiter.geometry.clone().unwrap();
    assert_eq!(recorded, PoolGeometry::of_ip_pool(&pool));

    let edited = Blocks::of_ip_pool(&ip_pool("10.0.0.0/24", 8), &node(1));
    let found = arbiter.claim(&edited, &node(1));
    assert_eq!(found, Found::OtherGeometry { recorded });
    assert_eq!(arbiter.blocks.len(), 1, "nothing was claimed by other numbers");

    let grown = Blocks::of_ip_pool(&ip_pool("10.0.0.0/23", 4), &node(2));
    assert!(matches!(arbiter.claim(&grown, &node(2)), Found::Held { .. }));
}

#[test]
fn a_node_keeps_the_block_that_it_has() {
    let mut arbiter = Arbiter::default();
    let pool = ip_pool("10.0.0.0/16", 4);
    let blocks = Blocks::of_ip_pool(&pool, &node(7));
    let first = arbiter.claim(&blocks, &node(7));
    let creates = arbiter.creates;
    assert_eq!(arbiter.claim(&blocks, &node(7)), first);
    assert_eq!(arbiter.creates, creates, "nothing is asked for twice");
    // A machine that was set up anew under the same name, and a pool with other exclusions.
    let mut edited = pool;
    edited.gateway = advance(edited.subnet.ip(), 1);
    edited.per_node_exclusions = vec![conf::pool::IndexRange { first: 0, last: 0 }];
    assert_eq!(arbiter.claim(&Blocks::of_ip_pool(&edited, &node(7)), &node(7)), first);
    // One that was excluded since is better than none.
    edited.exclusions = vec![AddressRange::hosts_of(edited.subnet)];
    assert_eq!(arbiter.claim(&Blocks::of_ip_pool(&edited, &node(7)), &node(7)), first);
}

/// The node was killed between a record and the note that it has it, and others were made then.
#[test]
fn of_two_blocks_one_is_kept_and_the_other_told() {
    let mut arbiter = Arbiter::default();
    let blocks = Blocks::of_ip_pool(&ip_pool("10.0.0.0/24", 4), &node(0));
    for (index, owner) in [(9, 0), (3, 0), (5, 1)] {
        arbiter.record(index, &node(owner));
    }
    let found = arbiter.claim(&blocks, &node(0));
    assert_eq!(found, Found::Held { index: 3, surplus: vec![9] });
}

#[test]
fn a_pool_without_a_usable_block_ends_at_once() {
    for (subnet, excluded) in [("10.0.0.0/24", "10.0.0.0/24"), ("fd00::/64", "fd00::/64")] {
        let mut pool = ip_pool(subnet, 1);
        pool.exclusions = vec![AddressRange::of_network(excluded.parse().unwrap())];
        let mut arbiter = Arbiter::default();
        let found = arbiter.claim(&Blocks::of_ip_pool(&pool, &node(0)), &node(0));
        assert_eq!((found, arbiter.creates, arbiter.lists), (Found::NoFree, 0, 0));
    }
}

/// 2^64 - 6 of 2^64 blocks are excluded; hashing over all of them would never meet the rest.
#[test]
fn the_few_usable_blocks_of_a_vast_pool_are_found() {
    let mut pool = ip_pool("fd00::/64", 1);
    let range = |first: &str, last: &str| {
        AddressRange::new(first.parse().unwrap(), last.parse().unwrap()).unwrap()
    };
    pool.exclusions = vec![
        range("fd00::", "fd00::ffff"),
        range("fd00::1:0003", "fd00::8000:0:0:0"),
        range("fd00::8000:0:0:4", "fd00::ffff:ffff:ffff:ffff"),
    ];
    let mut arbiter = Arbiter::default();
    let found: BTreeSet<String> = (0..6)
        .map(|at| match arbiter.claim(&Blocks::of_ip_pool(&pool, &node(at)), &node(at)) {
            Found::Held { index, .. } => advance(pool.subnet.ip(), index + 1).unwrap().to_string(),
            other => panic!("{other:?}"),
        })
        .collect();
    let expected = [
        "fd00::1:0",
        "fd00::1:1",
        "fd00::1:2",
        "fd00::8000:0:0:1",
        "fd00::8000:0:0:2",
        "fd00::8000:0:0:3",
    ];
    assert_eq!(found, expected.map(str::to_owned).into());
    assert_eq!(arbiter.claim(&Blocks::of_ip_pool(&pool, &node(6)), &node(6)), Found::NoFree);
    assert!(arbiter.creates <= 6 * u64::from(TRIES) + 6, "{}", arbiter.creates);
}

/// The node is gone, and its record stays for the grace: whoever comes gets another block.
#[test]
fn scenario_26_a_block_that_is_given_up_waits_for_its_record_to_go() {
    let mut arbiter = Arbiter::default();
    let pool = ip_pool("10.0.0.0/29", 2);
    let claim = |arbiter: &mut Arbiter, at: u32| {
        arbiter.claim(&Blocks::of_ip_pool(&pool, &node(at)), &node(at))
    };
    let Found::Held { index: left, .. } = claim(&mut arbiter, 0) else { panic!("there are 3") };
    for at in [1, 2] {
        assert!(matches!(claim(&mut arbiter, at), Found::Held { index, .. } if index != left));
    }
    assert_eq!(claim(&mut arbiter, 3), Found::NoFree);
    // The one who left finds it as it was, as long as nobody removed the record.
    assert!(matches!(claim(&mut arbiter, 0), Found::Held { index, .. } if index == left));
    arbiter.forget(left);
    assert!(matches!(claim(&mut arbiter, 3), Found::Held { index, .. } if index == left));
}

/// Scenario 14: /128s of a /64.
#[test]
fn scenario_14_five_nodes_of_2_to_the_64_prefixes() {
    let pool = cidr_pool("fd00::/64", 128);
    let mut arbiter = Arbiter::default();
    for at in 0..5 {
        let found = arbiter.claim(&Blocks::of_cidr_pool(&pool, &node(at)), &node(at));
        assert!(matches!(found, Found::Held { .. }));
    }
    assert_eq!((arbiter.blocks.len(), arbiter.creates, arbiter.lists), (5, 5, 0));
}

/// Scenarios 15 and 16: a promised prefix is dealt to the node that it is promised to.
#[test]
fn scenario_15_a_promise_comes_first() {
    let mut pool = cidr_pool("10.0.0.0/24", 28);
    let promise = |node: Option<&str>, prefix: &str| StaticAllocation {
        node: node.map(str::to_owned),
        gateway: None,
        prefix: prefix.parse().unwrap(),
    };
    pool.static_allocations =
        vec![promise(None, "10.0.0.0/28"), promise(Some("node-00003"), "10.0.0.32/28")];
    let mut arbiter = Arbiter::default();
    let mut held = BTreeMap::new();
    for at in 0..14 {
        let blocks = Blocks::of_cidr_pool(&pool, &node(at));
        if at != 3 {
            held.insert(at, arbiter.claim(&blocks, &node(at)));
        }
    }
    // All but the two are taken; the promise waits.
    let promised = Blocks::of_cidr_pool(&pool, &node(3));
    assert_eq!(arbiter.claim(&promised, &node(3)), Found::Held { index: 2, surplus: vec![] });
    let of_others = held.values().filter(|found| matches!(found, Found::Held { .. })).count();
    assert_eq!(of_others, 13);
    assert!(!arbiter.blocks.contains_key(&0), "a prefix that is promised to nobody is nobody's");
    let fourteenth = arbiter.claim(&Blocks::of_cidr_pool(&pool, &node(14)), &node(14));
    assert!(matches!(fourteenth, Found::Held { .. }), "{fourteenth:?}");
    assert_eq!(arbiter.claim(&Blocks::of_cidr_pool(&pool, &node(15)), &node(15)), Found::NoFree);

    // A promise that is made while another node has the prefix waits for that node.
    pool.static_allocations.push(promise(Some("node-00015"), "10.0.0.48/28"));
    let late = Blocks::of_cidr_pool(&pool, &node(15));
    assert_eq!(arbiter.claim(&late, &node(15)), Found::PromisedIsTaken { index: 3 });
    arbiter.forget(3);
    assert_eq!(arbiter.claim(&late, &node(15)), Found::Held { index: 3, surplus: vec![] });
}

/// Nodes that come from nv-ipam go on with what they had, whoever of them comes first.
#[test]
fn what_status_says_is_adopted_and_left_to_the_others() {
    let mut pool = ip_pool("10.0.0.0/26", 4);
    let block = |at: u32| {
        AddressRange::new(
            advance(pool.subnet.ip(), u128::from(1 + at * 4)).unwrap(),
            advance(pool.subnet.ip(), u128::from(4 + at * 4)).unwrap(),
        )
    };
    pool.allocations =
        (0..10).map(|at| Allocation { node: node(at), range: block(at).unwrap() }).collect();
    let mut arbiter = Arbiter::default();
    for at in (0..15).rev() {
        let blocks = Blocks::of_ip_pool(&pool, &node(at));
        let found = arbiter.claim(&blocks, &node(at));
        match found {
            Found::Held { index, .. } if at < 10 => assert_eq!(index, u128::from(at)),
            Found::Held { index, .. } => assert!(index >= 10, "{at} took {index}"),
            other => panic!("{at}: {other:?}"),
        }
    }
    assert_eq!(arbiter.claim(&Blocks::of_ip_pool(&pool, &node(15)), &node(15)), Found::NoFree);
}

/// The status is a report: where it was overtaken, the records count.
#[test]
fn an_adopted_block_that_somebody_has_by_now_is_not_insisted_on() {
    let mut pool = ip_pool("10.0.0.0/28", 4);
    let range = AddressRange::new("10.0.0.5".parse().unwrap(), "10.0.0.8".parse().unwrap());
    pool.allocations = vec![Allocation { node: node(0), range: range.unwrap() }];
    let mut arbiter = Arbiter::default();
    arbiter.record(1, &node(9));
    let mut held = BTreeSet::new();
    let blocks = Blocks::of_ip_pool(&pool, &node(0));
    if let Found::Held { index, .. } = arbiter.claim(&blocks, &node(0)) {
        held.insert(index);
    }
    assert!(held.len() == 1 && !held.contains(&1), "{held:?}");
}

/// It then looks through the pool as if it had never had one.
#[test]
fn an_adopted_block_that_somebody_has_by_now_is_no_step_of_the_order() {
    for at in 0..20 {
        let mut pool = ip_pool("10.0.0.0/24", 4);
        let found = |pool: &IpPool| {
            let mut arbiter = Arbiter::default();
            arbiter.record(1, &node(99));
            arbiter.claim(&Blocks::of_ip_pool(pool, &node(at)), &node(at))
        };
        let without = found(&pool);
        let range = AddressRange::new("10.0.0.5".parse().unwrap(), "10.0.0.8".parse().unwrap());
        pool.allocations = vec![Allocation { node: node(at), range: range.unwrap() }];
        assert_eq!(found(&pool), without);
    }
}

/// Excluded since: the node gets another, as it would from nv-ipam.
#[test]
fn an_adopted_block_that_holds_nothing_is_not_claimed() {
    let mut pool = ip_pool("10.0.0.0/28", 4);
    let range = AddressRange::new("10.0.0.5".parse().unwrap(), "10.0.0.8".parse().unwrap());
    pool.allocations = vec![Allocation { node: node(0), range: range.unwrap() }];
    pool.exclusions = vec![range.unwrap()];
    let blocks = Blocks::of_ip_pool(&pool, &node(0));
    assert_eq!(blocks.adopted(), None);
    let mut arbiter = Arbiter::default();
    assert!(matches!(arbiter.claim(&blocks, &node(0)), Found::Held { index: 0 | 2, .. }));
}

/// The two kinds have name spaces of their own, and choose apart.
#[test]
fn scenario_25_one_name_two_kinds() {
    let of = |pool: &str| {
        let pool: PoolRef = pool.parse().unwrap();
        hash(Use::Start, &pool, &node(0))
    };
    assert_ne!(of("ippool/blue"), of("cidrpool/blue"));
    let ip = PoolGeometry::of_ip_pool(&ip_pool("10.0.0.0/24", 4));
    let cidr = PoolGeometry::of_cidr_pool(&cidr_pool("10.0.0.0/24", 28));
    assert_eq!((ip.pool.kind, cidr.pool.kind), (PoolKind::IpPool, PoolKind::CidrPool));
    assert_ne!(ip.size, cidr.size);
}
