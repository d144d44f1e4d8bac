//! SIGKILL in the middle: whoever comes next finishes, or undoes.

use std::time::Duration;

use super::{assert_in_force, drivers, drop_policy, put_policy, undo};
use crate::guest::Test;
use crate::guest::host::pf;
use crate::guest::program::Program;
use crate::guest::railhead::railhead;

pub(super) const TESTS: &[Test] = &[
    ("daemon::crash::a_killed_apply_is_finished_by_the_next", a_killed_apply_is_finished),
    ("daemon::crash::a_killed_apply_can_be_undone", a_killed_apply_can_be_undone),
    ("daemon::crash::a_refused_write_is_told_and_the_other_pf_goes_on", a_refused_write_is_told),
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
        drop_policy("vms");
        undo("net");
        assert_eq!(pf(0).num_vfs(), 0, "{moment} ms");
    }
}

fn a_killed_apply_can_be_undone() {
    for moment in MOMENTS {
        put();
        killed_after(moment);
        drop_policy("vms");
        undo("net");
        let pf = pf(0);
        assert_eq!(pf.num_vfs(), 0, "{moment} ms");
        assert_eq!(pf.attribute("sriov_drivers_autoprobe"), "1", "{moment} ms");
        assert_eq!((super::mtu(&pf.name), super::is_up(&pf.name)), (1500, false), "{moment} ms");
    }
}

/// The driver's answer is made up by strace, for this file alone.
fn a_refused_write_is_told() {
    put_policy("net", "enp1s0, enp2s0", 1, "");
    let pf = pf(0);
    let strace = format!(
        "strace -f -qq -o /tmp/refused -P /sys/bus/pci/devices/{}/sriov_numvfs -e trace=write -e inject=write:error=ENOMEM",
        pf.address
    );
    let refused = Program::new("railhead apply").under(&strace).run().failed_with(1);
    assert!(refused.stdout.contains("Out of memory"), "{refused}");
    assert_eq!((pf.num_vfs(), crate::guest::host::pf(1).num_vfs()), (0, 1));
    assert_eq!(pf.attribute("sriov_drivers_autoprobe"), "1");
    let status = railhead("status -o json").failed_with(1).json();
    assert_eq!(status["pfs"][1]["state"], "inForce");
    railhead("apply").ok();
    assert_in_force();
    undo("net");
}
