//! `apply`, `boot` and the undo of a trial on a terminal: a step that fails, Ctrl-C at any moment, a window of any size
//! that changes its size, a line that is lost.

use std::path::Path;
use std::time::Duration;

use super::{assert_in_force, put_policy, undo};
use crate::guest::Test;
use crate::guest::host::{pf, put};
use crate::guest::program::{OnTerminal, Program};
use crate::guest::railhead::{policy, railhead};
use crate::guest::trace::Trace;
use crate::guest::wait::wait_for;

pub(super) const TESTS: &[Test] = &[
    ("daemon::terminal::a_failing_step_is_told_and_the_rest_goes_on", a_failing_step),
    ("daemon::terminal::ctrl_c_breaks_no_driver_and_leaves_a_terminal_in_order", ctrl_c),
    ("daemon::terminal::a_trial_is_kept_and_undone", a_trial_is_kept_and_undone),
];

/// More than any of it takes, and less than for ever.
const DEADLINE: Duration = Duration::from_secs(60);

/// Columns and rows. The first is a terminal that does not know its size.
const SIZES: [(u16, u16); 4] = [(0, 0), (20, 4), (80, 24), (5000, 60)];

const INTERRUPTED: i32 = -2;

/// The count of VFs of the PF `number` is answered like this by strace, or before the kernel has it.
fn tampering(number: usize, how: &str) -> Trace {
    let numvfs = format!("/sys/bus/pci/devices/{}/sriov_numvfs", pf(number).address);
    Trace::new("terminal").at(&numvfs).only("write").inject(&format!("write:{how}"))
}

/// A cursor that is hidden, another screen, a scrolling region: what a program that was interrupted leaves behind.
#[track_caller]
fn assert_in_order(seen: &str) {
    for (begun, ended) in [("\x1b[?25l", "\x1b[?25h"), ("\x1b[?1049h", "\x1b[?1049l")] {
        assert!(seen.matches(begun).count() <= seen.matches(ended).count(), "{seen:?}");
    }
}

fn a_failing_step() {
    let refusing = tampering(0, "error=ENOMEM");
    for (verb, (columns, rows)) in
        [("apply", SIZES[0]), ("apply", SIZES[1]), ("boot", SIZES[2]), ("apply", SIZES[3])]
    {
        put_policy("net", "enp1s0, enp2s0", 1, "");
        let program = Program::new(&format!("railhead {verb}")).under(&refusing.command());
        let shown = program.on_terminal(columns, rows);
        shown.resize(33, 7);
        let (status, seen) = shown.finish(DEADLINE);
        assert_eq!(status, 1, "{verb}: {seen}");
        // Once while it works, and once in the result.
        assert!(seen.matches("create 1 VF").count() >= 2, "{verb}: {seen:?}");
        assert!(seen.matches("Out of memory").count() >= 2, "{verb}: {seen:?}");
        assert_in_order(&seen);
        assert_eq!((pf(0).num_vfs(), pf(1).num_vfs()), (0, 1), "{verb}");
        undo("net");
    }
}

/// The write that a driver has in hand goes on: a signal in the middle would break its probe. What is not done by then is
/// done by whoever comes next.
fn ctrl_c() {
    // Before the kernel has it, and after.
    for moment in ["delay_enter=2000000", "delay_exit=2000000"] {
        put_policy("net", "enp1s0", 3, "");
        let slow = tampering(0, moment);
        let mut shown = Program::new("railhead apply").under(&slow.command()).on_terminal(80, 24);
        shown.wait_for("create 3 VFs");
        shown.types("\x03");
        let (status, seen) = shown.finish(DEADLINE);
        assert_eq!(status, INTERRUPTED, "{moment}: {seen:?}");
        assert_in_order(&seen);
        wait_for("the write that was begun", || (pf(0).num_vfs() == 3).then_some(()));
        in_the_end(3);
    }
    // As it starts, as it looks, as it tells.
    for pause in [0, 20, 60, 150, 400, 1000] {
        put_policy("net", "enp1s0", 1, "");
        let mut shown = Program::new("railhead apply").on_terminal(80, 24);
        std::thread::sleep(Duration::from_millis(pause));
        shown.types("\x03");
        let (status, seen) = shown.finish(DEADLINE);
        assert!([0, INTERRUPTED].contains(&status), "after {pause} ms: {status}, {seen:?}");
        assert_in_order(&seen);
        in_the_end(1);
    }
}

/// The next `apply` gets there, and leaves nothing behind when the policy is gone.
#[track_caller]
fn in_the_end(vfs: u16) {
    wait_for("an apply that is not in the way of what goes on", || {
        (railhead("apply").status == 0).then_some(())
    });
    assert_in_force();
    assert_eq!(pf(0).num_vfs(), vfs);
    undo("net");
}

fn a_trial_is_kept_and_undone() {
    put_policy("net", "enp1s0", 1, "");
    railhead("apply").ok();
    put("/root/set/net.yaml", &policy("net", "enp1s0", 1, ""));
    put("/root/set/new.yaml", &policy("new", "enp2s0", 1, ""));

    let mut shown = tried(Program::new(TRIAL), 30, 5);
    shown.resize(200, 50);
    shown.types("\r");
    let (status, seen) = shown.finish(DEADLINE);
    assert!(status == 0 && seen.contains("confirmed: these objects stay"), "{status} {seen:?}");
    assert_eq!(pf(1).num_vfs(), 1);
    undo("new");

    let mut shown = tried(Program::new(TRIAL), 80, 24);
    shown.types("\x03");
    let (status, seen) = shown.finish(DEADLINE);
    assert!(status == 1 && seen.contains("undone: the objects before are in force"), "{seen:?}");
    assert_undone();

    let mut shown = tried(Program::new(TRIAL), 0, 0);
    let strace = tampering(1, "error=EBUSY").attach(shown.pid());
    shown.types("\x03");
    let (status, seen) = shown.finish(DEADLINE);
    assert_eq!(status, 1, "{seen:?}");
    strace.finish(DEADLINE);
    assert!(seen.contains("Device or resource busy"), "{seen:?}");
    assert!(seen.contains("not all of it could be undone"), "{seen:?}");
    assert_in_order(&seen);
    railhead("apply").ok();
    assert_undone();

    let mut child = tried(Program::new(TRIAL), 80, 24).hang_up();
    wait_for("the process to end", || child.try_wait().expect("wait for a child"));
    assert_undone();
    undo("net");
}

const TRIAL: &str = "railhead apply -f /root/set --confirm 600s";

const RECORD: &str = "/var/lib/railhead/trial.json";

/// A trial that waits for somebody to confirm.
#[track_caller]
fn tried(program: Program, columns: u16, rows: u16) -> OnTerminal {
    let shown = program.on_terminal(columns, rows);
    shown.wait_for("undone in 59");
    assert_eq!(pf(1).num_vfs(), 1);
    shown
}

#[track_caller]
fn assert_undone() {
    assert_eq!((pf(0).num_vfs(), pf(1).num_vfs()), (1, 0));
    assert!(!Path::new(RECORD).exists());
    assert_in_force();
}
