//! `railhead apply --confirm`: applies on trial, and undoes it unless somebody confirms.
//!
//! What undoes it is [`crate::trial`]; this process only waits, tells, and is the first to look
//! when the time is over. When it is killed, the daemon, a boot or the next `apply` does that.

use std::error::Error;
use std::future;
use std::io::{self, IsTerminal, Write};
use std::path::Path;
use std::time::Duration;

use futures_util::StreamExt;
use inotify::{EventStream, Inotify, WatchMask};
use nix::unistd::{getpgrp, tcgetpgrp};
use tokio::runtime::{self, Runtime};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use super::{complain, pass, replace};
use crate::boot::Limits;
use crate::chain::Chain;
use crate::cli::pause::who;
use crate::cli::{Context, Exit, Outcome, show_pass};
use crate::host::Host;
use crate::reconcile;
use crate::report::Timestamp;
use crate::situation::Written;
use crate::source::{self, Directory, Files, ReplaceError, StoredObjects};
use crate::trial::{self, Confirmed, TrialError};

/// Names of files, some at once.
const BUFFER: usize = 4096;

/// How often the countdown on a terminal moves.
const TICK: Duration = Duration::from_secs(1);

/// Why the waiting is over.
enum Decision {
    /// Somebody confirmed.
    Keep,
    /// It is to be undone, because of this.
    Undo(&'static str),
}

/// Applies the objects of `file`, or those in force, for `time`.
pub(super) fn run(time: Duration, file: Option<&Path>, context: &mut Context) -> Outcome {
    let host = context.host.clone();
    let runtime = runtime::Builder::new_current_thread().enable_io().enable_time().build()?;
    let mut waiting = Waiting::listen(&runtime, &host)?;
    let before = source::load_last_good(host.root())?;
    // Read once: standard input gives it once.
    let files = match file {
        Some(path) => Files::named(path)?,
        None => Directory::at(host.root().objects()).files()?,
    };
    let tried = StoredObjects::of(&files.objects().keeping(&before));
    let before = StoredObjects::of(&before);
    // On disk before anything else is: whoever comes after a crash goes back.
    let is_news = tried != before;
    if is_news {
        trial::begin(&host, who(), time.saturating_add(Limits::WORK), before)?;
    }
    if let Some(path) = file
        && let Err(error) = replace(&host, path, &files)
    {
        not_replaced(&host, &error)?;
        return Err(error.into());
    }
    if !is_news {
        complain(&"nothing is on trial: these objects are in force already");
        return super::run_at_once(None, context);
    }
    let outcome = match pass(&host) {
        Ok(outcome) => outcome,
        Err(error) => {
            complain(&Chain(error.as_ref()));
            return Ok(waiting.undo(&runtime, &host, "not applied"));
        }
    };
    // A terminal that is gone is a reason to undo, not to end here.
    let shown = show_pass(&outcome, context);
    // From now on, so that all of it is left to look.
    let decision = match trial::end_in(&host, time) {
        Ok(Some(_)) => runtime.block_on(waiting.until_decided(&host, &tried, time)),
        // Somebody was faster.
        Ok(None) => standing(&host, &tried).unwrap_or(Decision::Keep),
        Err(error) => {
            complain(&Chain(&error));
            Decision::Undo("the time cannot be noted")
        }
    };
    match decision {
        Decision::Keep => {
            complain(&"confirmed: these objects stay in force");
            shown
        }
        Decision::Undo(why) => Ok(waiting.undo(&runtime, &host, why)),
    }
}

/// Ends a trial whose objects may not have come to lie in their place.
fn not_replaced(host: &Host, error: &ReplaceError) -> Result<(), TrialError> {
    if !matches!(error, ReplaceError::File(_)) {
        // Nothing was exchanged.
        return trial::forget(host.root());
    }
    trial::end_in(host, Duration::ZERO)?;
    if let Some(refused) = trial::settle(host)? {
        complain(&refused);
    }
    Ok(())
}

/// All that may decide, listened to from before the first change on.
struct Waiting {
    interrupt: Signal,
    terminate: Signal,
    hangup: Signal,
    records: EventStream<[u8; BUFFER]>,
    /// Whether a line was entered, else that there will be none; only on a terminal.
    entered: Option<mpsc::Receiver<bool>>,
}

impl Waiting {
    fn listen(runtime: &Runtime, host: &Host) -> Result<Self, Box<dyn Error>> {
        let state = host.root().state();
        ipam::durable::make_directory(&state)?;
        let _inside = runtime.enter();
        let inotify = Inotify::init()?;
        let changes = WatchMask::DELETE | WatchMask::MOVED_TO | WatchMask::ONLYDIR;
        inotify.watches().add(&state, changes)?;
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hangup: signal(SignalKind::hangup())?,
            records: inotify.into_event_stream([0; BUFFER])?,
            entered: None,
        })
    }

    /// Waits until somebody confirms, or `time` is over, or this session is.
    async fn until_decided(
        &mut self,
        host: &Host,
        tried: &StoredObjects,
        time: Duration,
    ) -> Decision {
        let deadline = Instant::now() + time;
        let countdown = Countdown::to(deadline, time);
        if countdown.is_shown() {
            self.entered = lines();
        }
        loop {
            countdown.show();
            let decision = tokio::select! {
                _ = self.interrupt.recv() => Some(Decision::Undo("interrupted")),
                _ = self.terminate.recv() => Some(Decision::Undo("told to end")),
                _ = self.hangup.recv() => Some(Decision::Undo("the terminal is gone")),
                entered = entered(&mut self.entered) => Some(answered(host, tried, entered)),
                _ = self.records.next() => standing(host, tried),
                () = sleep_until(countdown.next()) => standing(host, tried),
            };
            if let Some(decision) = decision {
                countdown.end();
                return decision;
            }
        }
    }

    /// Undoes what was tried, and tells what that came to.
    fn undo(&self, runtime: &Runtime, host: &Host, why: &str) -> Exit {
        complain(&format_args!("{why}: the objects before come back"));
        if let Err(error) = trial::end_in(host, Duration::ZERO) {
            // Its own time ends it: that takes no write.
            complain(&Chain(&error));
            if let Ok(Some((tried, _))) = trial::look(host) {
                runtime.block_on(sleep_until(Instant::now() + tried.left));
            }
        }
        match pass(host) {
            Ok(outcome) => tell(&outcome),
            Err(error) => complain(&format_args!(
                "not undone yet: {}; the daemon, the next boot or `railhead apply` does it",
                Chain(error.as_ref())
            )),
        }
        Exit::Failed
    }
}

