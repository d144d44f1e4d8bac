//! The loop: decides when to make a pass, and lets others know what it came to.

use std::collections::BTreeSet;
use std::future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{Notify, watch};
use tokio::task::{JoinError, JoinHandle};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};

use super::backoff::Backoff;
use super::departures::Departures;
use super::due::Due;
use super::events;
use super::published::Published;
use super::telling::{log, summary};
use super::worker::{Work, Worked};
use super::{ServiceError, health, http, notify, socket};
use crate::apply::Stop;
use crate::chain::Chain;
use crate::claims::Standing;
use crate::host::Host;
use crate::reconcile::{Outcome, Pass};
use crate::report::Timestamp;
use crate::settings;
use crate::situation::Written;
use crate::snapshot::Snapshot;

/// Runs until SIGTERM or SIGINT.
pub(super) async fn run(host: Arc<Host>) -> Result<(), ServiceError> {
    // Before anybody can know that we are here, and tell us to end.
    let on = |kind| signal(kind).map_err(ServiceError::setup("listen for signals"));
    let mut terminate = on(SignalKind::terminate())?;
    let mut interrupt = on(SignalKind::interrupt())?;
    let mut hangup = on(SignalKind::hangup())?;
    let (netdevs, known_netdevs) = watch::channel(BTreeSet::new());
    let (sender, mut causes) = events::channel();
    events::listen(&host, known_netdevs, sender.clone())?;
    let published = Arc::new(Published::new());
    let wanted = Arc::new(Notify::new());
    let listener = socket::listen(&host).map_err(ServiceError::setup("listen on the socket"))?;
    let mut served =
        tokio::spawn(socket::serve(listener, Arc::clone(&published), Arc::clone(&wanted)));
    let (pulse, mut asked) = health::channel();
    let metrics = http::listen(&host).map_err(ServiceError::setup("listen for scrapes"))?;
    let site = Arc::new(http::Site::new(Arc::clone(&host), Arc::clone(&published), pulse));
    let listen = settings::load(&host).ok().and_then(|loaded| loaded.settings.metrics.listen);
    let (listen, known_listen) = watch::channel(listen);
    tokio::spawn(http::serve_socket(Arc::clone(&site), metrics));
    tokio::spawn(http::serve_loopback(site, known_listen));
    let mut watchdog = notify::interval().map(|every| {
        let mut ticks = interval(every);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        ticks
    });
    let mut steward = Loop::new(host, published, netdevs, listen, Departures::new(sender));
    let ended = loop {
        tokio::select! {
            _ = terminate.recv() => break Ok(()),
            _ = interrupt.recv() => break Ok(()),
            // Deaf to `railhead apply` it is of little use: systemd starts another one.
            served = &mut served => break Err(deaf(served)),
            _ = hangup.recv() => steward.due.files(Instant::now()),
            () = wanted.notified() => steward.due.files(Instant::now()),
            Some(cause) = causes.recv() => steward.due.event(cause),
            Some(asked) = asked.recv() => health::answer(asked),
            worked = finished(&mut steward.running) => steward.finish(worked),
            () = sleep_until(steward.due.next()), if steward.running.is_none() => steward.begin(),
            () = tick(&mut watchdog) => notify::alive(),
        }
    };
    notify::stopping();
    steward.end().await;
    ended
}

fn deaf(served: Result<io::Error, JoinError>) -> ServiceError {
    let why = served.unwrap_or_else(io::Error::other);
    ServiceError::setup("accept clients on the socket")(why)
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

struct Loop {
    host: Arc<Host>,
    published: Arc<Published>,
    netdevs: watch::Sender<BTreeSet<u32>>,
    listen: watch::Sender<Option<SocketAddr>>,
    departures: Departures,
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
        listen: watch::Sender<Option<SocketAddr>>,
        departures: Departures,
    ) -> Self {
        Self {
            host,
            published,
            netdevs,
            listen,
            departures,
            due: Due::now(),
            running: None,
            written: None,
            backoff: Backoff::default(),
            stop: Arc::default(),
        }
    }

    fn begin(&mut self) {
        let work = Work {
            host: Arc::clone(&self.host),
            written: self.written.clone(),
            reads: self.due.take(),
            stop: Arc::clone(&self.stop),
            events: self.published.events.clone(),
        };
        self.published.state.send_modify(|state| state.begun += 1);
        self.published.metrics.begun();
        self.running = Some(tokio::task::spawn_blocking(move || work.run()));
    }

    fn finish(&mut self, worked: Option<Worked>) {
        self.running = None;
        let outcome = match worked {
            Some(Worked { written, pass }) => {
                // What cannot be read leaves what could be.
                self.written = written.or(self.written.take());
                self.tell_listen();
                pass.map(|pass| self.passed(&pass)).map_err(|error| {
                    self.published.metrics.failed(error.reason());
                    Chain(&error).to_string()
                })
            }
            None => {
                self.published.metrics.failed("Defect");
                Err("the pass ended in a panic; this is a defect of railhead".to_owned())
            }
        };
        self.schedule(&outcome);
        self.publish(outcome);
    }

    fn passed(&mut self, pass: &Pass) -> Outcome {
        if let Some(time) = pass.pools.values().filter_map(Standing::look_again_in).min() {
            self.due.again_in(time);
        }
        let pause = pass.pause.as_ref();
        if let Some(time) = pause.and_then(|pause| pause.left(Timestamp::now())) {
            self.due.again_in(time);
        }
        if let Some(trial) = pass.situation.trial.as_ref().filter(|trial| trial.is_waiting()) {
            self.due.files_in(trial.left);
        }
        let netdevs = netdevs(&pass.situation.snapshot);
        self.netdevs.send_if_modified(|known| {
            let is_news = *known != netdevs;
            *known = netdevs;
            is_news
        });
        self.departures.await_all(&pass.left, &pass.keepers);
        let outcome = pass.outcome();
        self.published.metrics.passed(pass, &outcome);
        outcome
    }

    /// Where metrics are wished to be served, where that is news.
    fn tell_listen(&self) {
        let Some(written) = &self.written else { return };
        let listen = written.loaded.settings.metrics.listen;
        self.listen.send_if_modified(|known| std::mem::replace(known, listen) != listen);
    }

    /// When to look again, besides at the next event.
    fn schedule(&mut self, outcome: &Result<Outcome, String>) {
        let in_time = match outcome {
            // Its end was seen to, and until then nothing is tried.
            Ok(outcome) if outcome.pause.is_some() => return,
            Ok(outcome) => self.backoff.after(&outcome.pfs),
            Err(_) => Some(self.backoff.failed()),
        };
        if let Some(time) = in_time {
            self.due.again_in(time);
        }
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
