//! Seven VFs on a PF, against `echo 7 > sriov_numvfs`.

use std::fs;
use std::time::Instant;

use super::{Figure, median, milliseconds, time};
use crate::guest::host::{Pf, link, pf};
use crate::guest::program::run;
use crate::guest::railhead::{object, policy, railhead, remove_object};
use crate::guest::wait::wait_for;

const RUNS: usize = 3;

/// A policy that asks for all VFs of a PF.
pub(super) fn seven(pf: &Pf) -> String {
    policy("seven", &pf.name, 7, "  deviceType: netdevice\n")
}

pub(super) fn measure() -> Vec<Figure> {
    let pf = pf(0);
    let file = format!("/sys/bus/pci/devices/{}/sriov_numvfs", pf.address);
    // As on a node that is in use: VFs of a PF that is down come to life faster, but to no purpose.
    run(&format!("ip link set {} up", pf.name)).ok();
    wait_for("the PF's link", || (link(&pf.name)["operstate"] == "UP").then_some(()));
    let (mut ours, mut floor) = (Vec::new(), Vec::new());
    for _ in 0..RUNS {
        let started = Instant::now();
        fs::write(&file, "7").expect("make VFs");
        floor.push(started.elapsed());
        pf.remove_vfs();

        object("seven.yaml", &seven(&pf));
        ours.push(time("railhead apply"));
        assert_eq!(pf.num_vfs(), 7);
        remove_object("seven.yaml");
        railhead("apply").ok();
        assert_eq!(pf.num_vfs(), 0);
    }
    run(&format!("ip link set {} down", pf.name)).ok();
    let (ours, floor) = (median(ours), median(floor));
    vec![Figure {
        what: "7 VFs made, railhead apply against echo 7".to_owned(),
        ours: milliseconds(ours),
        floor: milliseconds(floor),
        goal: "at most 1.2 times the floor".to_owned(),
        met: ours.as_secs_f64() <= floor.as_secs_f64() * 1.2,
    }]
}
