//! Figures, each beside the floor that the same machine sets: what the kernel alone takes, or an empty program.
//!
//! Nothing here asserts a time: an emulated machine on a busy host is no clock. A figure that misses its goal is
//! marked, and a person decides.

use std::fs;
use std::time::Duration;

use super::host::{Pf, link};
use super::init::orders;
use super::program::{Program, run};
use super::stage::Stage;
use super::wait::wait_for;
use crate::protocol::Orders;

mod attach;
mod calls;
mod drift;
mod idle;
mod node;
mod plan;
mod size;
mod vfs;

/// One line of the result.
#[derive(Debug)]
struct Figure {
    /// What was measured.
    what: String,
    /// What railhead takes.
    ours: String,
    /// What nothing could do better than.
    floor: String,
    /// What is aimed at; nothing when there is no goal.
    goal: String,
    /// Whether it was reached.
    met: bool,
}

/// Measures something: one figure or a few that belong together. With the name to ask for it alone.
type Measurement = (&'static str, fn() -> Vec<Figure>);

/// Of the column that says what was measured.
const WIDTH: usize = 66;

/// In their order.
const MEASUREMENTS: &[Measurement] = &[
    ("vfs", vfs::measure),
    ("node", node::measure),
    ("drift", drift::measure),
    ("plan", plan::measure),
    ("attach", attach::measure),
    ("idle", idle::measure),
    ("size", size::measure),
];

/// Measures what is wanted, and shows the figures.
pub(super) fn measure() {
    let Orders::Bench { terminal, filters } = orders() else { panic!("no figures were ordered") };
    let is_wanted = |name: &str| {
        filters.is_empty() || filters.iter().any(|filter| name.contains(filter.as_str()))
    };
    assert!(MEASUREMENTS.iter().any(|(name, _)| is_wanted(name)), "nothing is called {filters:?}");
    let stage = Stage::new(terminal);
    stage.heading(&format!("{:WIDTH$}  {:>10}  {:>10}  goal", "", "railhead", "floor"));
    for (_, measure) in MEASUREMENTS.iter().filter(|(name, _)| is_wanted(name)) {
        for Figure { what, ours, floor, goal, met } in measure() {
            let mark = if met { "" } else { "  MISSED" };
            stage.show(&format!("{what:WIDTH$}  {ours:>10}  {floor:>10}  {goal}{mark}\n"));
        }
    }
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

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

fn milliseconds(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1e3)
}
