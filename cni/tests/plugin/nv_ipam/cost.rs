//! What a verb costs: programs started, syncs, and how often the store's files are opened and written to.

use std::fs;
use std::ops::RangeInclusive;

use serde_json::json;

use super::{add, call};
use crate::bed::{block, isolated};

/// What a verb was seen to do to the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Cost {
    /// Files of the store that were opened.
    opens: usize,
    /// Calls that wrote to one.
    writes: usize,
    /// Those that made a transaction valid: LMDB writes 120 bytes into a meta page.
    commits: usize,
}

/// One transaction, whose writes grow with the depth of the tree and not with the number of leases; nothing to change is
/// nothing written. How many pages there are, and which are neighbours, depends on how long paths are.
#[test]
fn a_verb_writes_once_and_syncs_never() {
    isolated(|| {
        block(250);
        // The first of all makes the store.
        add("by-0");
        for held in [1, 20, 200] {
            (0..held).for_each(|number| drop(add(&format!("by-{number}"))));
            let unchanged = Cost { opens: OPENS, ..Cost::default() };
            for verb in ["ADD", "DEL"] {
                let cost_of_change = cost(verb);
                let Cost { opens, writes, commits } = cost_of_change;
                assert_eq!((opens, commits), (OPENS, 1), "{verb}, {held} held");
                assert!(WRITES.contains(&writes), "{verb}, {held} held: {cost_of_change:?}");
                assert_eq!(cost(verb), unchanged, "{verb} again, {held} held");
            }
        }
    });
}

/// The lock, and the store's file: to look at it, and twice by LMDB.
const OPENS: usize = 4;

/// One for the meta page, one for the stamp in the lock, and one for each run of neighbouring pages: of the tree's two or
/// three levels along a handful of keys, and of the list of free pages.
const WRITES: RangeInclusive<usize> = 3..=10;

/// What the verb does for the container `c1`. It starts no program and syncs nothing.
#[track_caller]
fn cost(verb: &str) -> Cost {
    let log = "/run/trace";
    let strace = ["strace", "-f", "-qq", "-y", "-o", log];
    call(verb, "c1", json!({})).under(&strace).run().ok();
    let log = fs::read_to_string(log).unwrap();
    let mut cost = Cost::default();
    for line in log.lines() {
        let Some((name, arguments)) =
            line.split_once(' ').and_then(|(_, call)| call.trim().split_once('('))
        else {
            continue;
        };
        let starts = matches!(name, "fork" | "vfork" | "clone" | "clone3" | "execveat")
            && !arguments.contains("CLONE_THREAD");
        assert!(!starts && !name.contains("sync"), "{verb}: {line}");
        let of_store = arguments.contains("/run/railhead/store/");
        cost.opens += usize::from(name == "openat" && of_store);
        if of_store && ["write", "pwrite64", "writev", "pwritev", "ftruncate"].contains(&name) {
            cost.writes += 1;
            cost.commits +=
                usize::from(arguments.contains("state.mdb>") && line.ends_with("= 120"));
        }
    }
    assert_eq!(log.matches("execve(").count(), 1, "{verb}");
    cost
}
