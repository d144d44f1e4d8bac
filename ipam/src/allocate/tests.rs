//! Allocation, release and cooling against a simple model.

use std::collections::BTreeMap;

use conf::AddressRange;
use conf::address::number;
use proptest::prelude::*;

use super::*;
use crate::lease::tests::runs;
use crate::specimen::{Scratch, block, identity, ip, owner, retired, second};
use crate::store::ReadTxn;

const COOLDOWN: Duration = Duration::from_secs(30);

fn add(scratch: &Scratch, block: &NodeBlock, container: &str, at: u64) -> Result<Grant, String> {
    want(scratch, block, Wish::Any, container, at)
}

fn want(
    scratch: &Scratch,
    block: &NodeBlock,
    wish: Wish,
    container: &str,
    at: u64,
) -> Result<Grant, String> {
    scratch
        .store
        .write(|txn| allocate(txn, block, wish, &identity(container), second(at), COOLDOWN))
        .map_err(|error: AllocateError| error.to_string())
}

fn del(scratch: &Scratch, container: &str, at: u64) -> usize {
    scratch.write(|txn| Ok(txn.release(&owner(container), second(at))?.len()))
}

fn address(grant: Result<Grant, String>) -> String {
    grant.unwrap().address.to_string()
}

/// What must hold in every store at any time: no address is leased twice, each owner finds its
/// leases, and what is not free is exactly what is leased or cooling.
pub(crate) fn assert_sound(txn: &ReadTxn<'_>) {
    let leases = txn.leases().unwrap();
    let mut taken: BTreeMap<&PoolRef, Vec<AddressRange>> = BTreeMap::new();
    for lease in &leases {
        taken.entry(&lease.pool).or_default().push(AddressRange::single(lease.address));
        assert!(txn.leases_of(&lease.owner).unwrap().contains(lease), "{lease:?}");
    }
    let cooling = txn.cooling().unwrap();
    for rest in &cooling {
        taken.entry(&rest.pool).or_default().push(AddressRange::single(rest.address));
    }
    for (pool, taken) in taken {
        let mut distinct = taken.clone();
        distinct.sort();
        distinct.dedup();
        assert_eq!(distinct.len(), taken.len(), "an address of {pool} twice");
        let id = txn.pool(pool).unwrap().unwrap().id;
        assert_eq!(runs(txn, id), AddressRange::coalesce(taken));
    }
}

#[test]
fn round_robin_skips_gateway_and_exclusions_and_wraps() {
    let scratch = Scratch::new();
    let block = NodeBlock {
        gateway: Some(ip("10.0.0.1")),
        exclusions: vec![AddressRange::single(ip("10.0.0.3"))],
        ..block("10.0.0.0/24", "10.0.0.1", "10.0.0.5")
    };
    assert_eq!(address(add(&scratch, &block, "a", 0)), "10.0.0.2");
    assert_eq!(del(&scratch, "a", 0), 1);
    assert_eq!(address(add(&scratch, &block, "b", 100)), "10.0.0.4");
    assert_eq!(address(add(&scratch, &block, "c", 100)), "10.0.0.5");
    assert_eq!(address(add(&scratch, &block, "d", 100)), "10.0.0.2");
}

#[test]
fn scenario_41_the_same_add_twice_is_the_same_address_and_changes_nothing() {
    let scratch = Scratch::new();
    let block = block("10.0.0.0/24", "10.0.0.1", "10.0.0.5");
    let first = add(&scratch, &block, "a", 0).unwrap();
    let before = scratch.read(|txn| txn.leases());
    let again = add(&scratch, &block, "a", 50).unwrap();
    assert_eq!((again.address, again.source), (first.address, Source::Held));
    assert_eq!(scratch.read(|txn| txn.leases()), before);
}

