//! A whole node: two PFs with seven VFs each, three of each for user space, against the same in a bare loop.

use std::time::{Duration, Instant};

use super::{Figure, median, milliseconds, numvfs, set_down, set_up, time};
use crate::guest::host::{Pf, pfs, write};
use crate::guest::program::Program;
use crate::guest::railhead::{object, policy, railhead, remove_object};

const RUNS: usize = 3;

pub(super) fn measure() -> Vec<Figure> {
    let pfs = pfs();
    for pf in &pfs {
        set_up(pf);
    }
    let (mut ours, mut floor) = (Vec::new(), Vec::new());
    for _ in 0..RUNS {
        floor.push(by_hand(&pfs));
        object("net.yaml", &policy("net", "enp1s0#0-3, enp2s0#0-3", 7, ""));
        object("vms.yaml", &policy("vms", "enp1s0#4-6, enp2s0#4-6", 7, "  deviceType: vfio-pci\n"));
        ours.push(time("railhead apply"));
        assert!(pfs.iter().all(|pf| pf.num_vfs() == 7), "all VFs are there");
        remove_object("net.yaml");
        remove_object("vms.yaml");
        railhead("apply").ok();
    }
    for pf in &pfs {
        set_down(pf);
    }
    let (ours, floor) = (median(ours), median(floor));
    vec![Figure {
        what: "2 PFs with 7 VFs, 3 of them vfio-pci, against a bare loop".to_owned(),
        ours: milliseconds(ours),
        floor: milliseconds(floor),
        goal: "at most 1.3 times the floor".to_owned(),
        met: ours.as_secs_f64() <= floor.as_secs_f64() * 1.3,
    }]
}

/// The kernel's own operations and nothing else: VFs, their MACs, and three of each PF bound to vfio-pci.
fn by_hand(pfs: &[Pf]) -> Duration {
    let started = Instant::now();
    for pf in pfs {
        numvfs(pf, 7);
        let macs: String = (0..7)
            .map(|vf| format!("link set {} vf {vf} mac 02:00:00:00:00:{vf:02x}\n", pf.name))
            .collect();
        Program::new("ip -batch -").input(&macs).quiet().run().ok();
        for vf in pf.vfs().iter().skip(4) {
            let function = format!("/sys/bus/pci/devices/{}", vf.address);
            write(&format!("{function}/driver_override"), "vfio-pci\n");
            vf.unbind();
            write("/sys/bus/pci/drivers/vfio-pci/bind", &vf.address);
            write(&format!("{function}/driver_override"), "\n");
        }
    }
    let took = started.elapsed();
    for pf in pfs {
        numvfs(pf, 0);
    }
    took
}
