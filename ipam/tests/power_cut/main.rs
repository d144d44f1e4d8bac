//! A block on disk after a power cut: for every system call that writing one makes, and for
//! everything that a disk may have kept of the calls before it, the block is the old one or the
//! new one, whole; and what was acknowledged is there.
//!
//! A process writes and removes a block under strace; the calls are then replayed on a model of a
//! disk that keeps nothing that was not synced, or any part of it (see [`disk`]).

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test tells by panicking")]

mod disk;

use std::path::Path;
use std::process::{Command, Stdio};

use conf::block::NodeBlock;
use disk::{Disk, Found};
use ipam::{Root, blocks};

/// The root in which the test binary, run again, is to work.
const CHILD: &str = "POWER_CUT_ROOT";

fn block(gateway: Option<&str>) -> NodeBlock {
    let range = serde_json::json!({"first": "10.0.0.1", "last": "10.0.0.4"});
    serde_json::from_value(serde_json::json!({
        "version": 1, "pool": "ippool/blue", "index": 0, "range": range, "static_range": range,
        "network": "10.0.0.0/24", "gateway": gateway, "default_gateway": false, "routes": [],
        "exclusions": [],
    }))
    .unwrap()
}

/// Not a test of its own: the body of the process that is traced. Each acknowledgement is a
/// directory, so that it stands among the calls.
#[test]
fn child() {
    let Some(path) = std::env::var_os(CHILD) else { return };
    let root = Root::at(&path);
    let acknowledge = |what: &str| std::fs::create_dir(Path::new(&path).join(what)).unwrap();
    for (at, block) in [block(None), block(Some("10.0.0.1"))].iter().enumerate() {
        assert!(blocks::save(&root, block).unwrap());
        acknowledge(&format!("ack-{at}"));
    }
    assert!(!blocks::save(&root, &block(Some("10.0.0.1"))).unwrap());
    assert!(blocks::remove(&root, &block(None).pool).unwrap());
    acknowledge("ack-2");
}

#[test]
fn a_block_is_old_or_new_after_a_power_cut_at_any_call() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().join("root");
    std::fs::create_dir(&root).unwrap();
    let trace = directory.path().join("trace");
    let status = Command::new("strace")
        .args(["-f", "-qq", "-y", "-s", "0", "-o"])
        .arg(&trace)
        .args([
            "-e",
            "trace=/^(open|creat|mkdir|write|pwrite|rename|link|unlink|fsync|fdatasync|ftruncate)",
        ])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "child", "--test-threads", "1"])
        .env(CHILD, &root)
        .stdout(Stdio::null())
        .status()
        .unwrap();
    assert!(status.success());
    let trace = std::fs::read_to_string(&trace).unwrap();

    let mut disk = Disk::new(&root);
    // What may be found: what was acknowledged last, and what is being written.
    let phases = [(0, 1), (1, 2), (2, 0)];
    let (mut phase, mut cuts) = (0, 0);
    let target = root.join("var/lib/railhead/blocks/ippool/blue.json");
    for line in trace.lines() {
        if line.contains("/ack-") {
            let (_, new) = phases[phase];
            let all = disk.after_a_cut(&target);
            assert!(all.iter().all(|found| *found == version(new)), "{line}\n{all:?}, not {new}");
            phase += 1;
            continue;
        }
        disk.apply(line);
        let Some((old, new)) = phases.get(phase) else { break };
        for found in disk.after_a_cut(&target) {
            cuts += 1;
            let fits = found == version(*old) || found == version(*new);
            assert!(fits, "after {line}: {found:?}, not {old} or {new}");
        }
    }
    assert_eq!(phase, phases.len(), "all was acknowledged");
    assert!(cuts > 50, "{cuts} states are not all that there are\n{trace}");
}

/// The `number`th block that was written, from 1; none is 0.
fn version(number: usize) -> Found {
    if number == 0 { Found::Nothing } else { Found::Whole(number) }
}
