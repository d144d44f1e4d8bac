//! Blocks that outlive what asked for them, and pools that change under blocks in use.

use super::*;

/// A selector that this node is not among.
fn elsewhere() -> String {
    format!(
        "{TEN}, nodeSelector: {{nodeSelectorTerms: [{{matchExpressions: \
         [{{key: elsewhere, operator: Exists}}]}}]}}"
    )
}

/// The addresses as lines of the block's file.
fn file(bed: &Bed) -> String {
    std::fs::read_to_string(bed.root.blocks().join("ippool/blue.json")).unwrap()
}

#[test]
fn scenario_28_a_label_that_flaps_takes_nothing_away() {
    let mut bed = Bed::new();
    bed.stand(TEN);
    let before = file(&bed);
    let flap = bed.after(10).stand(&elsewhere());
    assert_eq!(
        flap,
        "Retained: the pool does not select this node any more; its block stays for \
         blockGraceSeconds, should that change"
    );
    // A container that starts meanwhile gets its address.
    assert_eq!(bed.lease("one").to_string(), "10.0.0.1");
    assert_eq!(bed.after(5).stand(TEN), "BlockHeld: this node gives out 10.0.0.1-10.0.0.10");
    assert_eq!(file(&bed), before, "nothing of it is remembered");
    // The grace of the next flap is a whole one.
    bed.after(400).stand(&elsewhere());
    assert!(bed.after(299).stand(&elsewhere()).starts_with("Retained: "));
}

#[test]
fn while_it_waits_nothing_is_written() {
    let mut bed = Bed::new();
    bed.stand(TEN);
    bed.stand_without();
    let before = bed.written();
    bed.after(200).stand_without();
    assert_eq!(bed.written(), before);
    bed.lease("one");
    bed.after(100).stand_without();
    let before = bed.written();
    bed.after(900).stand_without();
    assert_eq!(bed.written(), before);
}

#[test]
fn scenario_30_a_node_that_is_not_selected_any_more_drains_and_then_lets_go() {
    let mut bed = Bed::new();
    bed.stand(TEN);
    bed.lease("one");
    bed.lease("two");
    bed.stand(&elsewhere());
    bed.after(300).stand(&elsewhere());
    let refused = bed.try_lease("three", Wish::Any).unwrap_err();
    assert!(matches!(refused, AllocateError::Retired { .. }), "{refused}");
    assert_eq!(
        bed.after(60).stand(&elsewhere()),
        "InUse: the pool does not select this node any more; its block gives out nothing more and \
         stays until 2 leases are given back"
    );
    assert_eq!(bed.lease("one").to_string(), "10.0.0.1", "who holds one keeps it");
    // It comes back late: all is as before.
    bed.stand(TEN);
    assert_eq!(bed.lease("three").to_string(), "10.0.0.3");
    bed.stand(&elsewhere());
    bed.release_all();
    assert!(bed.after(299).stand(&elsewhere()).starts_with("Retained: "));
    assert_eq!(
        bed.after(1).stand(&elsewhere()),
        "Retained: the pool does not select this node any more; its block gives out nothing more, \
         and goes within minutes"
    );
    assert!(bed.after(60).stand(&elsewhere()).starts_with("NotSelected: "));
    assert_eq!(bed.block(), None);
}

/// An ADD that read the block just before it retired may lease of it just after.
#[test]
fn a_retired_block_lingers_until_every_add_that_read_it_is_done() {
    let mut bed = Bed::new();
    bed.stand(TEN);
    bed.stand_without();
    let read_before = bed.block().unwrap();
    bed.after(300).stand_without();
    assert!(bed.block().unwrap().is_retired());
    bed.lease_of(&read_before, "late", Wish::Any).unwrap();
    assert!(bed.after(60).stand_without().unwrap().starts_with("InUse: "));
    assert!(bed.block().is_some());
}

#[test]
fn the_next_look_is_when_the_grace_ends() {
    let mut bed = Bed::new();
    let again = |bed: &Bed| {
        let standings = bed.settle(&[]);
        standings.values().next().and_then(Standing::look_again_in).map(|time| time.as_secs())
    };
    bed.stand(TEN);
    assert_eq!(again(&bed), Some(300));
    assert_eq!(again(bed.after(100)), Some(200));
    bed.lease("one");
    assert_eq!(again(bed.after(200)), Some(60));
    assert_eq!(again(bed.after(60)), Some(60), "somebody may give an address back");
    bed.release_all();
    assert_eq!(again(&bed), None);
}

