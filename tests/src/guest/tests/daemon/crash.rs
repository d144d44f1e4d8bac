//! SIGKILL in the middle: whoever comes next finishes, or undoes.

use std::fs;
use std::path::Path;
use std::time::Duration;

use super::markers::{addresses, markers};
use super::{
    assert_in_force, drivers, drop_and_wait, drop_policy, first_pass, is_up, mtu, put_policy, undo,
};
use crate::guest::Test;
use crate::guest::host::pf;
use crate::guest::program::Program;
use crate::guest::railhead::{Daemon, railhead};
use crate::guest::wait::wait_for;

pub(super) const TESTS: &[Test] = &[
    ("daemon::crash::a_killed_apply_is_finished_by_the_next", a_killed_apply_is_finished),
    ("daemon::crash::a_killed_apply_can_be_undone", a_killed_apply_can_be_undone),
    ("daemon::crash::a_hundred_kills_at_any_moment", a_hundred_kills),
    ("daemon::crash::the_last_change_counts", the_last_change_counts),
];

fn put() {
    put_policy("net", "enp1s0#0-0", 2, "  mtu: 4000\n");
    put_policy("vms", "enp1s0#1-1", 2, "  deviceType: vfio-pci\n");
}

/// Kills an apply after `millis`. The children of a write that is under way end on their own.
fn killed_after(millis: u64) {
    let apply = Program::new("railhead apply").start();
    std::thread::sleep(Duration::from_millis(millis));
    drop(apply);
}

/// From before the first step to after the last, at moments that hit all kinds of steps.
const MOMENTS: [u64; 5] = [60, 250, 600, 1000, 1600];

fn a_killed_apply_is_finished() {
    for moment in MOMENTS {
        put();
        killed_after(moment);
        railhead("apply").ok();
        assert_in_force();
        assert_eq!(drivers(&pf(0)), ["igbvf", "vfio-pci"], "{moment} ms");
        assert_eq!(markers(), addresses(&pf(0)), "{moment} ms");
        drop_policy("vms");
        undo("net");
        assert_eq!((pf(0).num_vfs(), markers()), (0, Vec::new()), "{moment} ms");
    }
}

fn a_killed_apply_can_be_undone() {
    for moment in MOMENTS {
        put();
        killed_after(moment);
        drop_policy("vms");
        undo("net");
        let pf = pf(0);
        assert_eq!((pf.num_vfs(), markers()), (0, Vec::new()), "{moment} ms");
        assert_eq!(pf.attribute("sriov_drivers_autoprobe"), "1", "{moment} ms");
        assert_eq!((mtu(&pf.name), is_up(&pf.name)), (1500, false), "{moment} ms");
    }
}

const ROUNDS: u64 = 100;

/// Each round asks for something else than the one before, and is killed at a moment of its own; what it has left of
/// that is where the next begins. Drivers and MTUs change most often, since making VFs takes longest.
fn a_hundred_kills() {
    let pf = pf(0);
    let mut random: u64 = 0x5eed;
    let directories = ["/run/railhead/journal", "/var/lib/railhead/objects", "/var/lib/railhead"];
    let mut seen = directories.map(|directory| (directory, 0));
    for round in 0..ROUNDS {
        // Knuth's MMIX; the high bits are the good ones.
        random =
            random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let dice = random >> 33;
        let count = if round % 20 < 17 { 2 } else { 1 };
        let kind = if round % 2 == 0 { "netdevice" } else { "vfio-pci" };
        put_policy(
            "net",
            "enp1s0",
            count,
            &format!("  mtu: {}\n  deviceType: {kind}\n", 1600 + round),
        );
        killed_after(40 + dice % 500);
        for (directory, seen) in &mut seen {
            *seen += assert_all_json(Path::new(directory), round);
        }
        if round % 25 == 24 {
            railhead("apply").ok();
            assert_in_force();
            assert_eq!(pf.num_vfs(), count, "round {round}");
            assert_eq!(markers(), addresses(&pf), "round {round}");
        }
    }
    // A directory need not be there after an early kill, but after most it is.
    assert!(seen.iter().all(|(_, files)| *files > ROUNDS / 2), "{seen:?}");
    undo("net");
    assert_eq!((pf.num_vfs(), mtu("enp1s0"), is_up("enp1s0")), (0, 1500, false));
    assert_eq!(pf.attribute("sriov_drivers_autoprobe"), "1");
}

/// Whatever the kill left: no file is half written, and none was set aside as damaged. Gives how many files there are.
pub(super) fn assert_all_json(directory: &Path, round: u64) -> u64 {
    let mut files = 0;
    for file in fs::read_dir(directory).into_iter().flatten().flatten() {
        let path = file.path();
        let name = file.file_name().to_string_lossy().into_owned();
        assert!(!name.contains("damaged"), "round {round}: {name}");
        // What begins with a dot was never in force.
        if name.ends_with(".json") && !name.starts_with('.') {
            let bytes = fs::read(&path).expect("read a state file");
            let parsed = serde_json::from_slice::<serde_json::Value>(&bytes);
            assert!(parsed.is_ok(), "round {round}: {}: {parsed:?}", path.display());
            files += 1;
        }
    }
    files
}

/// Objects that change, and go, while the daemon works on what they were before.
fn the_last_change_counts() {
    let daemon = Daemon::start();
    first_pass();
    let pf = pf(0);
    put_policy("net", "enp1s0", 3, "");
    wait_for("the daemon to be at it", || {
        (pf.attribute("sriov_drivers_autoprobe") == "0").then_some(())
    });
    put_policy("net", "enp1s0", 1, "");
    wait_for("the last change", || {
        (pf.num_vfs() == 1 && railhead("plan --exit-code").status == 0).then_some(())
    });
    put_policy("net", "enp1s0", 2, "");
    wait_for("the daemon to be at it", || {
        (pf.attribute("sriov_drivers_autoprobe") == "0").then_some(())
    });
    drop_and_wait("net");
    wait_for("it all to be undone", || (pf.num_vfs() == 0 && !is_up("enp1s0")).then_some(()));
    let status = railhead("status -o json").ok().json();
    assert_eq!(status["pfs"], serde_json::json!([]));
    daemon.stop().ok();
}
