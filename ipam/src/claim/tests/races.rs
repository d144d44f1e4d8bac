//! Nodes that search at the same time, are killed, lose answers, come and go.

use proptest::prelude::*;

use super::*;

/// Scenario 38: two nodes, one block, each about to ask for it.
#[test]
fn scenario_38_of_two_that_race_for_the_last_block_one_wins() {
    for winner in [0, 1] {
        let mut fleet = Fleet::new(ip_pool("10.0.0.0/30", 2), 2);
        for at in [0, 1, 0, 1] {
            fleet.step(at);
        }
        fleet.step(winner);
        let found = fleet.finish();
        assert_eq!(fleet.arbiter.blocks, [(0, node(winner))].into());
        assert_eq!(found[winner as usize], Found::Held { index: 0, surplus: vec![] });
        assert_eq!(found[1 - winner as usize], Found::NoFree);
    }
}

/// The record was made, and the answer got lost.
#[test]
fn a_record_that_is_ours_already_is_a_success() {
    let mut fleet = Fleet::new(ip_pool("10.0.0.0/24", 4), 1);
    fleet.step(0);
    fleet.step(0);
    fleet.lose_the_answer(0);
    assert_eq!(fleet.arbiter.blocks.len(), 1);
    let found = fleet.finish();
    assert!(matches!(&found[0], Found::Held { surplus, .. } if surplus.is_empty()));
    assert_eq!((fleet.arbiter.blocks.len(), fleet.arbiter.creates), (1, 1));

    // The same where the node does not see its own record: it asks for it again, and has it.
    let mut arbiter = Arbiter::default();
    let blocks = Blocks::of_ip_pool(&ip_pool("10.0.0.0/24", 4), &node(0));
    let first = arbiter.claim(&blocks, &node(0));
    let Next::Geometry(asked) = Search::begin(&blocks, &node(0)) else { panic!("geometry first") };
    let Next::Own(asked) = asked.answer(blocks.geometry().clone()) else { panic!("then own") };
    let next = arbiter.answer(asked.answer([]), &node(0));
    assert!(matches!(next, Next::Done(found) if found == first));
}

/// A step of the outside world.
#[derive(Debug, Clone, Copy)]
enum Event {
    Step(u32),
    LoseTheAnswer(u32),
    Leave(u32),
}

fn any_event(nodes: u32) -> impl Strategy<Value = Event> {
    prop_oneof![
        8 => (0..nodes).prop_map(Event::Step),
        1 => (0..nodes).prop_map(Event::LoseTheAnswer),
        1 => (0..nodes).prop_map(Event::Leave),
    ]
}

fn any_schedule() -> impl Strategy<Value = (u32, u32, Vec<Event>)> {
    (1u32..14, 1u32..14).prop_flat_map(|(nodes, blocks)| {
        let events = proptest::collection::vec(any_event(nodes), 0..200);
        (Just(nodes), Just(blocks), events)
    })
}

proptest! {
    #[test]
    fn no_block_is_ever_given_to_two_and_no_node_gets_two(
        (nodes, blocks, events) in any_schedule(),
        excluded in proptest::collection::btree_set(0u8..14, 0..5),
    ) {
        let mut pool = ip_pool("10.0.0.0/24", 1);
        let excluded: BTreeSet<u32> = excluded.into_iter().map(u32::from).collect();
        let at = |index: u32| advance(pool.subnet.ip(), u128::from(index) + 1).unwrap();
        let behind = AddressRange::new(at(blocks), at(254)).unwrap();
        pool.exclusions =
            excluded.iter().map(|index| AddressRange::single(at(*index))).chain([behind]).collect();
        let usable = (0..blocks).filter(|index| !excluded.contains(index)).count();

        let mut fleet = Fleet::new(pool, nodes);
        for event in events {
            match event {
                Event::Step(node) => fleet.step(node),
                Event::LoseTheAnswer(node) => fleet.lose_the_answer(node),
                Event::Leave(node) => fleet.leave(node),
            }
        }
        let found = fleet.finish();
        let owners: BTreeSet<&NodeName> = fleet.arbiter.blocks.values().collect();
        prop_assert_eq!(owners.len(), fleet.arbiter.blocks.len(), "a node has two");
        for index in fleet.arbiter.blocks.keys() {
            let index = u32::try_from(*index).unwrap();
            prop_assert!(index < blocks && !excluded.contains(&index));
        }
        for (at, found) in (0..).zip(&found) {
            match found {
                Found::Held { index, surplus } => {
                    prop_assert_eq!(fleet.arbiter.blocks.get(index), Some(&node(at)));
                    prop_assert!(surplus.is_empty());
                }
                Found::NoFree => {}
                other => prop_assert!(false, "{:?}", other),
            }
        }
        // Who gets none found none at the time; whoever asks again when all are done learns
        // whether that is still so.
        for at in 0..nodes {
            fleet.lose_the_answer(at);
        }
        let again = fleet.finish();
        let held = again.iter().filter(|found| matches!(found, Found::Held { .. })).count();
        prop_assert_eq!(held, usable.min(nodes as usize));
    }
}