/// The pool is gone for longer than its grace.
#[test]
fn a_retired_block_gives_no_new_address_and_takes_none_away() {
    let scratch = Scratch::new();
    let block = block("10.0.0.0/24", "10.0.0.1", "10.0.0.5");
    let first = add(&scratch, &block, "a", 0).unwrap();
    let leaving = retired(block.clone());
    let again = add(&scratch, &leaving, "a", 50).unwrap();
    assert_eq!((again.address, again.source), (first.address, Source::Held));
    let told = "give out an address of ippool/p: the pool is gone or does not select this node any \
                more, and its block only stays for those who hold an address of it";
    assert_eq!(add(&scratch, &leaving, "b", 50).unwrap_err(), told);
    let named = Wish::Exactly(ip("10.0.0.4"));
    assert_eq!(want(&scratch, &leaving, named, "a", 50).unwrap_err(), told);
    assert_eq!(scratch.read(|txn| txn.leases()).len(), 1, "what was held is held");
    assert_eq!(del(&scratch, "a", 60), 1);
    // The pool came back.
    assert_eq!(address(add(&scratch, &block, "b", 99)), "10.0.0.2");
}

#[test]
fn scenario_59_a_block_of_four_with_the_gateway_inside() {
    let scratch = Scratch::new();
    let block =
        NodeBlock { gateway: Some(ip("10.0.0.1")), ..block("10.0.0.0/24", "10.0.0.1", "10.0.0.4") };
    for container in ["a", "b", "c"] {
        add(&scratch, &block, container, 0).unwrap();
    }
    assert_eq!(
        add(&scratch, &block, "d", 0).unwrap_err(),
        "give out an address of ippool/p: all of this node's block 10.0.0.1-10.0.0.4 are in use"
    );
    del(&scratch, "b", 0);
    assert_eq!(address(add(&scratch, &block, "d", 100)), "10.0.0.3");
}

#[test]
fn scenario_61_a_freed_address_cools_unless_nothing_else_is_free() {
    let scratch = Scratch::new();
    let block = block("10.0.0.0/24", "10.0.0.1", "10.0.0.3");
    for container in ["a", "b"] {
        add(&scratch, &block, container, 0).unwrap();
    }
    del(&scratch, "b", 10);
    del(&scratch, "a", 11);
    assert_eq!(address(add(&scratch, &block, "c", 12)), "10.0.0.3");
    // The one that has cooled longest, and that is said.
    let hurried = add(&scratch, &block, "d", 13).unwrap();
    assert_eq!((hurried.address, hurried.source), (ip("10.0.0.2"), Source::Cooling));
    let rested = add(&scratch, &block, "e", 41).unwrap();
    assert_eq!((rested.address, rested.source), (ip("10.0.0.1"), Source::Free));
    // A static request need not wait.
    del(&scratch, "e", 50);
    let named = want(&scratch, &block, Wish::Exactly(ip("10.0.0.1")), "f", 51).unwrap();
    assert_eq!(named.source, Source::Cooling);
    scratch.read(|txn| {
        assert_sound(txn);
        Ok(())
    });
}

#[test]
fn an_address_by_name_is_held_once_and_moves_no_cursor() {
    let scratch = Scratch::new();
    let block = block("10.0.0.0/24", "10.0.0.1", "10.0.0.9");
    let named = Wish::Exactly(ip("10.0.0.5"));
    want(&scratch, &block, named, "a", 0).unwrap();
    assert_eq!(want(&scratch, &block, named, "a", 0).unwrap().source, Source::Held);
    assert_eq!(
        want(&scratch, &block, named, "b", 0).unwrap_err(),
        "give out 10.0.0.5 of ippool/p: it is held by interface net1 of container a"
    );
    assert_eq!(address(add(&scratch, &block, "c", 0)), "10.0.0.1");
    // Another wish of the same attachment: the old address goes back.
    let other = Wish::Exactly(ip("10.0.0.6"));
    assert_eq!(address(want(&scratch, &block, other, "a", 0)), "10.0.0.6");
    assert_eq!(scratch.read(|txn| txn.leases_of(&owner("a"))).len(), 1);
}