/// The version that was good goes on; without one, the block does.
#[test]
fn scenario_34_a_pool_that_becomes_invalid_keeps_its_block() {
    let mut bed = Bed::new();
    let good = Bed::objects(&[("IPPool/blue", TEN)]);
    bed.stand(TEN);
    bed.lease("one");
    let broken = || Bed::objects(&[("IPPool/blue", "subnet: 10.0.0.0/24, perNodeBlockSize: 0")]);
    assert_eq!(broken().problems.len(), 1);
    let node = Node::new("node-a".parse().unwrap(), BTreeMap::new());
    bed.after(1000);
    let standings = settle(&bed.claims(), &broken().keeping(&good), &node).unwrap();
    assert_eq!(standings.values().map(Standing::reason).collect::<Vec<_>>(), ["BlockHeld"]);
    bed.after(1000);
    assert!(settle(&bed.claims(), &broken(), &node).unwrap().is_empty());
    assert_eq!(bed.block().unwrap().leaving, None);
    assert_eq!(bed.lease("two").to_string(), "10.0.0.2");
    assert_eq!(bed.stand(TEN), "BlockHeld: this node gives out 10.0.0.1-10.0.0.10");
}

#[test]
fn scenario_35_a_pool_that_is_deleted_in_use_and_made_again_gives_the_same_block() {
    let mut bed = Bed::new();
    bed.host(1, 3);
    bed.stand(TEN);
    bed.lease("one");
    assert!(bed.stand_without().unwrap().starts_with("Retained: the pool is gone; "));
    bed.after(300).stand_without();
    let told = bed.after(60).stand_without().unwrap();
    assert!(told.contains("until 1 lease is given back"), "{told}");
    assert_eq!(bed.stand(TEN), "BlockHeld: this node gives out 10.0.0.11-10.0.0.20");
    assert_eq!(bed.block().unwrap().leaving, None);
    // DEL needs neither pool nor block.
    bed.stand_without();
    bed.after(360).stand_without();
    bed.release_all();
    assert_eq!(bed.stand_without(), None);
    assert_eq!(bed.block(), None);
    assert_eq!(bed.stand(TEN), "BlockHeld: this node gives out 10.0.0.11-10.0.0.20");
}

/// Scenarios 26 and 27: the machine is set up anew under the same name, within the grace or not.
#[test]
fn scenario_27_a_reboot_neither_frees_a_block_nor_shortens_its_grace() {
    let mut bed = Bed::new();
    bed.stand(TEN);
    bed.lease("one");
    bed.stand_without();
    bed.after(299).stand_without();
    bed.reboot();
    assert!(bed.stand_without().unwrap().starts_with("Retained: "));
    assert!(bed.after(299).stand_without().unwrap().starts_with("Retained: "));
    assert!(bed.after(1).stand_without().unwrap().contains("goes within minutes"));
    assert_eq!(bed.after(60).stand_without(), None);
    assert_eq!(bed.block(), None);
}

/// Nothing is left but the objects and the host's number.
#[test]
fn scenario_27_a_machine_whose_disk_was_wiped_finds_its_block_by_its_number() {
    let mut bed = Bed::new();
    bed.host(2, 3);
    bed.stand(TEN);
    let before = bed.range();
    bed.lease("one");
    bed.reboot();
    std::fs::remove_dir_all(bed.root.state()).unwrap();
    bed.stand(TEN);
    assert_eq!((bed.range(), before.as_str()), (before.clone(), "10.0.0.21-10.0.0.30"));
}

#[test]
fn without_a_grace_a_block_goes_with_its_last_lease() {
    let mut bed = Bed::new();
    bed.settings.block_grace_seconds = 0;
    bed.stand(TEN);
    bed.lease("one");
    assert!(bed.stand_without().unwrap().contains("goes within minutes"));
    assert!(bed.after(60).stand_without().unwrap().starts_with("InUse: the pool is gone; "));
    bed.release_all();
    assert_eq!(bed.stand_without(), None);
}

#[test]
fn scenario_31_a_subnet_that_grows_moves_nothing_and_one_that_shrinks_waits() {
    let mut bed = Bed::new();
    bed.host(20, 30);
    bed.stand(TEN);
    bed.lease("one");
    let block = bed.range();
    assert_eq!(block, "10.0.0.201-10.0.0.210");
    let stands = format!("BlockHeld: this node gives out {block}");
    assert_eq!(bed.stand("subnet: 10.0.0.0/23, perNodeBlockSize: 10"), stands);
    assert_eq!(bed.block().unwrap().network.to_string(), "10.0.0.0/23");
    // There is room for a host that found none before.
    let mut other = Bed::new();
    other.host(29, 30);
    assert!(other.stand(TEN).starts_with("NoFreeBlock: "));
    other.stand("subnet: 10.0.0.0/23, perNodeBlockSize: 10");
    assert_eq!(other.range(), "10.0.1.35-10.0.1.44");
    let refused = bed.stand("subnet: 10.0.0.0/25, perNodeBlockSize: 10");
    assert!(refused.starts_with("RenumberingRefused: "), "{refused}");
    assert_eq!(bed.range(), block);
}

