//! Which addresses containers have for sure, in the words of their runtimes.

use std::collections::BTreeMap;
use std::sync::Mutex;

/// Address, and the container that has it.
#[derive(Default)]
pub(super) struct Book(Mutex<BTreeMap<String, String>>);

impl Book {
    /// A runtime was told that `container` has `address`: nobody else has.
    #[track_caller]
    pub(super) fn write(&self, address: &str, container: &str) {
        let before = self.0.lock().unwrap().insert(address.to_owned(), container.to_owned());
        let is_free = before.as_deref().is_none_or(|holder| holder == container);
        assert!(is_free, "{address} is {container}'s, and {before:?} has it");
    }

    /// A runtime is about to give `address` back, so it may be anybody's.
    pub(super) fn strike(&self, address: &str) {
        self.0.lock().unwrap().remove(address);
    }
}
