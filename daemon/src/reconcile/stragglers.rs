//! Writes that a railhead which is gone left under way: what they lead to is known only when they
//! are at their end.

use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use cni::kernel::Error;
use cni::kernel::readable::wait_readable;
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
    let end = format!("the end of process {pid}");
    let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) else { return Ok(false) };
    let process = match pidfd_open(pid, PidfdFlags::empty()) {
        Ok(process) => process,
        Err(rustix::io::Errno::SRCH) => return Ok(true),
        Err(error) => return Err(Error::new("wait for", end, std::io::Error::from(error))),
    };
    wait_readable([process.as_fd()], deadline).map_err(|errno| Error::new("wait for", end, errno))
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
