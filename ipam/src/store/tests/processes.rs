//! Many processes on one store, and processes that are killed.
//!
//! The test binary runs itself again: with `IPAM_CHILD` set, the test [`child`] is not a test but
//! such a process, and writes what it did to a log that its parent reads.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::allocate::tests::assert_sound;
use crate::allocate::{AllocateError, Wish, allocate};
use crate::clock::BootTime;
use crate::paths::Root;
use crate::specimen::{Scratch, block, identity, owner};
use crate::store::Store;

/// Directory, name of the process, containers it cycles through, rounds (0: until killed).
const CHILD: &str = "IPAM_CHILD";

fn spawn(root: &Path, name: &str, containers: usize, rounds: usize) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "store::tests::processes::child", "--test-threads", "1"])
        .env(CHILD, format!("{} {name} {containers} {rounds}", root.display()))
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}

/// Not a test of its own: the body of a process that the others start.
#[test]
fn child() {
    let Ok(order) = std::env::var(CHILD) else { return };
    let [root, name, containers, rounds] = *order.split(' ').collect::<Vec<_>>() else {
        panic!("{order}");
    };
    let store = Store::open(&Root::at(root)).unwrap();
    // Some keep it open, others do not.
    let keeps_open = name.ends_with(['1', '3', '5', '7', '9']);
    let store = if keeps_open { store.keep_open() } else { store };
    let mut log = log(Path::new(root), name);
    let containers: usize = containers.parse().unwrap();
    let rounds: usize = rounds.parse().unwrap();
    let mut round = 0;
    while rounds == 0 || round < rounds {
        for number in 0..containers {
            work(&store, &mut log, &format!("{name}-{number}"), round % 2 == 0);
        }
        round += 1;
    }
}

/// One ADD or DEL, announced before and acknowledged after, each in one write.
fn work(store: &Store, log: &mut File, container: &str, add: bool) {
    let now = BootTime::now().unwrap();
    let mut say = |text: String| log.write_all(text.as_bytes()).unwrap();
    if add {
        say(format!("{container} adding\n"));
        let block = block("10.0.0.0/16", "10.0.0.1", "10.0.255.254");
        let identity = identity(container);
        let grant = store
            .write(|txn| allocate(txn, &block, Wish::Any, &identity, now, Duration::ZERO))
            .unwrap_or_else(|error: AllocateError| panic!("{error:?}"));
        say(format!("{container} added {}\n", grant.address));
    } else {
        say(format!("{container} deleting\n"));
        store.write(|txn| txn.release(&owner(container), now)).unwrap();
        say(format!("{container} deleted\n"));
    }
}

fn log(root: &Path, name: &str) -> File {
    OpenOptions::new().create(true).append(true).open(root.join(format!("{name}.log"))).unwrap()
}

/// The last word of a log about each of its containers.
fn last_words(root: &Path, name: &str) -> BTreeMap<String, String> {
    let log = std::fs::read_to_string(root.join(format!("{name}.log"))).unwrap_or_default();
    log.lines()
        .filter_map(|line| line.split_once(' '))
        .map(|(container, word)| (container.to_owned(), word.to_owned()))
        .collect()
}

/// What the store holds, by container.
fn held(scratch: &Scratch) -> BTreeMap<String, String> {
    let leases = scratch.read(|txn| {
        assert_sound(txn);
        txn.leases()
    });
    let addresses: BTreeSet<_> = leases.iter().map(|lease| lease.address).collect();
    assert_eq!(addresses.len(), leases.len());
    leases
        .iter()
        .map(|lease| (lease.owner.container.to_string(), lease.address.to_string()))
        .collect()
}

/// What was acknowledged is so; what was begun either happened or did not.
fn assert_acknowledged(scratch: &Scratch, names: &[String]) {
    let held = held(scratch);
    for name in names {
        for (container, word) in last_words(scratch.root.path(), name) {
            match word.strip_prefix("added ") {
                Some(address) => {
                    assert_eq!(held.get(&container).map(String::as_str), Some(address))
                }
                None => assert!(word != "deleted" || !held.contains_key(&container), "{container}"),
            }
        }
    }
}

