//! The table of attributes in the documents.

use std::collections::{BTreeMap, BTreeSet};

const DOCUMENT: &str = include_str!("../../../../../../../docs/cni-sriov.md");

/// The head of the table.
const HEAD: &str = "| told by | attributes | restored |";

/// What becomes of an attribute when its pod is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Restored {
    /// It is no setting: it tells what the interface is, where it is, or what happened.
    Nothing,
    /// Set back by netlink.
    Set,
    /// Gone with the move to another namespace, by the kernel.
    Move,
    /// The driver is bound anew.
    Anew,
}

/// All attributes that the table has.
#[derive(Debug)]
pub(super) struct Attributes(BTreeMap<String, Restored>);

impl Attributes {
    /// As the document has them.
    #[track_caller]
    pub(super) fn documented() -> Self {
        let rows = DOCUMENT.lines().skip_while(|line| *line != HEAD).skip(2);
        let mut attributes = BTreeMap::new();
        for row in rows.take_while(|line| line.starts_with('|')) {
            let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
            let [source, names, restored] = cells[..] else { panic!("three cells: {row}") };
            let restored = [
                ("no setting", Restored::Nothing),
                ("set back", Restored::Set),
                ("by the move", Restored::Move),
                ("bound anew", Restored::Anew),
            ]
            .iter()
            .find(|(words, _)| restored.starts_with(words))
            .unwrap_or_else(|| panic!("an unknown word: {row}"))
            .1;
            let source = source.trim_matches('`');
            for name in names.split('`').skip(1).step_by(2) {
                let earlier = attributes.insert(format!("{source} {name}"), restored);
                assert_eq!(earlier, None, "{source} {name} is there twice");
            }
        }
        assert!(!attributes.is_empty(), "the document has no table that begins with {HEAD}");
        Self(attributes)
    }

    pub(super) fn of(&self, name: &str) -> Restored {
        self.0.get(name).copied().unwrap_or_else(|| panic!("the table has no {name}"))
    }

    /// Those that are in the table and not among `seen`, and the other way round.
    pub(super) fn differing<'a>(&self, seen: impl Iterator<Item = &'a String>) -> Vec<String> {
        let seen: BTreeSet<&String> = seen.collect();
        let only_in_table = self.0.keys().filter(|name| !seen.contains(name));
        let missing = seen.iter().filter(|name| !self.0.contains_key(**name));
        let only_in_table = only_in_table.map(|name| format!("nobody sees {name}"));
        only_in_table.chain(missing.map(|name| format!("not in the table: {name}"))).collect()
    }
}
