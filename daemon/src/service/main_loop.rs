//! The loop: decides when to make a pass, and lets others know what it came to.

use std::collections::BTreeSet;
use std::future;
use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};

use super::backoff::{Backoff, WAITING};
use super::events::{self, Cause};
use super::published::Published;
use super::worker::{Work, Worked};
use super::{ServiceError, notify, socket};
use crate::apply::Stop;
use crate::chain::Chain;
use crate::host::Host;
use crate::printable::Printable;
use crate::reconcile::{Outcome, Pass, PfOutcome};
use crate::situation::Written;
use crate::snapshot::Snapshot;

/// Events of one thing come in bursts.
const BURST: Duration = Duration::from_millis(10);

/// Files are copied one after the other.
const COPYING: Duration = Duration::from_millis(100);

/// The slow timer: in case something changed that made no event.
const SLOW: Duration = Duration::from_secs(600);

/// Runs until SIGTERM or SIGINT.
pub(super) async fn run(host: Arc<Host>) -> Result<(), ServiceError> {
    // Before anybody can know that we are here, and tell us to end.
    let on = |kind| signal(kind).map_err(ServiceError::setup("listen for signals"));
    let mut terminate = on(SignalKind::terminate())?;
    let mut interrupt = on(SignalKind::interrupt())?;
    let mut hangup = on(SignalKind::hangup())?;
    let (netdevs, known_netdevs) = watch::channel(BTreeSet::new());
    let mut causes = events::listen(&host, known_netdevs)?;
    let published = Arc::new(Published::new());
    let wanted = Arc::new(Notify::new());
    let listener = socket::listen(&host).map_err(ServiceError::setup("listen on the socket"))?;
    tokio::spawn(socket::serve(listener, Arc::clone(&published), Arc::clone(&wanted)));
    let mut watchdog = notify::interval().map(|every| {
        let mut ticks = interval(every);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        ticks
    });
    let mut steward = Loop::new(host, published, netdevs);
    loop {
        tokio::select! {
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
            _ = hangup.recv() => steward.due.files(Instant::now()),
            () = wanted.notified() => steward.due.files(Instant::now()),
            Some(cause) = causes.recv() => steward.due.event(cause),
            worked = finished(&mut steward.running) => steward.finish(worked),
            () = sleep_until(steward.due.next()), if steward.running.is_none() => steward.begin(),
            () = tick(&mut watchdog) => notify::alive(),
        }
    }
    notify::stopping();
    steward.end().await;
    Ok(())
}

/// The end of the pass that runs; never, when none does.
async fn finished(running: &mut Option<JoinHandle<Worked>>) -> Option<Worked> {
    match running {
        Some(pass) => pass.await.ok(),
        None => future::pending().await,
    }
}

async fn tick(ticks: &mut Option<tokio::time::Interval>) {
    match ticks {
        Some(ticks) => drop(ticks.tick().await),
        None => future::pending().await,
    }
}

/// When to make the next pass, and whether to read what is written before.
#[derive(Debug)]
struct Due {
    kernel: Option<Instant>,
    files: Option<Instant>,
    retry: Option<Instant>,
    slow: Instant,
}

impl Due {
    fn event(&mut self, cause: Cause) {
        match cause {
            // From the first event on, so that no stream of events puts it off for ever.
            Cause::Kernel => {
                self.kernel.get_or_insert_with(|| Instant::now() + BURST);
            }
            // From the last event on: what is half copied is better not read.
            Cause::Files => self.files(Instant::now() + COPYING),
        }
    }

    fn files(&mut self, at: Instant) {
        self.files = Some(at);
    }

    fn next(&self) -> Instant {
        let soon = [self.kernel, self.files, self.retry].into_iter().flatten().min();
        soon.map_or(self.slow, |soon| soon.min(self.slow))
    }

    /// Takes what is due; says whether to read what is written.
    fn take(&mut self) -> bool {
        let now = Instant::now();
        let reads = self.slow <= now || self.files.is_some_and(|files| files <= now);
        (self.kernel, self.retry, self.slow) = (None, None, now + SLOW);
        if reads {
            self.files = None;
        }
        reads
    }
}

struct Loop {
    host: Arc<Host>,
    published: Arc<Published>,
    netdevs: watch::Sender<BTreeSet<u32>>,
    due: Due,
    running: Option<JoinHandle<Worked>>,
    written: Option<Written>,
    backoff: Backoff,
    stop: Arc<Stop>,
}

impl Loop {
    fn new(
        host: Arc<Host>,
        published: Arc<Published>,
        netdevs: watch::Sender<BTreeSet<u32>>,
    ) -> Self {
        let now = Instant::now();
        Self {
            host,
            published,
            netdevs,
            due: Due { kernel: None, files: Some(now), retry: None, slow: now + SLOW },
            running: None,
            written: None,
            backoff: Backoff::default(),
            stop: Arc::default(),
        }
    }

