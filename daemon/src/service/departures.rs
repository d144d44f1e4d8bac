//! Processes that something waits for: their end is a reason to look again.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::os::fd::OwnedFd;

use rustix::process::{Pid, PidfdFlags, pidfd_open};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::events::{Cause, readable, wake};
use crate::plan::{Blocked, Plan};
use crate::snapshot::User;

/// The processes whose end is waited for, each by a task of its own.
#[derive(Debug)]
pub(super) struct Departures {
    waiting: BTreeMap<u32, JoinHandle<()>>,
    sender: mpsc::Sender<Cause>,
}

impl Departures {
    /// Nobody so far; their ends are told to `sender`.
    pub(super) fn new(sender: mpsc::Sender<Cause>) -> Self {
        Self { waiting: BTreeMap::new(), sender }
    }

    /// Waits for whoever is in the way of `plan` and for `keepers`, and for nobody else any more.
    pub(super) fn await_all(&mut self, plan: &Plan, keepers: &BTreeSet<u32>) {
        let wanted: BTreeSet<u32> = in_the_way(plan).chain(keepers.iter().copied()).collect();
        self.waiting.retain(|process, task| {
            let stays = wanted.contains(process) && !task.is_finished();
            if !stays {
                task.abort();
            }
            stays
        });
        for process in wanted {
            if self.waiting.contains_key(&process) {
                continue;
            }
            match end_of(process) {
                Ok(end) => {
                    let sender = self.sender.clone();
                    let task = tokio::spawn(async move {
                        if end.readable().await.is_ok() {
                            wake(&sender, Cause::Kernel);
                        }
                    });
                    self.waiting.insert(process, task);
                }
                // Gone already.
                Err(error) if error.raw_os_error() == Some(nix::libc::ESRCH) => {
                    wake(&self.sender, Cause::Kernel);
                }
                // The retries find out as well, later.
                Err(error) => tracing::debug!("wait for the end of process {process}: {error}"),
            }
        }
    }
}

/// Becomes readable when the process ends.
fn end_of(process: u32) -> io::Result<tokio::io::unix::AsyncFd<OwnedFd>> {
    let pid = i32::try_from(process).ok().and_then(Pid::from_raw);
    let pid = pid.ok_or(io::ErrorKind::InvalidInput)?;
    readable(pidfd_open(pid, PidfdFlags::NONBLOCK)?)
}

fn in_the_way(plan: &Plan) -> impl Iterator<Item = u32> {
    let blocked = plan.lanes.iter().flat_map(|lane| &lane.blocked);
    blocked.flat_map(|blocked| match blocked {
        Blocked::Stuck { stuck } => vec![stuck.pid],
        Blocked::OtherOperator { operator } => vec![operator.pid],
        Blocked::InUse { users, .. } | Blocked::ForeignVfs { users, .. } => {
            users.iter().filter_map(|(_, user)| process(user)).collect()
        }
        _ => Vec::new(),
    })
}

fn process(user: &User) -> Option<u32> {
    match user {
        User::Process { pid, .. } => u32::try_from(*pid).ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;
    use std::time::Duration;

    use super::*;
    use crate::plan::Lane;
    use crate::snapshot::OperatorDaemon;

    fn waiting_for(process: u32) -> Plan {
        let operator = OperatorDaemon { pid: process };
        let lane = Lane {
            pf: "0000:01:00.0".parse().unwrap(),
            label: "ens1f0".to_owned(),
            steps: Vec::new(),
            blocked: vec![Blocked::OtherOperator { operator }],
        };
        Plan { lanes: vec![lane] }
    }

    #[tokio::test]
    async fn the_end_of_a_process_wakes() {
        let (sender, mut causes) = mpsc::channel(1);
        let mut departures = Departures::new(sender);
        let mut child = Command::new("sleep").arg("1000").spawn().unwrap();
        let process = child.id();
        for _ in 0..2 {
            departures.await_all(&waiting_for(process), &BTreeSet::new());
        }
        assert_eq!(departures.waiting.len(), 1, "once is enough");
        tokio::task::yield_now().await;
        assert!(causes.try_recv().is_err(), "it lives");
        child.kill().unwrap();
        let cause = tokio::time::timeout(Duration::from_secs(60), causes.recv()).await;
        assert_eq!(cause.unwrap(), Some(Cause::Kernel));
        child.wait().unwrap();
        departures.await_all(&Plan::default(), &BTreeSet::from([process]));
        assert_eq!(causes.recv().await, Some(Cause::Kernel), "so does one that is gone already");
        departures.await_all(&Plan::default(), &BTreeSet::new());
        assert!(departures.waiting.is_empty());
    }
}
