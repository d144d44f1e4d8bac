//! `railhead plan` when there is nothing to do, against an empty program.

use super::calls::{TRACED, forks, writes};
use super::vfs::seven;
use super::{Figure, median, milliseconds, time};
use crate::guest::host::pf;
use crate::guest::program::Program;
use crate::guest::railhead::{object, railhead, remove_object};
use crate::guest::trace::Trace;

const RUNS: usize = 15;

pub(super) fn measure() -> Vec<Figure> {
    let pf = pf(0);
    object("seven.yaml", &seven(&pf));
    railhead("apply").ok();
    railhead("plan --exit-code").ok();
    let ours = median((0..RUNS).map(|_| time("railhead plan")).collect());
    let floor = median((0..RUNS).map(|_| time("busybox true")).collect());
    let trace = Trace::new("plan").only(TRACED).naming_descriptors();
    Program::new("railhead plan").under(&trace.command()).run().ok();
    let lines = trace.lines();
    // The first execve is strace's own, of railhead.
    let (forks, writes) = (forks(&lines).len() - 1, writes(&lines).len());
    remove_object("seven.yaml");
    railhead("apply").ok();
    vec![
        Figure {
            what: "railhead plan, nothing to do, 7 VFs".to_owned(),
            ours: milliseconds(ours),
            floor: milliseconds(floor),
            goal: "under 50 ms".to_owned(),
            met: ours.as_millis() < 50,
        },
        Figure {
            what: "  programs started".to_owned(),
            ours: forks.to_string(),
            floor: "0".to_owned(),
            goal: "0".to_owned(),
            met: forks == 0,
        },
        Figure {
            what: "  writes".to_owned(),
            ours: writes.to_string(),
            floor: "0".to_owned(),
            goal: "0".to_owned(),
            met: writes == 0,
        },
    ]
}
