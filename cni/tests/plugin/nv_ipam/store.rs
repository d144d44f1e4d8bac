//! The store as it stands, between the calls of a test.

use std::collections::BTreeMap;
use std::sync::Mutex;

use ipam::{Root, Store, StoreError};

/// A process opens only one store of a path at a time, and each test has its own at the same one.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// Who holds which addresses, of all pools. A store that was lost, or is damaged, fails the test.
#[track_caller]
pub(super) fn held() -> BTreeMap<String, Vec<String>> {
    let (leases, loss) = {
        // A test that failed while it looked has left nothing half done.
        let _guard = ONE_AT_A_TIME.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let store = Store::open(&Root::system()).unwrap();
        store.read(|txn| Ok::<_, StoreError>((txn.leases()?, txn.loss()?))).unwrap()
    };
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
