//! Figures, each beside the floor that the same machine sets: what the kernel alone takes, or an empty program.
//!
//! Nothing here asserts a time: an emulated machine on a busy host is no clock. A figure that misses its goal is
//! marked, and a person decides.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::init::orders;
use super::stage::Stage;
use crate::protocol::Orders;

mod attach;
mod calls;
mod idle;
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

/// What is measured, and how.
type Measurement = (&'static str, fn() -> Vec<Figure>);

/// Measures all, and shows the figures.
pub(super) fn measure() {
    let Orders::Bench(terminal) = orders() else { panic!("no figures were ordered") };
    let stage = Stage::new(terminal);
    let measurements: &[Measurement] = &[
        ("making VFs", vfs::measure),
        ("planning", plan::measure),
        ("attaching", attach::measure),
        ("an idle daemon, for a minute", idle::measure),
        ("sizes", size::measure),
    ];
    let mut figures = Vec::new();
    for (what, measure) in measurements {
        stage.show(&format!("measuring: {what}\n"));
        figures.extend(measure());
    }
    stage.show(&table(&figures));
}

fn table(figures: &[Figure]) -> String {
    let width = figures.iter().map(|figure| figure.what.chars().count()).max().unwrap_or(0);
    let mut text = format!("\n{:width$}  {:>12}  {:>12}  goal\n", "", "railhead", "floor");
    for Figure { what, ours, floor, goal, met } in figures {
        let mark = if *met { "" } else { "  MISSED" };
        text.push_str(&format!("{what:width$}  {ours:>12}  {floor:>12}  {goal}{mark}\n"));
    }
    text
}

/// How long a program takes from start to exit. Panics when it fails.
fn time(line: &str) -> Duration {
    let mut words = line.split_whitespace();
    let mut command = Command::new(words.next().expect("a program"));
    command.args(words).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let started = Instant::now();
    let status = command.status().expect("start a program");
    let took = started.elapsed();
    assert!(status.success(), "{line}: {status}");
    took
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

fn milliseconds(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1e3)
}
