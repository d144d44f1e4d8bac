//! Brings back at boot what was in force: before the network, the container runtime and kubelet,
//! with no API server, in a bounded time.
//!
//! ```text
//! what is written, else last good ---+--> expected PFs --> wait for them --> reconcile --> Outcome
//! last report: which PFs, how named-+      (uevents, udev's database; a deadline)
//! ```
//!
//! After it the host is what `railhead apply` would make of it: a policy that went away while the
//! host was off is not in the objects, so nothing of it comes back, and a PF that came back under
//! another name is what its new name says. What is missing is told and left to the daemon, which
//! sees it come.

use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use crate::apply::{Deadlines, Event, Stop};
use crate::chain::Chain;
use crate::host::Host;
use crate::reconcile::{Outcome, reconcile};
use crate::situation::{SituationError, Written};

mod arrival;
mod expected;
mod udev;

use expected::Expected;

/// How long a boot may be kept waiting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// For PFs to appear and to have their names.
    pub devices: Duration,
    /// For all of it. A write that a driver hangs goes on after that, in a process of its own.
    pub total: Duration,
}

impl Limits {
    /// How long PFs are waited for where nothing else is said.
    pub const DEVICES: Duration = Duration::from_secs(30);

    /// How long the work may take from then on: a driver's longest write, and some more.
    pub const WORK: Duration = Duration::from_secs(130);

    /// These limits with so much patience for PFs.
    pub fn waiting(devices: Duration) -> Self {
        Self { devices, total: devices.saturating_add(Self::WORK) }
    }
}

/// Why a boot restored nothing, or not all that it knows of.
#[derive(Debug, thiserror::Error)]
pub enum BootError {
    /// Nothing can be planned.
    #[error(transparent)]
    Situation(#[from] SituationError),
    /// PFs cannot be waited for.
    #[error("wait for NICs")]
    Wait(#[from] cni::kernel::Error),
    /// It takes longer than a boot may be kept waiting.
    #[error(
        "not done within {} s: the boot goes on; the daemon takes it up from here, see `railhead \
         status`", limit.as_secs()
    )]
    Late {
        /// The limit.
        limit: Duration,
    },
    /// A thread ended in a panic.
    #[error("the worker ended in a panic; this is a defect of railhead")]
    Defect,
}

/// Waits for the PFs that are expected and brings the host to what is written; never takes longer
/// than `limits` say. `show` sees each step. What was waited for in vain is among the outcome's
/// problems.
///
/// # Errors
/// See [`BootError`]; a PF that fails or is missing is no error but told in the outcome.
pub fn boot(
    host: &Host,
    limits: Limits,
    mut show: impl FnMut(&Event),
) -> Result<Outcome, BootError> {
    let started = Instant::now();
    let (events, heard) = channel();
    let (result, done) = channel();
    let host = host.clone();
    // Not scoped: what a driver hangs must not hang the boot.
    std::thread::spawn(move || {
        // Nobody takes the result of what came too late.
        result.send(work(&host, started + limits.devices, &events)).ok();
    });
    let until = started + limits.total;
    watch(&heard, until, &mut show);
    match done.recv_timeout(until.saturating_duration_since(Instant::now())) {
        Ok(worked) => worked,
        Err(RecvTimeoutError::Timeout) => Err(BootError::Late { limit: limits.total }),
        Err(RecvTimeoutError::Disconnected) => Err(BootError::Defect),
    }
}

/// Shows events until there are no more, or time is up.
fn watch(heard: &Receiver<Event>, until: Instant, show: &mut impl FnMut(&Event)) {
    while let Ok(event) = heard.recv_timeout(until.saturating_duration_since(Instant::now())) {
        show(&event);
    }
}

fn work(host: &Host, devices: Instant, events: &Sender<Event>) -> Result<Outcome, BootError> {
    let written = Written::read_or_last_good(host, None)?;
    let mut problems = Vec::new();
    let expected = Expected::of(host, &written).unwrap_or_else(|error| {
        problems.push(Chain(&error).to_string());
        Expected::by_policies(&written)
    });
    let arrived = arrival::wait(host, &expected, devices)?;
    let told = expected.told(&arrived);
    let pass = reconcile(host, &written, Deadlines::default(), &Stop::default(), events)?;
    let mut outcome = pass.outcome();
    outcome.problems.extend(problems.into_iter().chain(told.missing));
    outcome.notices.extend(told.renamed);
    Ok(outcome)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(key: &str, unit: &str) -> Duration {
        let line = unit.lines().find_map(|line| line.strip_prefix(key)).unwrap();
        Duration::from_secs(line.trim_end_matches('s').parse().unwrap())
    }

    #[test]
    fn a_boot_is_never_kept_waiting_beyond_its_limit() {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir(root.path().join("sys")).unwrap();
        std::fs::create_dir_all(root.path().join("etc/railhead/objects")).unwrap();
        let policy = "apiVersion: sriovnetwork.openshift.io/v1
kind: SriovNetworkNodePolicy
metadata: {name: net}
spec: {nodeSelector: {}, resourceName: net, numVfs: 2, nicSelector: {pfNames: [ens9f0]}}
";
        std::fs::write(root.path().join("etc/railhead/objects/net.yaml"), policy).unwrap();
        let limits = Limits { devices: Duration::from_secs(600), total: Duration::ZERO };
        let late = boot(&Host::at(root.path()), limits, |_| {}).unwrap_err();
        assert!(late.to_string().starts_with("not done within 0 s: the boot goes on"), "{late}");
    }

    /// systemd must not kill it in the middle of what it may still be doing.
    #[test]
    fn systemd_waits_a_little_longer_than_the_boot_may_take() {
        let unit = include_str!("../../systemd/railhead-boot.service");
        let systemds = seconds("TimeoutStartSec=", unit);
        let ours = Limits::waiting(Limits::DEVICES).total;
        assert!(ours < systemds && systemds < ours + Duration::from_secs(60), "{systemds:?}");
    }
}
