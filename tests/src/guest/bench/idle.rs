//! `railhead daemon` with nothing to do, for a minute, under strace.

use std::time::Duration;

use super::Figure;
use super::calls::{forks, writes};
use super::vfs::seven;
use crate::guest::host::{pf, read};
use crate::guest::railhead::{Daemon, object, railhead, remove_object, settings};
use crate::guest::trace::Trace;
use crate::guest::wait::wait_for;

const MINUTE: Duration = Duration::from_secs(60);

/// How long a daemon that has just made VFs may take to come to rest.
const SETTLING: Duration = Duration::from_secs(10);

pub(super) fn measure() -> Vec<Figure> {
    let pf = pf(0);
    object("seven.yaml", &seven(&pf));
    settings("metrics: {listen: \"127.0.0.1:9810\"}\n");
    let daemon = Daemon::start();
    wait_for("the daemon's VFs", || (pf.num_vfs() == 7).then_some(()));
    railhead("metrics").ok();
    std::thread::sleep(SETTLING);

    let trace = Trace::new("idle").naming_descriptors();
    let strace = trace.attach(daemon.pid());
    std::thread::sleep(MINUTE);
    let memory = resident(daemon.pid());
    strace.signal("INT");
    strace.finish(MINUTE * 2);
    let lines = trace.lines();

    daemon.stop().ok();
    remove_object("seven.yaml");
    railhead("apply").ok();

    let (forks, writes, wakes) = (forks(&lines).len(), writes(&lines).len(), wakes(&lines));
    let count = |what: &str, count: usize, goal: &str, most: usize| Figure {
        what: format!("  {what}"),
        ours: count.to_string(),
        floor: "0".to_owned(),
        goal: goal.to_owned(),
        met: count <= most,
    };
    vec![
        Figure {
            what: "railhead daemon, idle for 60 s: resident memory".to_owned(),
            ours: format!("{:.1} MiB", memory as f64 / 1024.0),
            floor: String::new(),
            goal: "under 15 MiB".to_owned(),
            met: memory < 15 * 1024,
        },
        count("programs started", forks, "0", 0),
        count("writes", writes, "0", 0),
        count("wake-ups", wakes, "only the slow timer's", 1),
    ]
}

/// Resident memory in KiB.
fn resident(process: u32) -> u64 {
    let status = read(&format!("/proc/{process}/status"));
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("VmRSS");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}

/// How often a wait came to an end: one that strace itself interrupted, or that never ended, does not count.
fn wakes(lines: &[String]) -> usize {
    let waits =
        ["epoll_wait(", "epoll_pwait(", "epoll_pwait2(", "poll(", "ppoll(", "select(", "pselect6("];
    lines
        .iter()
        .filter(|line| waits.iter().any(|wait| line.starts_with(wait)) || line.contains("resumed>"))
        .filter(|line| line.contains(") = ") || line.contains(")  = "))
        .filter(|line| !line.contains("ERESTART") && !line.contains("EINTR"))
        .count()
}
