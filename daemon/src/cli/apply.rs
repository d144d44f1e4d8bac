//! `railhead apply`: brings the host to what the objects want.

use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use super::pause::time;
use super::{Context, Outcome, complain, show_pass};
use crate::apply::{Deadlines, Event, Stop};
use crate::host::Host;
use crate::pause;
use crate::reconcile::{self, reconcile};
use crate::service::client::Client;
use crate::service::lock::{HostLock, HostLockError};
use crate::situation::Written;
use crate::source::{self, Files, ReplaceError, Replaced};
use crate::trial;

mod on_trial;
pub(super) mod progress;

use progress::Show;

/// Bring the host to what the objects want
///
/// With -f, first puts those objects in the place of all that are in force. Where the daemon runs
/// it does the work; else this process does, under the same lock. What is in use is not touched:
/// see `railhead plan` for what waits for whom.
///
/// With --confirm, all of it is undone after that time unless Enter is pressed or `railhead
/// confirm` is run; also by Ctrl-C, when the session is lost, and by a reboot. Exit status 1 when
/// it was undone.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  railhead apply
  railhead apply -f examples/standalone/
  railhead apply -f examples/standalone/ --confirm 60s
  kubectl get sriovnetworknodepolicies -o yaml | railhead apply -f -")]
pub struct Args {
    /// Put these objects in the place of all in force: a file, a directory, or - for standard
    /// input
    #[arg(short, long, value_name = "PATH")]
    file: Option<PathBuf>,
    /// Undo it after that time unless it is confirmed: 60s, 10m
    #[arg(long, value_name = "TIME", value_parser = time)]
    confirm: Option<Duration>,
}

/// Applies.
pub fn run(args: &Args, context: &mut Context) -> Outcome {
    refuse_captured(&context.host)?;
    refuse_paused(&context.host)?;
    if args.file.is_some() || args.confirm.is_some() {
        refuse_on_trial(&context.host)?;
        // So that a trial that is over does not speak of what is put in place now.
        trial::settle(&context.host)?;
    }
    match args.confirm {
        Some(time) => on_trial::run(time, args.file.as_deref(), context),
        None => run_at_once(args.file.as_deref(), context),
    }
}

/// Applies for good.
fn run_at_once(file: Option<&Path>, context: &mut Context) -> Outcome {
    if let Some(path) = file {
        replace(&context.host, path, &Files::named(path)?)?;
        trial::forget(context.host.root())?;
    }
    let outcome = pass(&context.host)?;
    show_pass(&outcome, context)
}

/// Makes the pass here, or has the daemon make it.
fn pass(host: &Host) -> Result<reconcile::Outcome, Box<dyn std::error::Error>> {
    match HostLock::take(host, "railhead apply") {
        Ok(lock) => {
            let outcome = here(host)?;
            drop(lock);
            Ok(outcome)
        }
        Err(held @ HostLockError::Held { .. }) => {
            let client = Client::connect(host)?.ok_or(held)?;
            let mut show = Show::on_stderr();
            Ok(client.apply(|event| show.event(&event))?)
        }
        Err(error) => Err(error.into()),
    }
}

/// Refuses to change a machine that is only a captured tree.
pub(super) fn refuse_captured(host: &Host) -> Result<(), String> {
    if host.is_live() {
        return Ok(());
    }
    if host.recorded().is_some() {
        return Err("a dump is looked at, and planned for: nothing is changed by that".to_owned());
    }
    Err(format!(
        "{} is a captured machine: there is no kernel behind it that could be changed; see \
         `railhead plan`",
        host.root().path().display()
    ))
}

/// Refuses while somebody works on the NICs, before anything is replaced.
fn refuse_paused(host: &Host) -> Result<(), Box<dyn std::error::Error>> {
    match pause::load(host.root(), host.wall())? {
        None => Ok(()),
        Some(pause) => Err(format!(
            "{pause}; nothing is applied meanwhile: run `railhead resume` when the work is done"
        )
        .into()),
    }
}

/// Refuses while objects are on trial: what is done now would be undone with them.
pub(super) fn refuse_on_trial(host: &Host) -> Result<(), Box<dyn std::error::Error>> {
    match trial::look(host)? {
        Some((tried, _)) if tried.is_waiting() => Err(tried.to_string().into()),
        _ => Ok(()),
    }
}

/// Puts `files`, read from `path`, in the place of all objects in force.
fn replace(host: &Host, path: &Path, files: &Files) -> Result<(), ReplaceError> {
    match source::replace(host.root(), files)? {
        Replaced::Changed => complain(&format_args!(
            "{} holds the objects of {} now",
            host.root().objects().display(),
            path.display()
        )),
        Replaced::Same => {}
    }
    Ok(())
}

/// Makes the pass in this process, and shows how it goes.
fn here(host: &Host) -> Result<reconcile::Outcome, Box<dyn std::error::Error>> {
    let written = Written::read(host)?;
    let (sender, events) = mpsc::channel::<Event>();
    let pass = thread::scope(|scope| {
        let worker = scope.spawn(|| {
            // Moved in, so that the channel ends with the work.
            let sender = sender;
            reconcile(host, &written, Deadlines::default(), &Stop::default(), &sender)
        });
        let mut show = Show::on_stderr();
        for event in events {
            show.event(&event);
        }
        worker.join()
    });
    match pass {
        Ok(pass) => Ok(pass?.outcome()),
        Err(_) => Err("the worker ended in a panic; this is a defect of railhead".into()),
    }
}
