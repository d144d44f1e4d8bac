//! Seven VFs on a PF, against `echo 7 > sriov_numvfs`.

use std::time::{Duration, Instant};

use super::{Figure, median, milliseconds, numvfs, set_down, set_up, time};
use crate::guest::host::{Pf, pf};
use crate::guest::railhead::{object, policy, railhead, remove_object};

const RUNS: usize = 3;

/// A policy that asks for all VFs of a PF.
pub(super) fn seven(pf: &Pf) -> String {
    policy("seven", &pf.name, 7, "  deviceType: netdevice\n")
}

/// What the kernel alone takes for seven VFs, which are gone again afterwards.
pub(super) fn by_the_kernel(pf: &Pf) -> Duration {
    let started = Instant::now();
    numvfs(pf, 7);
    let took = started.elapsed();
    pf.remove_vfs();
    took
}

pub(super) fn measure() -> Vec<Figure> {
    let pf = pf(0);
    // VFs of a PF that is down come to life faster, but to no purpose.
    set_up(&pf);
    let (mut ours, mut floor) = (Vec::new(), Vec::new());
    for _ in 0..RUNS {
        floor.push(by_the_kernel(&pf));
        object("seven.yaml", &seven(&pf));
        ours.push(time("railhead apply"));
        assert_eq!(pf.num_vfs(), 7);
        remove_object("seven.yaml");
        railhead("apply").ok();
        assert_eq!(pf.num_vfs(), 0);
    }
    set_down(&pf);
    let (ours, floor) = (median(ours), median(floor));
    vec![Figure {
        what: "7 VFs made, railhead apply against echo 7".to_owned(),
        ours: milliseconds(ours),
        floor: milliseconds(floor),
        goal: "at most 1.2 times the floor".to_owned(),
        met: ours.as_secs_f64() <= floor.as_secs_f64() * 1.2,
    }]
}