#[test]
fn scenario_43_release_is_by_owner_in_all_pools_and_repeatable() {
    let scratch = Scratch::new();
    let p = block("10.0.0.0/24", "10.0.0.1", "10.0.0.9");
    let q = NodeBlock {
        pool: "cidrpool/p".parse().unwrap(),
        ..block("10.1.0.0/24", "10.1.0.1", "10.1.0.9")
    };
    // The same name as the other kind: independent (scenario 25).
    assert_eq!(address(add(&scratch, &p, "a", 0)), "10.0.0.1");
    assert_eq!(address(add(&scratch, &q, "a", 0)), "10.1.0.1");
    add(&scratch, &p, "ab", 0).unwrap();
    assert_eq!(del(&scratch, "a", 1), 2);
    assert_eq!(del(&scratch, "a", 1), 0);
    assert_eq!(del(&scratch, "unknown", 1), 0);
    assert_eq!(scratch.read(|txn| txn.leases()).len(), 1);
    scratch.read(|txn| {
        assert_sound(txn);
        Ok(())
    });
}

#[test]
fn gc_keeps_the_valid_and_other_networks() {
    let scratch = Scratch::new();
    let block = block("10.0.0.0/24", "10.0.0.1", "10.0.0.9");
    for container in ["keep", "stale"] {
        add(&scratch, &block, container, 0).unwrap();
    }
    let other = Identity { network: "net-b".parse().unwrap(), ..identity("other") };
    scratch
        .store
        .write(|txn| allocate(txn, &block, Wish::Any, &other, second(0), COOLDOWN))
        .unwrap();
    let network = "net-a".parse().unwrap();
    let valid = [owner("keep")].into();
    let freed = scratch.write(|txn| txn.release_stale(&network, &valid, second(1)));
    assert_eq!(freed.iter().map(|lease| lease.owner.clone()).collect::<Vec<_>>(), [owner("stale")]);
    assert_eq!(scratch.read(|txn| txn.leases()).len(), 2);
    assert_eq!(scratch.write(|txn| txn.release_stale(&network, &[].into(), second(1))).len(), 1);
}

#[test]
fn a_refused_allocation_leaves_nothing_behind() {
    let scratch = Scratch::new();
    let p = block("10.0.0.0/24", "10.0.0.1", "10.0.0.9");
    let full = NodeBlock {
        pool: "ippool/full".parse().unwrap(),
        ..block("10.1.0.0/24", "10.1.0.1", "10.1.0.1")
    };
    add(&scratch, &full, "x", 0).unwrap();
    // Both or none, as a plugin with two pools asks.
    let both = scratch.store.write(|txn| {
        allocate(txn, &p, Wish::Any, &identity("a"), second(0), COOLDOWN)?;
        allocate(txn, &full, Wish::Any, &identity("a"), second(0), COOLDOWN)
    });
    assert!(matches!(both, Err(AllocateError::Exhausted { .. })));
    assert!(scratch.read(|txn| txn.leases_of(&owner("a"))).is_empty());
    assert_eq!(address(add(&scratch, &p, "b", 0)), "10.0.0.1", "the cursor did not move");
}

#[test]
fn a_99_99_percent_full_16_costs_what_an_empty_one_does() {
    let scratch = Scratch::new();
    let block = block("10.0.0.0/16", "10.0.0.1", "10.0.255.254");
    let costs = scratch
        .store
        .write(|txn| {
            let mut cost = |container: usize| {
                let before = txn.lookups();
                let identity = identity(&format!("c{container}"));
                allocate(txn, &block, Wish::Any, &identity, second(0), COOLDOWN)?;
                Ok::<_, AllocateError>(txn.lookups() - before)
            };
            // All but six of 65534.
            (0..65534 - 6).map(&mut cost).collect::<Result<Vec<u64>, _>>()
        })
        .unwrap();
    let (first, last) = (costs[1], costs[costs.len() - 1]);
    assert!(last <= first, "{first} look-ups when empty, {last} when full");
    // One is given back in the middle: found at once, after the last six.
    scratch.write(|txn| txn.release(&owner("c30000"), second(0)));
    for container in 0..6 {
        add(&scratch, &block, &format!("rest{container}"), 60).unwrap();
    }
    assert_eq!(address(add(&scratch, &block, "d", 60)), "10.0.117.49");
    assert!(add(&scratch, &block, "e", 60).unwrap_err().contains("are in use"));
}

