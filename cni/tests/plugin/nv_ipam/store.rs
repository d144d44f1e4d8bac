//! The store as it stands, between the calls of a test.

use std::collections::BTreeMap;

use ipam::{Root, Store, StoreError};

use crate::bed::with_store;

/// Who holds which addresses, of all pools. A store that was lost, or is damaged, fails the test.
#[track_caller]
pub(super) fn held() -> BTreeMap<String, Vec<String>> {
    let read = |store: &Store| store.read(|txn| Ok::<_, StoreError>((txn.leases()?, txn.loss()?)));
    let (leases, loss) = with_store(read).unwrap();
    assert_eq!(loss, None);
    let mut held: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for lease in leases {
        let addresses = held.entry(lease.owner.container.to_string()).or_default();
        addresses.push(lease.address.to_string());
    }
    held
}

/// The bystanders hold what they held, and nobody else holds anything but `victim`: what it holds.
#[track_caller]
pub(super) fn held_beside(others: &BTreeMap<String, Vec<String>>, victim: &str) -> Vec<String> {
    let mut held = held();
    let of_victim = held.remove(victim).unwrap_or_default();
    assert_eq!(held, *others);
    of_victim
}

/// From now on an address that is given back need not rest.
pub(super) fn no_cooldown() {
    ipam::cooldown::save(&Root::system(), 0).unwrap();
}