    fn begin(&mut self) {
        let reads = self.due.take();
        let work = Work {
            host: Arc::clone(&self.host),
            written: if reads { None } else { self.written.clone() },
            stop: Arc::clone(&self.stop),
            events: self.published.events.clone(),
        };
        self.published.state.send_modify(|state| state.begun += 1);
        self.running = Some(tokio::task::spawn_blocking(move || work.run()));
    }

    fn finish(&mut self, worked: Option<Worked>) {
        self.running = None;
        let outcome = match worked {
            Some(Worked { written, pass }) => {
                // Settings that cannot be read leave those in force that could be.
                self.written = written.or(self.written.take());
                pass.map(|pass| self.passed(&pass)).map_err(|error| Chain(&error).to_string())
            }
            None => Err("the pass ended in a panic; this is a defect of railhead".to_owned()),
        };
        self.schedule(&outcome);
        self.publish(outcome);
    }

    fn passed(&self, pass: &Pass) -> Outcome {
        let netdevs = netdevs(&pass.situation.snapshot);
        self.netdevs.send_if_modified(|known| {
            let is_news = *known != netdevs;
            *known = netdevs;
            is_news
        });
        pass.outcome()
    }

    /// When to look again, besides at the next event.
    fn schedule(&mut self, outcome: &Result<Outcome, String>) {
        let in_time = match outcome {
            Ok(outcome) if outcome.pfs.values().all(PfOutcome::is_success) => {
                self.backoff.worked();
                return;
            }
            Ok(outcome) if only_waits(outcome) => WAITING,
            _ => self.backoff.failed(),
        };
        self.due.retry = Some(Instant::now() + in_time);
    }

    fn publish(&mut self, outcome: Result<Outcome, String>) {
        let mut is_first = false;
        self.published.state.send_modify(|state| {
            state.ended += 1;
            is_first = state.ended == 1;
            if is_first || state.last.as_ref() != Some(&outcome) {
                log(&outcome);
                notify::status(&summary(&outcome));
            }
            state.last = Some(outcome);
        });
        if is_first {
            notify::ready();
        }
    }

    /// Waits for the pass that runs: it ends after the steps that it is at.
    async fn end(&mut self) {
        self.stop.ask();
        if let Some(pass) = self.running.take()
            && let Err(error) = pass.await
        {
            tracing::warn!("the last pass: {error}");
        }
    }
}

/// The interfaces whose link events count.
fn netdevs(snapshot: &Snapshot) -> BTreeSet<u32> {
    let of_pfs = snapshot.pfs.values().filter_map(|pf| pf.netdev.as_ref());
    let vfs = snapshot.pfs.values().flat_map(|pf| pf.vfs.values());
    of_pfs.chain(vfs.filter_map(|vf| vf.netdev.as_ref())).map(|netdev| netdev.index).collect()
}

/// Whether all that is not in force waits for somebody who uses a VF.
fn only_waits(outcome: &Outcome) -> bool {
    outcome.pfs.values().all(PfOutcome::only_waits)
}

fn summary(outcome: &Result<Outcome, String>) -> String {
    match outcome {
        Ok(outcome) if outcome.is_success() => "everything is as the objects want it".to_owned(),
        Ok(outcome) if only_waits(outcome) && outcome.problems.is_empty() => {
            "waits for VFs that are in use; see railhead status".to_owned()
        }
        Ok(_) => "not everything is as the objects want it; see railhead status".to_owned(),
        Err(why) => Printable(why).to_string(),
    }
}

/// Tells the log what is news.
fn log(outcome: &Result<Outcome, String>) {
    tracing::info!("{}", summary(outcome));
    let Ok(outcome) = outcome else { return };
    for (object, why) in &outcome.objects {
        tracing::warn!("{}: {}", Printable(object), Printable(why));
    }
    for problem in &outcome.problems {
        tracing::warn!("{}", Printable(problem));
    }
    for pf in outcome.pfs.values() {
        for blocked in &pf.blocked {
            tracing::warn!("{}: {blocked}", pf.label);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn due() -> Due {
        let now = Instant::now();
        Due { kernel: None, files: None, retry: None, slow: now + SLOW }
    }

    #[test]
    fn a_stream_of_events_puts_nothing_off() {
        let mut due = due();
        due.event(Cause::Kernel);
        let first = due.next();
        due.event(Cause::Kernel);
        assert_eq!(due.next(), first);
    }

    #[test]
    fn files_that_are_being_copied_are_read_after_the_last() {
        let mut due = due();
        due.event(Cause::Files);
        let first = due.next();
        due.event(Cause::Files);
        assert!(due.next() >= first);
        due.event(Cause::Kernel);
        assert!(due.next() < first, "the kernel does not wait for files");
        assert!(!due.take(), "which are not read before their time");
        assert!(due.files.is_some());
    }
}