/// What the store should say, in the simplest words.
#[derive(Default)]
struct Model {
    leased: BTreeMap<u128, usize>,
    /// Address, and when it was given back.
    cooling: BTreeMap<u128, u64>,
}

#[derive(Debug, Clone)]
enum Op {
    Add(usize),
    AddNamed(usize, u8),
    Del(usize),
    Wait(u64),
    /// Gateway, exclusion and length of the block from now on.
    Edit(Option<u8>, Option<(u8, u8)>, u8),
    Gc(Vec<usize>),
}

fn op() -> impl Strategy<Value = Op> {
    let container = 0usize..12;
    prop_oneof![
        5 => container.clone().prop_map(Op::Add),
        1 => (container.clone(), 1u8..12).prop_map(|(who, octet)| Op::AddNamed(who, octet)),
        4 => container.clone().prop_map(Op::Del),
        2 => (0u64..25).prop_map(Op::Wait),
        1 => (
            proptest::option::of(1u8..12),
            proptest::option::of((1u8..12, 0u8..4)),
            3u8..12,
        ).prop_map(|(gateway, excluded, last)| Op::Edit(gateway, excluded, last)),
        1 => proptest::collection::vec(container, 0..8).prop_map(Op::Gc),
    ]
}

fn edited(gateway: Option<u8>, excluded: Option<(u8, u8)>, last: u8) -> NodeBlock {
    let at = |octet: u8| IpAddr::from([10, 0, 0, octet]);
    let plain = block("10.0.0.0/24", "10.0.0.1", &at(last).to_string());
    NodeBlock {
        gateway: gateway.map(at),
        exclusions: excluded
            .and_then(|(first, more)| AddressRange::new(at(first), at(first + more)))
            .and_then(|range| range.intersection(plain.range))
            .into_iter()
            .collect(),
        ..plain
    }
}

impl Model {
    fn available(&self, block: &NodeBlock) -> Vec<u128> {
        (number(block.range.first())..=number(block.range.last()))
            .filter(|address| {
                let ip = conf::address::advance(ip("0.0.0.0"), *address).unwrap();
                withheld(block, ip).is_none() && !self.leased.contains_key(address)
            })
            .collect()
    }

    fn release(&mut self, who: usize, now: u64) {
        let held: Vec<u128> = self.held(who).into_iter().collect();
        for address in held {
            self.leased.remove(&address);
            self.cooling.insert(address, now);
        }
    }

    fn held(&self, who: usize) -> Option<u128> {
        self.leased.iter().find(|(_, holder)| **holder == who).map(|(address, _)| *address)
    }

