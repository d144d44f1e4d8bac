//! What a claim costs in a pool that is so and so full.

use super::*;

/// Blocks of one address: `count` of them.
fn pool_of(count: u32) -> IpPool {
    let mut pool = ip_pool("10.0.0.0/8", 1);
    // What is behind them is excluded, so that the pool may have any number of blocks.
    let first = advance(pool.subnet.ip(), u128::from(count) + 1).unwrap();
    let last = AddressRange::of_network(pool.subnet).last();
    pool.exclusions = vec![AddressRange::new(first, last).unwrap()];
    pool
}

/// Scenario 23, as far as it needs no API server: 10,000 nodes, at every load.
#[test]
fn scenario_23_ten_thousand_nodes_get_blocks_of_their_own() {
    const NODES: u32 = 10_000;
    // Blocks, and the most records and lists that a node may ask for on average.
    for (blocks, records, lists) in [
        (NODES * 100, 1.02, 0.0),
        (NODES * 2, 1.45, 0.003),
        (NODES * 100 / 90, 2.4, 0.06),
        (NODES * 100 / 99, 2.9, 0.11),
        (NODES, 3.0, 0.12),
    ] {
        let pool = pool_of(blocks);
        let mut arbiter = Arbiter::default();
        for at in 0..NODES {
            let found = arbiter.claim(&Blocks::of_ip_pool(&pool, &node(at)), &node(at));
            assert!(matches!(found, Found::Held { .. }), "{at} of {blocks}: {found:?}");
        }
        assert_eq!(arbiter.blocks.len(), NODES as usize);
        assert!(*arbiter.blocks.keys().max().unwrap() < u128::from(blocks));
        let per_node = |count: u64| count as f64 / f64::from(NODES);
        let (created, listed) = (per_node(arbiter.creates), per_node(arbiter.lists));
        // The figures that docs/ipam.md quotes.
        println!("{blocks} blocks: {created} records and {listed} lists a node");
        assert!(created <= records && listed <= lists, "{blocks}: {created} {listed}");
        if blocks == NODES {
            let late = Blocks::of_ip_pool(&pool, &node(NODES));
            assert_eq!(arbiter.claim(&late, &node(NODES)), Found::NoFree);
        }
    }
}

/// The order alone: 1 / (1 - load) tries, as if every try were a throw of dice.
#[test]
fn tries_grow_as_one_over_what_is_free() {
    const BLOCKS: u32 = 10_000;
    const LATECOMERS: u32 = 4_000;
    let pool: PoolRef = "ippool/blue".parse().unwrap();
    let order = |at: u32| {
        let of = |what_for| hash(what_for, &pool, &node(at));
        Order::new(u128::from(BLOCKS), of(Use::Start), of(Use::Step)).unwrap()
    };
    let tries = |taken: &BTreeSet<u128>, order: Order| {
        (0..).find(|before| !taken.contains(&order.at(*before).unwrap())).unwrap()
    };
    for load in [0.01, 0.5, 0.9, 0.99] {
        let mut taken = BTreeSet::new();
        for at in 0..(f64::from(BLOCKS) * load) as u32 {
            let order = order(at);
            taken.insert(order.at(tries(&taken, order)).unwrap());
        }
        let sum: u128 = (0..LATECOMERS).map(|at| tries(&taken, order(BLOCKS + at)) + 1).sum();
        let (mean, expected) = (sum as f64 / f64::from(LATECOMERS), 1.0 / (1.0 - load));
        assert!((mean / expected - 1.0).abs() < 0.06, "at {load}: {mean}, not {expected}");
    }
}

/// All begin at once, and each asks one question in turn: the worst that can happen to a pool that
/// has just enough.
#[test]
fn a_thousand_nodes_that_ask_in_step_all_get_the_last_blocks() {
    let mut fleet = Fleet::new(pool_of(1000), 1000);
    let found = fleet.finish();
    assert!(found.iter().all(|found| matches!(found, Found::Held { .. })));
    assert_eq!(fleet.arbiter.blocks.len(), 1000);
    let (creates, lists) = (fleet.arbiter.creates, fleet.arbiter.lists);
    assert!(creates < 5_000 && lists < 300, "{creates} records and {lists} lists");
}
