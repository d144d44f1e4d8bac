//! How often a look at the host opens what it reads.

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;

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

/// Every file, and how often it was opened; without directories.
fn opened(machine: &Machine, arguments: &[&str]) -> BTreeMap<String, usize> {
    let log = machine.path("strace.log");
    let ran = Command::new("strace")
        .args(["-f", "-qq", "-e", "trace=open,openat", "-o"])
        .arg(&log)
        .args([env!("CARGO_BIN_EXE_railhead"), "--root"])
        .arg(machine.root())
        .args(arguments)
        .output()
        .unwrap();
    assert!(ran.status.success(), "{ran:?}");
    let text = fs::read_to_string(&log).unwrap();
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