#[test]
fn thirty_two_processes_at_once() {
    let scratch = Scratch::new();
    // Nobody has made the store yet: they race for that as well.
    scratch.forget();
    let names: Vec<String> = (0..32).map(|number| format!("p{number}")).collect();
    let children: Vec<Child> =
        names.iter().map(|name| spawn(scratch.root.path(), name, 8, 5)).collect();
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
    assert_eq!(scratch.store.loss().unwrap(), None);
    assert_acknowledged(&scratch, &names);
    assert_eq!(held(&scratch).len(), 32 * 8);
}

#[test]
fn scenario_65_a_hundred_of_the_same_add_get_the_same_address() {
    let scratch = Scratch::new();
    let block = block("10.0.0.0/16", "10.0.0.1", "10.0.255.254");
    let now = BootTime::now().unwrap();
    let granted: Vec<_> = std::thread::scope(|scope| {
        let adds: Vec<_> = (0..100)
            .map(|_| {
                scope.spawn(|| {
                    let identity = identity("same");
                    scratch
                        .store
                        .write(|txn| {
                            allocate(txn, &block, Wish::Any, &identity, now, Duration::ZERO)
                        })
                        .unwrap_or_else(|error: AllocateError| panic!("{error:?}"))
                })
            })
            .collect();
        adds.into_iter().map(|add| add.join().unwrap().address).collect()
    });
    assert!(granted.iter().all(|address| *address == granted[0]));
    assert_eq!(held(&scratch).len(), 1);
}

#[test]
fn makers_that_are_killed_leave_a_store_or_none() {
    let mut state = 11;
    for _ in 0..100 {
        let scratch = Scratch::new();
        scratch.forget();
        let children = ["a", "b"].map(|name| spawn(scratch.root.path(), name, 1, 0));
        for mut child in children {
            std::thread::sleep(Duration::from_micros(next(&mut state) % 8000));
            child.kill().unwrap();
            child.wait().unwrap();
        }
        let store = Store::open(&scratch.root).unwrap();
        assert_eq!(store.loss().unwrap(), None);
        assert_acknowledged(&scratch, &["a".to_owned(), "b".to_owned()]);
    }
}

/// Numbers that look random and are the same every time.
fn next(state: &mut u64) -> u64 {
    *state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
    *state >> 33
}

#[test]
fn a_thousand_kills_lose_and_double_nothing() {
    const KILLS: usize = 1000;
    const AT_ONCE: usize = 8;
    let scratch = Scratch::new();
    let mut state = 7;
    let mut names = Vec::new();
    let mut within = 0;
    for _ in 0..KILLS / AT_ONCE {
        let children: Vec<(String, Child)> = (0..AT_ONCE)
            .map(|_| {
                let name = format!("k{}", names.len());
                names.push(name.clone());
                (name.clone(), spawn(scratch.root.path(), &name, 3, 0))
            })
            .collect();
        for (name, mut child) in children {
            // On a slow machine too it is at work when it is killed, not still starting.
            while last_words(scratch.root.path(), &name).is_empty() {
                assert_eq!(child.try_wait().unwrap(), None);
                std::thread::yield_now();
            }
            std::thread::sleep(Duration::from_micros(next(&mut state) % 3000));
            child.kill().unwrap();
            child.wait().unwrap();
        }
        assert_acknowledged(&scratch, names.get(names.len() - AT_ONCE..).unwrap());
    }
    assert_eq!(scratch.store.loss().unwrap(), None);
    for name in &names {
        within += last_words(scratch.root.path(), name)
            .values()
            .filter(|word| *word == "adding" || *word == "deleting")
            .count();
    }
    assert!(within > KILLS / 4, "only {within} kills came within an ADD or DEL");
    // Whatever is left belongs to a container whose DEL gives it back.
    let left = held(&scratch);
    let now = BootTime::now().unwrap();
    for container in left.keys() {
        assert_eq!(scratch.write(|txn| txn.release(&owner(container), now)).len(), 1);
    }
    assert!(held(&scratch).is_empty());
}