    /// Checks what the store answered, and does the same.
    fn add(&mut self, who: usize, block: &NodeBlock, now: u64, answer: Result<Grant, String>) {
        if let Some(held) = self.held(who) {
            let ip = conf::address::advance(ip("0.0.0.0"), held).unwrap();
            if block.range.contains(ip) && block.gateway != Some(ip) {
                assert_eq!(answer.unwrap(), Grant { address: ip, source: Source::Held });
                return;
            }
        }
        let mut after = Self { leased: self.leased.clone(), cooling: self.cooling.clone() };
        after.release(who, now);
        let available = after.available(block);
        let Ok(grant) = answer else {
            assert!(available.is_empty(), "refused although {available:?} were there");
            // Refused: nothing has changed, not even the old lease.
            return;
        };
        let given = number(grant.address);
        assert!(available.contains(&given), "{} was not there to give", grant.address);
        let is_cooling = |address: &u128| {
            after.cooling.get(address).is_some_and(|since| now - since < COOLDOWN.as_secs())
        };
        assert_eq!(grant.source == Source::Cooling, is_cooling(&given));
        if is_cooling(&given) {
            assert!(available.iter().all(is_cooling), "a rested address was there");
            let oldest = available.iter().filter_map(|address| after.cooling.get(address)).min();
            assert_eq!(after.cooling.get(&given), oldest);
        }
        after.cooling.remove(&given);
        after.leased.insert(given, who);
        *self = after;
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn any_history_is_answered_as_the_model_would(ops in proptest::collection::vec(op(), 1..80)) {
        let scratch = Scratch::new();
        let mut model = Model::default();
        let mut block = edited(None, None, 8);
        let mut now = 1000;
        for op in ops {
            match op {
                Op::Add(who) => {
                    let answer = add(&scratch, &block, &format!("c{who}"), now);
                    model.add(who, &block, now, answer);
                }
                Op::AddNamed(who, octet) => {
                    let address = IpAddr::from([10, 0, 0, octet]);
                    let wish = Wish::Exactly(address);
                    let answer = want(&scratch, &block, wish, &format!("c{who}"), now);
                    let holder = model.leased.get(&number(address)).copied();
                    prop_assert_eq!(answer.is_ok(), holder.is_none_or(|holder| holder == who));
                    if answer.is_ok() && holder.is_none() {
                        model.release(who, now);
                        model.cooling.remove(&number(address));
                        model.leased.insert(number(address), who);
                    }
                }
                Op::Del(who) => {
                    let freed = del(&scratch, &format!("c{who}"), now);
                    prop_assert_eq!(freed, usize::from(model.held(who).is_some()));
                    model.release(who, now);
                }
                Op::Wait(seconds) => now += seconds,
                Op::Edit(gateway, excluded, last) => block = edited(gateway, excluded, last),
                Op::Gc(valid) => {
                    let names = valid.iter().map(|who| owner(&format!("c{who}"))).collect();
                    let network = "net-a".parse().unwrap();
                    scratch.write(|txn| txn.release_stale(&network, &names, second(now)));
                    for who in 0..12 {
                        if !valid.contains(&who) {
                            model.release(who, now);
                        }
                    }
                }
            }
            let leased = scratch.read(|txn| {
                assert_sound(txn);
                txn.leases()
            });
            let leased: BTreeMap<u128, String> = leased
                .iter()
                .map(|lease| (number(lease.address), lease.owner.container.to_string()))
                .collect();
            let expected: BTreeMap<u128, String> =
                model.leased.iter().map(|(address, who)| (*address, format!("c{who}"))).collect();
            prop_assert_eq!(leased, expected);
        }
    }
}

/// Blocks of pools whose networks overlap: one twice, a part of it, and another family.
fn overlapping() -> [NodeBlock; 4] {
    let named = |name: &str, block| NodeBlock { pool: name.parse().unwrap(), ..block };
    [
        named("ippool/k", block("10.4.0.0/24", "10.4.0.1", "10.4.0.8")),
        named("ippool/m", block("10.4.0.0/24", "10.4.0.1", "10.4.0.8")),
        named("cidrpool/part", block("10.4.0.0/29", "10.4.0.4", "10.4.0.11")),
        named("ippool/six", block("fd00::/64", "fd00::1", "fd00::4")),
    ]
}

#[test]
fn pools_that_overlap_do_not_give_out_an_address_twice() {
    let scratch = Scratch::new();
    let [k, m, part, six] = overlapping();
    assert_eq!(address(add(&scratch, &k, "x1", 0)), "10.4.0.1");
    assert_eq!(address(add(&scratch, &m, "x2", 0)), "10.4.0.2");
    assert_eq!(address(add(&scratch, &k, "x3", 0)), "10.4.0.3");
    assert_eq!(address(add(&scratch, &part, "x4", 0)), "10.4.0.4");
    assert_eq!(address(add(&scratch, &m, "x5", 0)), "10.4.0.5");
    assert_eq!(address(add(&scratch, &six, "x6", 0)), "fd00::1");
    // By name, the other's holder is told.
    let refused = want(&scratch, &m, Wish::Exactly(ip("10.4.0.1")), "y", 0).unwrap_err();
    let told = "give out 10.4.0.1 of ippool/k: it is held by interface net1 of container x1";
    assert!(refused.starts_with(told), "{refused}");
    // Asked again, each gets what it has.
    assert_eq!(address(add(&scratch, &m, "x2", 0)), "10.4.0.2");
    // What rests rests in both.
    del(&scratch, "x3", 1);
    for (container, expected) in [("a", "10.4.0.6"), ("b", "10.4.0.7"), ("c", "10.4.0.8")] {
        assert_eq!(address(add(&scratch, &m, container, 2)), expected);
    }
    let full = add(&scratch, &m, "d", 3).unwrap_err();
    assert!(full.contains("all of this node's block 10.4.0.1-10.4.0.8 are in use"), "{full}");
    assert_eq!(address(add(&scratch, &k, "d", 3)), "10.4.0.3", "it rested in this one");
}

#[test]
fn another_pool_costs_one_look_up() {
    let scratch = Scratch::new();
    let blocks: Vec<NodeBlock> = (0..10)
        .map(|n| NodeBlock {
            pool: format!("ippool/p{n}").parse().unwrap(),
            ..block(&format!("10.{n}.0.0/16"), &format!("10.{n}.0.1"), &format!("10.{n}.255.254"))
        })
        .collect();
    let cost = |container: usize, block: &NodeBlock| {
        let container = format!("c{container}");
        let cost = scratch.store.write(|txn| {
            let before = txn.lookups();
            let identity = identity(&container);
            allocate(txn, block, Wish::Any, &identity, second(0), COOLDOWN)?;
            Ok::<_, AllocateError>(txn.lookups() - before)
        });
        cost.unwrap()
    };
    cost(0, &blocks[0]);
    let alone = cost(1, &blocks[0]);
    for (at, block) in blocks.iter().enumerate().skip(1) {
        for container in 0..100 {
            cost(100 * at + container, block);
        }
    }
    assert_eq!(cost(2, &blocks[0]), alone + 9);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    /// Whatever is asked for and given back in whatever order.
    #[test]
    fn no_address_is_held_twice_on_a_node(
        steps in proptest::collection::vec((0..4_usize, 0..12_u8, 0..4_u8, 0..20_u64), 1..80),
    ) {
        let scratch = Scratch::new();
        let blocks = overlapping();
        let mut now = 0;
        for (pool, container, what, later) in steps {
            now += later;
            let (block, name) = (&blocks[pool], format!("c{container}"));
            match what {
                0 => drop(del(&scratch, &name, now)),
                1 => {
                    let first = number(block.range.first()) + u128::from(container % 8);
                    let wished = conf::address::advance(block.range.first(), first - number(block.range.first()));
                    drop(want(&scratch, block, Wish::Exactly(wished.unwrap()), &name, now));
                }
                _ => {
                    let granted = add(&scratch, block, &name, now);
                    let leases = scratch.read(|txn| txn.leases());
                    let resting = scratch.read(|txn| txn.cooling());
                    let is_free = |step: u128| {
                        let address = conf::address::advance(block.range.first(), step).unwrap();
                        !leases.iter().any(|lease| lease.address == address)
                            && !resting.iter().any(|rest| rest.address == address)
                    };
                    let last = number(block.range.last()) - number(block.range.first());
                    prop_assert!(granted.is_ok() || !(0..=last).any(is_free), "{granted:?}");
                }
            }
            let leases = scratch.read(|txn| txn.leases());
            let distinct: std::collections::BTreeSet<_> =
                leases.iter().map(|lease| lease.address).collect();
            prop_assert_eq!(distinct.len(), leases.len());
            scratch.read(|txn| { assert_sound(txn); Ok(()) });
        }
    }
}
