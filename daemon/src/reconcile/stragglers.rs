//! Writes that a railhead which is gone left under way: what they lead to is known only when they
//! are at their end.

use std::time::{Duration, Instant};

use cni::kernel::Error;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use crate::plan::{Blocked, Plan};

/// Waits, no longer than `patience`, for the ends of writes that are in the way of `plan`. Says
/// whether one has ended, so that it is worth to look again.
pub(super) fn wait(plan: &Plan, patience: Duration) -> Result<bool, Error> {
    let deadline = Instant::now() + patience;
    let mut any = false;
    for pid in processes(plan) {
        any |= has_ended(pid, deadline)?;
    }
    Ok(any)
}

fn processes(plan: &Plan) -> impl Iterator<Item = u32> {
    plan.lanes.iter().flat_map(|lane| &lane.blocked).filter_map(|blocked| match blocked {
        Blocked::Stuck { stuck } => Some(stuck.pid),
        _ => None,
    })
}

/// Whether a process ends by `deadline`; one that is gone already has.
fn has_ended(pid: u32, deadline: Instant) -> Result<bool, Error> {
    let failed = |error: rustix::io::Errno| {
        let error = std::io::Error::from(error);
        Error::new("wait for", format!("the end of process {pid}"), error)
    };
    let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) else { return Ok(false) };
    let process = match pidfd_open(pid, PidfdFlags::empty()) {
        Ok(process) => process,
        Err(rustix::io::Errno::SRCH) => return Ok(true),
        Err(error) => return Err(failed(error)),
    };
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let timeout = Timespec::try_from(left).unwrap_or_default();
        match poll(&mut [PollFd::new(&process, PollFlags::IN)], Some(&timeout)) {
            Ok(0) => return Ok(false),
            Ok(_) => return Ok(true),
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(failed(error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn the_end_of_a_process_is_seen() {
        let mut child = Command::new("sleep").arg("1000").spawn().unwrap();
        assert!(!has_ended(child.id(), Instant::now()).unwrap());
        child.kill().unwrap();
        assert!(has_ended(child.id(), Instant::now() + Duration::from_secs(60)).unwrap());
        child.wait().unwrap();
        assert!(has_ended(child.id(), Instant::now()).unwrap());
    }
}
