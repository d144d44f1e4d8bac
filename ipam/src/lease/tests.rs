//! Runs and the search against sets of numbers; the cost of a search by counting look-ups.

use std::collections::BTreeSet;
use std::net::IpAddr;

use conf::AddressRange;
use conf::address::{advance, number};
use conf::block::NodeBlock;
use ipnetwork::IpNetwork;
use proptest::prelude::*;

use crate::specimen::{Scratch, block, ip};
use crate::store::key::PoolId;
use crate::store::{ReadTxn, StoreError, WriteTxn, key};

const POOL: PoolId = PoolId(7);

/// The runs of a pool as they stand in the store.
pub(crate) fn runs(txn: &ReadTxn<'_>, pool: PoolId) -> Vec<AddressRange> {
    let mut runs = Vec::new();
    let prefix = key::runs(pool);
    txn.scan(&prefix, |found, value| {
        let first = key::address(found.strip_prefix(prefix.as_slice()).unwrap()).unwrap();
        runs.push(AddressRange::new(first, key::address(value).unwrap()).unwrap());
        Ok(())
    })
    .unwrap();
    runs
}

fn members(runs: &[AddressRange]) -> BTreeSet<u128> {
    runs.iter().flat_map(|run| number(run.first())..=number(run.last())).collect()
}

fn at(base: IpAddr, step: u8) -> IpAddr {
    advance(base, u128::from(step)).unwrap()
}

/// Bases at both ends of both families, where neighbours do not exist.
fn base() -> impl Strategy<Value = IpAddr> {
    let last_but = |address: &str| ip(address);
    prop_oneof![
        Just(last_but("0.0.0.0")),
        Just(last_but("10.0.0.0")),
        Just(last_but("255.255.255.224")),
        Just(last_but("::")),
        Just(last_but("fd00::")),
        Just(last_but("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffe0")),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn runs_hold_what_was_taken_and_are_never_neighbours(
        base in base(),
        steps in proptest::collection::vec((any::<bool>(), 0u8..32), 0..120),
    ) {
        let scratch = Scratch::new();
        scratch.write(|txn| {
            let mut model = BTreeSet::new();
            for (take, step) in steps {
                let address = at(base, step);
                if take {
                    txn.take_address(POOL, address)?;
                    model.insert(number(address));
                } else {
                    txn.free_address(POOL, address)?;
                    model.remove(&number(address));
                }
                let runs = runs(txn, POOL);
                assert_eq!(members(&runs), model);
                assert_eq!(AddressRange::coalesce(runs.clone()), runs, "maximal runs");
            }
            Ok(())
        });
    }

    #[test]
    fn the_next_free_address_is_the_next_free_address(
        taken in proptest::collection::btree_set(0u8..32, 0..32),
        excluded in proptest::collection::vec((0u8..32, 0u8..5), 0..5),
        gateway in proptest::option::of(0u8..32),
        cursor in proptest::option::of(0u8..40),
    ) {
        let base = ip("10.0.0.0");
        let excluded: Vec<_> = excluded
            .into_iter()
            .filter_map(|(first, more)| AddressRange::new(at(base, first), at(base, (first + more).min(31))))
            .collect();
        let block = NodeBlock {
            gateway: gateway.map(|step| at(base, step)),
            exclusions: AddressRange::coalesce(excluded),
            ..block("10.0.0.0/24", "10.0.0.0", "10.0.0.31")
        };
        let cursor = cursor.map(|step| at(base, step));
        let expected = {
            let free = |address: &IpAddr| {
                !taken.contains(&u8::try_from(number(*address) - number(base)).unwrap())
                    && block.gateway != Some(*address)
                    && !block.exclusions.iter().any(|range| range.contains(*address))
            };
            let start = cursor
                .filter(|cursor| block.range.contains(*cursor))
                .map_or(0, |cursor| number(cursor) - number(base) + 1);
            (0..32).map(|step| advance(base, (start + step) % 32).unwrap()).find(free)
        };
        let scratch = Scratch::new();
        let found = scratch.write(|txn| {
            for step in &taken {
                txn.take_address(POOL, at(base, *step))?;
            }
            // A pool beside it has other addresses.
            txn.take_address(PoolId(6), at(base, 0))?;
            txn.take_address(PoolId(8), at(base, 31))?;
            txn.next_free(POOL, &[], &block, cursor)
        });
        prop_assert_eq!(found, expected);
    }
}

/// How many look-ups it takes to find the one free address of a block, with the cursor just
/// behind it, the worst place.
fn lookups(txn: &mut WriteTxn<'_>, pool: PoolId, block: &NodeBlock, free: IpAddr) -> u64 {
    let before = txn.lookups();
    assert_eq!(txn.next_free(pool, &[], block, Some(free)).unwrap(), Some(free));
    txn.lookups() - before
}

#[test]
fn a_search_costs_the_same_in_every_pool_however_full() {
    let scratch = Scratch::new();
    let costs: Vec<u64> = scratch.write(|txn| {
        let mut costs = Vec::new();
        for (number, network) in
            ["10.0.0.0/24", "10.0.0.0/16", "10.0.0.0/12", "fd00::/64"].into_iter().enumerate()
        {
            let pool = PoolId(u32::try_from(number).unwrap());
            let network: IpNetwork = network.parse().unwrap();
            let block = block(
                &network.to_string(),
                &network.network().to_string(),
                &network.broadcast().to_string(),
            );
            let free = advance(network.network(), 100).unwrap();
            // Full but for one address: two runs.
            for (first, last) in [
                (block.range.first(), advance(block.range.first(), 99).unwrap()),
                (advance(free, 1).unwrap(), block.range.last()),
            ] {
                txn.put(&key::run(pool, first), &key::address_bytes(last))?;
            }
            costs.push(lookups(txn, pool, &block, free));
        }
        Ok(costs)
    });
    assert_eq!(costs, [3, 3, 3, 3]);
}

#[test]
fn a_search_costs_the_same_however_scattered_the_taken_addresses() {
    let scratch = Scratch::new();
    let block = block("10.0.0.0/16", "10.0.0.1", "10.0.255.254");
    let cost = scratch.write(|txn| {
        // Every second address, so 32767 runs of one.
        for step in (0..65534).step_by(2) {
            txn.take_address(POOL, advance(block.range.first(), step).unwrap())?;
        }
        let before = txn.lookups();
        let cursor = Some(ip("10.0.100.1"));
        assert_eq!(txn.next_free(POOL, &[], &block, cursor)?, Some(ip("10.0.100.2")));
        Ok(txn.lookups() - before)
    });
    assert_eq!(cost, 1);
}

#[test]
fn a_lease_keeps_unknown_fields_out_and_reads_what_an_older_one_wrote() -> Result<(), StoreError> {
    let minimal = serde_json::json!({
        "pool": "ippool/p", "address": "10.0.0.1", "container": "c1", "ifname": "net1",
        "network": "n", "granted_at": 5, "a_field_of_tomorrow": true,
    });
    let lease: super::Lease = serde_json::from_value(minimal).unwrap();
    insta::assert_json_snapshot!(lease, @r#"
    {
      "pool": "ippool/p",
      "address": "10.0.0.1",
      "container": "c1",
      "ifname": "net1",
      "network": "n",
      "granted_at": 5
    }
    "#);
    Ok(())
}
