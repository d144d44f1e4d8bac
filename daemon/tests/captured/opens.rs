//! What a look at the host asks of the kernel: how often it opens what it reads, and that it makes nothing.

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;

use ipam::{Root, Store, StoreError};

use crate::machine::{Machine, policy};

/// A value read twice is two values: the second may be another one, and a big host pays for it.
#[test]
fn no_file_is_read_twice() {
    let machine = Machine::new();
    for (bus, name) in [(1, "enp1s0"), (2, "enp2s0")] {
        machine.igb(bus, name, 7);
    }
    machine.objects("net.yaml", &policy("net", "enp1s0, enp2s0", 7, ""));
    let opened = opened(&machine, &["plan"]);
    assert!(opened.len() > 100, "strace saw nothing: {opened:?}");
    let twice: Vec<_> = opened.iter().filter(|(_, times)| **times > 1).collect();
    assert_eq!(twice, []);
}

/// Where containers were attached there is a store, and a look reads it.
#[test]
fn a_look_beside_a_store_makes_nothing() {
    let machine = Machine::new();
    machine.igb(1, "enp1s0", 2);
    machine.objects("net.yaml", &policy("net", "enp1s0", 2, ""));
    let store = Store::open(&Root::at(machine.root())).unwrap();
    store.write(|_| Ok::<_, StoreError>(())).unwrap();
    let makes = "trace=/^(open|mkdir|rename|link|unlink|symlink|pwrite|ftruncate|truncate|chmod)";
    let log = traced(&machine, makes, &["plan"]);
    let root = machine.root().to_str().unwrap();
    let of_machine: Vec<&str> = log.lines().filter(|line| line.contains(root)).collect();
    assert!(of_machine.iter().any(|line| line.contains("state.mdb")), "{of_machine:#?}");
    let makes: Vec<_> = of_machine.iter().filter(|line| !line.contains(" open")).collect();
    assert!(makes.is_empty(), "{makes:#?}");
}

/// Every file, and how often it was opened; without directories.
fn opened(machine: &Machine, arguments: &[&str]) -> BTreeMap<String, usize> {
    let text = traced(machine, "trace=open,openat", arguments);
    let root = machine.root().to_str().unwrap();
    let mut opened = BTreeMap::new();
    for line in text.lines().filter(|line| !line.contains("O_DIRECTORY")) {
        let path = line.split('"').nth(1).unwrap_or_default();
        let is_there = !line.contains("ENOENT");
        if let (Some(path), true) = (path.strip_prefix(root), is_there) {
            *opened.entry(path.to_owned()).or_default() += 1;
        }
    }
    opened
}

/// What strace logs of these calls while `railhead` looks at the machine.
fn traced(machine: &Machine, calls: &str, arguments: &[&str]) -> String {
    let log = machine.path("strace.log");
    let ran = Command::new("strace")
        .args(["-f", "-qq", "-y", "-e", calls, "-o"])
        .arg(&log)
        .args([env!("CARGO_BIN_EXE_railhead"), "--root"])
        .arg(machine.root())
        .args(arguments)
        .output()
        .unwrap();
    assert!(ran.status.success(), "{ran:?}");
    fs::read_to_string(&log).unwrap()
}
