//! SIGKILL at every single system call of a verb, one after the other.
//!
//! The call at which the signal comes is not carried out, so each run is a kill right after the
//! call before it.

use std::collections::BTreeMap;
use std::fs;

use serde_json::{Value, json};

use super::store::{held, no_cooldown};
use super::{add, call};
use crate::bed::{Call, block, isolated, save};

/// Runs `verb` as often as it has system calls, each time after `prepare`, and kills it at the
/// first of them, at the second, and so on. What it has done by then is looked at by `look`, which
/// gets what was prepared.
#[expect(clippy::print_stdout, reason = "a test that fails shows at which call it was")]
fn killed_at_every_call<T>(prepare: impl Fn() -> T, verb: impl Fn() -> Call, look: impl Fn(T)) {
    let prepared = prepare();
    let calls = system_calls(verb());
    look(prepared);
    let mut killed = 0;
    for (name, number) in &calls {
        let prepared = prepare();
        let inject = format!("inject={name}:signal=KILL:when={number}");
        let run = verb().under(&["strace", "-f", "-qq", "-o", "/dev/null", "-e", &inject]);
        let output = run.start().wait_with_output().unwrap();
        println!("{name} {number}: {}", output.status);
        killed += usize::from(output.status.code().is_none());
        look(prepared);
    }
    // Few calls are made in one run and not in another.
    assert!(killed > 40 && killed + 5 > calls.len(), "{killed} kills at {} calls", calls.len());
}

/// The system calls of the program's first thread: which one, and the how manyeth of its name.
fn system_calls(verb: Call) -> Vec<(String, usize)> {
    let log = "/run/trace";
    verb.under(&["strace", "-f", "-qq", "-o", log]).start().wait().unwrap();
    let log = fs::read_to_string(log).unwrap();
    let lines: Vec<(&str, &str)> = log.lines().filter_map(|line| line.split_once(' ')).collect();
    let thread = lines[0].0;
    let mut numbers: BTreeMap<&str, usize> = BTreeMap::new();
    let mut calls = Vec::new();
    for (_, line) in lines.into_iter().filter(|(pid, _)| *pid == thread) {
        let Some((name, _)) = line.trim_start().split_once('(') else { continue };
        if name.chars().all(|letter| letter.is_alphanumeric() || letter == '_') {
            let number = numbers.entry(name).or_default();
            *number += 1;
            calls.push((name.to_owned(), *number));
        }
    }
    calls
}

/// Two containers whose addresses nothing may touch.
fn bystanders() -> BTreeMap<String, Vec<String>> {
    ["by-1", "by-2"].map(|container| (container.to_owned(), vec![add(container)])).into()
}

/// The bystanders hold what they held, and nobody else holds anything but `victim`: what it holds.
#[track_caller]
fn held_beside(bystanders: &BTreeMap<String, Vec<String>>, victim: &str) -> Vec<String> {
    let mut held = held();
    let of_victim = held.remove(victim).unwrap_or_default();
    assert_eq!(held, *bystanders);
    of_victim
}

/// ADD gives the victim addresses that nobody has, the same ones each time, and DEL frees them.
#[track_caller]
fn comes_and_goes(bystanders: &BTreeMap<String, Vec<String>>, keys: &Value) {
    let added = || call("ADD", "victim", keys.clone()).run().ok();
    let first = added();
    assert_eq!(added(), first);
    assert_eq!(
        held_beside(bystanders, "victim").len(),
        first["ips"].as_array().unwrap().len(),
        "{first}"
    );
    call("DEL", "victim", keys.clone()).run().ok();
    assert_eq!(held_beside(bystanders, "victim"), [""; 0]);
}

/// The store does not exist yet.
#[test]
fn of_the_first_add() {
    isolated(|| {
        block(9);
        killed_at_every_call(
            || fs::remove_dir_all("/run/railhead").ok(),
            || call("ADD", "victim", json!({})),
            |_| comes_and_goes(&BTreeMap::new(), &json!({})),
        );
    });
}

#[test]
fn of_an_add_beside_others() {
    isolated(|| {
        block(9);
        no_cooldown();
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
        block(9);
        save(&json!({
            "pool": "ippool/six", "first": "fd00::1", "last": "fd00::9", "network": "fd00::/64",
        }));
        no_cooldown();
        let others = bystanders();
        let two = json!({"ipam": {"type": "nv-ipam", "poolName": "blue,six"}});
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
        block(9);
        no_cooldown();
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
        block(9);
        no_cooldown();
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
                fs::remove_dir_all("/run/railhead").ok();
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
