//! From the kernel's start to VFs that are ready, by `railhead boot`, against the same by the kernel alone.
//!
//! The machine has been up for long when this is measured. So what it took until its first program ran is read from that
//! program, and what `railhead boot` takes is measured after what a reboot takes away was taken away.

use std::time::Duration;

use super::vfs::{by_the_kernel, seven};
use super::{Figure, median, set_down, set_up, time};
use crate::guest::host::{Pf, pf, read};
use crate::guest::railhead::{forget_as_a_boot_does, object, railhead, remove_object};

const RUNS: usize = 3;

pub(super) fn measure() -> Vec<Figure> {
    let pf = pf(0);
    let started = started();
    object("seven.yaml", &seven(&pf));
    railhead("apply").ok();
    let (mut ours, mut floor) = (Vec::new(), Vec::new());
    for _ in 0..RUNS {
        forget(&pf);
        set_up(&pf);
        floor.push(by_the_kernel(&pf));
        set_down(&pf);
        ours.push(time("railhead boot"));
        assert_eq!(pf.num_vfs(), 7);
    }
    remove_object("seven.yaml");
    railhead("apply").ok();
    set_down(&pf);
    let (ours, floor) = (median(ours), median(floor));
    let seconds = |time: Duration| format!("{:.2} s", (started + time).as_secs_f64());
    vec![Figure {
        what: "kernel start to 7 VFs by railhead boot; beside echo 7".to_owned(),
        ours: seconds(ours),
        floor: seconds(floor),
        goal: format!(
            "railhead's part: {:.0} ms",
            (ours.saturating_sub(floor)).as_secs_f64() * 1e3
        ),
        met: true,
    }]
}

/// What a reboot takes away.
fn forget(pf: &Pf) {
    pf.remove_vfs();
    set_down(pf);
    forget_as_a_boot_does();
}

/// How long after the kernel this machine's first program of its own started (`starttime` of proc_pid_stat(5)).
fn started() -> Duration {
    // A hundredth of a second each, on all machines.
    const TICK: Duration = Duration::from_millis(10);
    let stat = read("/proc/self/stat");
    let after_name = stat.rsplit(')').next().expect("fields");
    let ticks = after_name.split_whitespace().nth(19).expect("a start time");
    TICK * ticks.parse::<u32>().expect("a number")
}