#[test]
fn scenario_32_a_gateway_that_somebody_holds_is_told_until_it_is_given_back() {
    let bed = Bed::new();
    bed.stand(TEN);
    bed.lease("one");
    bed.lease("two");
    let edited = format!("{TEN}, gateway: 10.0.0.2");
    let told = "GatewayInUse: this node gives out 10.0.0.1-10.0.0.10, but interface net1 of \
                container two holds the gateway 10.0.0.2; delete that container";
    assert_eq!(bed.stand(&edited), told);
    assert_eq!(bed.stand(&edited), told, "as long as it is so");
    // New containers get the new gateway, and not as their address.
    assert_eq!(bed.block().unwrap().gateway, Some("10.0.0.2".parse().unwrap()));
    assert_eq!(bed.lease("three").to_string(), "10.0.0.3");
    bed.release_all();
    assert_eq!(bed.stand(&edited), "BlockHeld: this node gives out 10.0.0.1-10.0.0.10");
    assert!(!bed.block().unwrap().gateway_is_leased);
    // A container that is the gateway because it asked for that is in nobody's way.
    let gateway = Wish::Exactly("10.0.0.2".parse().unwrap());
    bed.try_lease("router", gateway).unwrap();
    assert_eq!(bed.stand(&edited), "BlockHeld: this node gives out 10.0.0.1-10.0.0.10");
}

#[test]
fn scenario_33_blocks_of_another_size_wait_for_leases() {
    let bed = Bed::new();
    bed.stand("subnet: 10.0.0.0/24, perNodeBlockSize: 10, gateway: 10.0.0.1");
    assert_eq!(bed.lease("one").to_string(), "10.0.0.2");
    let smaller = "subnet: 10.0.0.0/24, perNodeBlockSize: 1, gateway: 10.0.0.1";
    bed.lease("two");
    let refused = bed.stand(smaller);
    assert!(refused.contains("1 lease is outside the new block"), "{refused}");
    assert_eq!(bed.range(), "10.0.0.1-10.0.0.10");
    bed.release_all();
    assert_eq!(bed.stand(smaller), "BlockHeld: this node gives out 10.0.0.2");
}

/// What a daemon that was killed at any point leaves: the old file or the new one.
#[test]
fn scenario_36_a_daemon_that_starts_again_finds_what_it_had() {
    let mut bed = Bed::new();
    bed.stand(TEN);
    let held = file(&bed);
    bed.stand_without();
    let leaving = file(&bed);
    bed.lease("one");
    for found in [held, leaving] {
        std::fs::write(bed.root.blocks().join("ippool/blue.json"), found).unwrap();
        std::fs::write(bed.root.blocks().join("ippool/.blue.json.77.0"), "{").unwrap();
        assert_eq!(bed.stand(TEN), "BlockHeld: this node gives out 10.0.0.1-10.0.0.10");
    }
    assert_eq!(bed.lease("one").to_string(), "10.0.0.1");
    bed.reboot();
    assert_eq!(bed.stand(TEN), "BlockHeld: this node gives out 10.0.0.1-10.0.0.10");
}

#[test]
fn a_damaged_block_that_nobody_asks_for_goes_when_nobody_holds_an_address() {
    let bed = Bed::new();
    bed.stand(TEN);
    bed.lease("one");
    let path = bed.root.blocks().join("ippool/blue.json");
    std::fs::write(&path, "{").unwrap();
    assert!(bed.stand_without().unwrap().starts_with("InUse: the pool is gone; "));
    assert!(path.exists());
    bed.release_all();
    assert_eq!((bed.stand_without(), path.exists()), (None, false));
}

#[test]
fn who_only_looks_writes_nothing() {
    let mut bed = Bed::new();
    bed.stand(TEN);
    let before = file(&bed);
    let looking = Directory { writes: false, ..bed.claims() };
    let pool = "ippool/blue".parse().unwrap();
    let release = looking.release(&pool, Unasked::Gone).unwrap();
    assert!(matches!(release, Release::Retained { retired: false, .. }));
    bed.stand_without();
    let noted = file(&bed);
    assert_ne!(noted, before);
    let later = Directory { writes: false, ..bed.after(360).claims() };
    assert_eq!(later.release(&pool, Unasked::Gone).unwrap(), Release::Released);
    assert_eq!(file(&bed), noted);
    assert!(!bed.root.store().exists(), "nor is a store made to ask it for leases");
}
