//! Figures, each beside the floor that the same machine sets: what the kernel alone takes, or an empty program.
//!
//! Nothing here asserts a time: an emulated machine on a busy host is no clock.

use std::fs;
use std::panic::catch_unwind;
use std::time::Duration;

use super::host::{Pf, link};
use super::init::orders;
use super::program::{Program, run};
use super::transcript::tell;
use super::wait::wait_for;
use crate::figure::{Figure, median};
use crate::protocol::{Event, Orders};

mod attach;
mod boot;
mod calls;
mod drift;
mod idle;
mod node;
mod peer;
mod plan;
mod size;
mod vfs;

/// Measures something: one figure or a few that belong together. With the name to ask for it alone.
type Measurement = (&'static str, fn() -> Vec<Figure>);

/// In their order.
const MEASUREMENTS: &[Measurement] = &[
    ("vfs", vfs::measure),
    ("node", node::measure),
    ("drift", drift::measure),
    ("plan", plan::measure),
    ("attach", attach::measure),
    ("idle", idle::measure),
    ("size", size::measure),
    ("boot", boot::measure),
    ("attach-peer", peer::measure),
];

/// The names of all, in their order.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    MEASUREMENTS.iter().map(|&(name, _)| name)
}

/// Measures what is wanted, and tells the figures. What cannot be measured does not keep the rest from it.
pub(super) fn measure() {
    let Orders::Bench(wanted) = orders() else { panic!("no figures were ordered") };
    let mut failed = Vec::new();
    for (name, measure) in MEASUREMENTS {
        if !wanted.iter().any(|wanted| wanted == name) {
            continue;
        }
        match catch_unwind(measure) {
            Ok(figures) => figures.into_iter().for_each(|figure| tell(&Event::Measured(figure))),
            // Why is in the transcript.
            Err(_) => failed.push(*name),
        }
    }
    assert!(failed.is_empty(), "these could not be measured: {failed:?}");
}

/// How long a program takes from start to exit. Panics when it fails.
fn time(line: &str) -> Duration {
    Program::new(line).time()
}

/// Sets a PF up, as on a node that is in use, and waits for its link.
fn set_up(pf: &Pf) {
    run(&format!("ip link set {} up", pf.name)).ok();
    wait_for("the PF's link", || (link(&pf.name)["operstate"] == "UP").then_some(()));
}

fn set_down(pf: &Pf) {
    run(&format!("ip link set {} down", pf.name)).ok();
}

/// Has the kernel make or remove VFs, and does nothing else.
fn numvfs(pf: &Pf, count: u16) {
    let file = format!("/sys/bus/pci/devices/{}/sriov_numvfs", pf.address);
    fs::write(file, count.to_string()).expect("set the number of VFs");
}

fn milliseconds(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1e3)
}
