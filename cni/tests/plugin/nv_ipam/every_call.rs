//! SIGKILL at every single system call of a verb, one after the other.
//!
//! The call at which the signal comes is not carried out, so each run is a kill right after the
//! call before it.

use std::collections::BTreeMap;
use std::fs;

use serde_json::{Value, json};

use super::store::{held, held_beside};
use super::strace::at_every_call;
use super::{add, bystanders, call, comes_and_goes, two_pools};
use crate::bed::{Call, block, forget_as_a_boot_does, isolated};

/// Kills `verb` at each of its system calls; what it has done by then is looked at by `look`, which
/// gets what was prepared.
fn killed_at_every_call<T>(prepare: impl Fn() -> T, verb: impl Fn() -> Call, look: impl Fn(T)) {
    let mut killed = 0;
    let calls = at_every_call("signal=KILL", prepare, verb, |prepared, output| {
        killed += usize::from(output.status.code().is_none());
        look(prepared);
    });
    // Few calls are made in one run and not in another.
    assert!(killed > 40 && killed + 5 > calls, "{killed} kills at {calls} calls");
}

/// The store does not exist yet.
#[test]
fn of_the_first_add() {
    isolated(|| {
        block(9);
        killed_at_every_call(
            forget_as_a_boot_does,
            || call("ADD", "victim", json!({})),
            |_| comes_and_goes(&BTreeMap::new(), &json!({})),
        );
    });
}

#[test]
fn of_an_add_beside_others() {
    isolated(|| {
        let others = bystanders();
        killed_at_every_call(
            || (),
            || call("ADD", "victim", json!({})),
            |()| {
                assert!(held_beside(&others, "victim").len() <= 1);
                comes_and_goes(&others, &json!({}));
            },
        );
    });
}

/// Both addresses or none.
#[test]
fn of_an_add_of_two_pools() {
    isolated(|| {
        let others = bystanders();
        let two = two_pools();
        killed_at_every_call(
            || (),
            || call("ADD", "victim", two.clone()),
            |()| {
                assert!([0, 2].contains(&held_beside(&others, "victim").len()));
                comes_and_goes(&others, &two);
            },
        );
    });
}

#[test]
fn of_a_del() {
    isolated(|| {
        let others = bystanders();
        killed_at_every_call(
            || add("victim"),
            || call("DEL", "victim", json!({})),
            |before| {
                let left = held_beside(&others, "victim");
                assert!(left.is_empty() || left == [before], "{left:?}");
                comes_and_goes(&others, &json!({}));
            },
        );
    });
}

/// All that is stale or nothing of it.
#[test]
fn of_a_gc() {
    isolated(|| {
        let valid: Vec<Value> = ["by-1", "by-2"]
            .map(|container| json!({"containerID": container, "ifname": "net1"}))
            .into();
        let others = bystanders();
        killed_at_every_call(
            || ["stale-1", "stale-2"].map(add),
            || call("GC", "unused", json!({"cni.dev/valid-attachments": valid})),
            |stale| {
                let mut held = held();
                let [one, two] = ["stale-1", "stale-2"].map(|name| held.remove(name));
                assert_eq!(held, others);
                let both = [one, two].into_iter().flatten().flatten().collect::<Vec<_>>();
                assert!(both.is_empty() || both == stale, "{both:?}");
                for container in ["stale-1", "stale-2"] {
                    call("DEL", container, json!({})).run().ok();
                }
                comes_and_goes(&others, &json!({}));
            },
        );
    });
}

/// A damaged store is set aside and told of, however far that came: it is never taken for empty.
#[test]
fn of_the_add_that_finds_a_damaged_store() {
    isolated(|| {
        block(9);
        killed_at_every_call(
            || {
                forget_as_a_boot_does();
                add("before");
                fs::write("/run/railhead/store/state.mdb", "damaged").unwrap();
            },
            || call("ADD", "victim", json!({})),
            |()| {
                let told = call("ADD", "victim", json!({})).run().error(11);
                let lost = told.contains("set aside as") || told.contains("its file is gone");
                assert!(lost && told.contains("read back"), "{told}");
                call("DEL", "before", json!({})).run().ok();
            },
        );
    });
}