/// What is so with the record: nothing is decided as long as it waits.
fn standing(host: &Host, tried: &StoredObjects) -> Option<Decision> {
    const OVER: Decision = Decision::Undo("not confirmed in time");
    match trial::look(host) {
        Ok(Some((trial, _))) if trial.is_waiting() => None,
        Ok(Some(_)) => Some(OVER),
        // Somebody confirmed, or the daemon has undone it before we looked.
        Ok(None) => {
            let in_force = Written::read_or_last_good(host, None);
            let in_force = in_force.map(|written| StoredObjects::of(&written.objects));
            let is_kept = in_force.is_ok_and(|in_force| in_force == *tried);
            Some(if is_kept { Decision::Keep } else { OVER })
        }
        // Whoever holds it may be about to decide: the time goes on.
        Err(TrialError::Held { .. }) => None,
        Err(error) => {
            complain(&Chain(&error));
            Some(OVER)
        }
    }
}

/// What a line on the terminal means, or that there is no terminal any more.
fn answered(host: &Host, tried: &StoredObjects, entered: bool) -> Decision {
    if !entered {
        return Decision::Undo("the terminal is gone");
    }
    match trial::confirm(host) {
        Ok(Confirmed::Kept) => Decision::Keep,
        // Somebody else has ended it before: what lies there tells how.
        Ok(Confirmed::Nothing) => standing(host, tried).unwrap_or(Decision::Keep),
        Ok(Confirmed::TooLate) => Decision::Undo("not confirmed in time"),
        Err(error) => {
            complain(&Chain(&error));
            Decision::Undo("not confirmed")
        }
    }
}

/// Lines of the terminal that this process is in the foreground of; a shell's job in the background
/// would be stopped for reading.
fn lines() -> Option<mpsc::Receiver<bool>> {
    let is_foreground = tcgetpgrp(io::stdin()).is_ok_and(|group| group == getpgrp());
    is_foreground.then(|| {
        let (sender, entered) = mpsc::channel(1);
        // It ends with the process: nothing else makes a terminal's reader return.
        std::thread::spawn(move || {
            let read = io::stdin().read_line(&mut String::new());
            sender.blocking_send(read.is_ok_and(|length| length > 0)).ok();
        });
        entered
    })
}

async fn entered(lines: &mut Option<mpsc::Receiver<bool>>) -> bool {
    match lines {
        Some(lines) => lines.recv().await.unwrap_or(false),
        None => future::pending().await,
    }
}

/// What is left of the time, on a terminal.
struct Countdown {
    deadline: Instant,
    is_terminal: bool,
}

impl Countdown {
    fn to(deadline: Instant, time: Duration) -> Self {
        let is_terminal = io::stdin().is_terminal() && io::stderr().is_terminal();
        if !is_terminal {
            let until = Timestamp::from_epoch(Timestamp::now().seconds() + time.as_secs());
            complain(&format_args!("on trial until {until}: `railhead confirm` keeps it"));
        }
        Self { deadline, is_terminal }
    }

    fn is_shown(&self) -> bool {
        self.is_terminal
    }

    fn show(&self) {
        if self.is_terminal {
            let left = self.deadline.saturating_duration_since(Instant::now()).as_secs_f64().ceil();
            // With nobody there to read it, it is lost.
            write!(
                io::stderr(),
                "\rundone in {left} s: Enter or `railhead confirm` keeps it, Ctrl-C undoes it now\x1b[K"
            )
            .ok();
        }
    }

    /// When to look at the clock again.
    fn next(&self) -> Instant {
        if self.is_terminal { self.deadline.min(Instant::now() + TICK) } else { self.deadline }
    }

    fn end(&self) {
        if self.is_terminal {
            writeln!(io::stderr()).ok();
        }
    }
}

/// Tells what undoing came to. The result of this command was shown when it had applied.
fn tell(outcome: &reconcile::Outcome) {
    if let Some(pause) = &outcome.pause {
        complain(&format_args!("not undone: {pause}"));
    }
    for pf in outcome.pfs.values() {
        let failures =
            pf.failures.iter().map(|failure| format!("{}: {}", failure.step, failure.message));
        let blocked = pf.blocked.iter().map(ToString::to_string);
        let left = pf.left.iter().map(|step| format!("{step}: still to be done"));
        for what in failures.chain(blocked).chain(left) {
            complain(&format_args!("{}: {what}", pf.label));
        }
    }
    for (object, why) in &outcome.objects {
        complain(&format_args!("{object}: {why}"));
    }
    for problem in &outcome.problems {
        complain(problem);
    }
    complain(&if outcome.is_success() {
        "undone: the objects before are in force"
    } else {
        "not all of it could be undone; the daemon, or `railhead apply`, tries again"
    });
}
