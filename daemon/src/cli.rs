//! The command line: one file per verb, each with its arguments and what it does with them.
//!
//! ```text
//! Cli (clap) --> Verb --> VERB::run(&Args, &mut Context) --> Exit
//! ```

use std::error::Error;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use conf::printable::Printable;
use nix::unistd::geteuid;

use crate::chain::Chain;
use crate::dump::{Replayed, replay};
use crate::host::Host;
use crate::reconcile;
use crate::situation::Situation;
use crate::trial::State;
use crate::view::{Format, Output};

pub mod apply;
pub mod attachments;
pub mod boot;
pub mod completions;
pub mod confirm;
pub mod daemon;
pub mod discover;
pub mod doctor;
pub mod dump;
pub mod explain;
pub mod ipam;
pub mod metrics;
pub mod pause;
pub mod plan;
pub mod status;
pub mod validate;

/// Prepares a host's SR-IOV NICs for containers and shows what is attached to whom.
#[derive(Debug, Parser)]
#[command(
    name = "railhead",
    version,
    max_term_width = 100,
    after_help = "Exit status: 0 done or nothing to do, 1 failed, 2 wrong usage, 3 `plan \
                  --exit-code` has changes."
)]
pub struct Cli {
    /// What holds for every verb.
    #[command(flatten)]
    pub global: Global,
    /// What to do.
    #[command(subcommand)]
    pub verb: Verb,
}

/// What holds for every verb.
#[derive(Debug, Args)]
pub struct Global {
    /// How to print results: table, json or yaml
    #[arg(
        short,
        long,
        global = true,
        value_enum,
        default_value_t,
        value_name = "FORMAT",
        hide_possible_values = true
    )]
    pub output: Format,
    /// The directory that stands for /: another railhead's files, or a captured machine
    #[arg(long, global = true, value_name = "DIRECTORY", default_value = "/")]
    pub root: PathBuf,
    /// The machine that a dump is of, in the place of this one
    #[arg(long, global = true, value_name = "FILE", conflicts_with = "root")]
    pub replay: Option<PathBuf>,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Show the NICs that can make VFs, and their VFs
    Discover(discover::Args),
    /// Show what `apply` would do, step by step
    Plan(plan::Args),
    /// Check objects without looking at any host
    Validate(validate::Args),
    /// Bring the host to what the objects want
    Apply(apply::Args),
    /// Keep what `apply --confirm` has put on trial
    Confirm(confirm::Args),
    /// Show whether the host is as the objects want it
    Status(status::Args),
    /// Show why a PF, a VF or a policy is as it is
    Explain(explain::Args),
    /// Show what is attached to which container
    Attachments(attachments::Args),
    /// Show this node's address blocks and who holds which address
    Ipam(ipam::Args),
    /// Print the daemon's metrics once, as a collector gets them
    Metrics(metrics::Args),
    /// Look for what keeps railhead from its work, and say how to mend it
    Doctor(doctor::Args),
    /// Write all that decisions here are made from into one file
    Dump(dump::Args),
    /// Bring back at boot what was in force, before anything needs it
    Boot(boot::Args),
    /// Leave the NICs alone until `resume`, or for some time
    Pause(pause::PauseArgs),
    /// End a pause
    Resume(pause::ResumeArgs),
    /// Run the node daemon: bring the host to what the objects want, and keep it there
    Daemon(daemon::Args),
    /// Print completions for a shell
    Completions(completions::Args),
}

impl Verb {
    /// Whether it looks at the machine, or changes something of it. A verb that is not listed does.
    fn looks_at_the_host(&self) -> bool {
        !matches!(self, Self::Validate(_) | Self::Completions(_))
    }
}

/// Somebody else than root asks. Whoever sees neither the records nor what other processes have
/// open would be shown VFs in use as free, and attachments as none at all.
#[derive(Debug, thiserror::Error)]
#[error(
    "look at this machine: only root is shown its records and what processes have open; run it as \
     root, or with sudo"
)]
struct NotRoot;

/// What a verb works with.
#[derive(Debug)]
pub struct Context {
    /// The machine.
    pub host: Host,
    /// Where results go.
    pub out: Output<io::Stdout>,
}

/// How a verb ended; `railhead`'s exit status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Done, or nothing to do: 0.
    Done,
    /// Some or all of it failed, and that was told: 1.
    Failed,
    /// There are changes to be made, and that was asked: 3.
    Changes,
}

/// What a verb comes to; its error is printed with all causes.
pub type Outcome = Result<Exit, Box<dyn Error>>;

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Done => 0,
            Exit::Failed => 1,
            Exit::Changes => 3,
        })
    }
}

/// Runs the verb that the command line names. Wrong usage ends the process with status 2.
pub fn main() -> ExitCode {
    match work(&Cli::parse()) {
        Ok(exit) => exit.into(),
        Err(error) => {
            complain(&Chain(error.as_ref()));
            Exit::Failed.into()
        }
    }
}

fn work(cli: &Cli) -> Outcome {
    let out = Output::stdout(cli.global.output);
    let Some(dump) = &cli.global.replay else {
        let host = Host::at(&cli.global.root);
        if host.is_live() && cli.verb.looks_at_the_host() && !geteuid().is_root() {
            return Err(NotRoot.into());
        }
        return run(&cli.verb, &mut Context { host, out });
    };
    // Its files are there as long as the verb needs them.
    let Replayed { host, place: _place } = replay(dump)?;
    run(&cli.verb, &mut Context { host, out })
}

fn run(verb: &Verb, context: &mut Context) -> Outcome {
    match verb {
        Verb::Discover(args) => discover::run(args, context),
        Verb::Plan(args) => plan::run(args, context),
        Verb::Validate(args) => validate::run(args, context),
        Verb::Apply(args) => apply::run(args, context),
        Verb::Confirm(args) => confirm::run(args, context),
        Verb::Status(args) => status::run(args, context),
        Verb::Explain(args) => explain::run(args, context),
        Verb::Attachments(_) | Verb::Ipam(_) if context.host.recorded().is_some() => {
            Err("a dump does not hold who has which VF and address; see `railhead status`".into())
        }
        Verb::Attachments(args) => attachments::run(args, context),
        Verb::Ipam(args) => ipam::run(args, context),
        Verb::Metrics(args) => metrics::run(args, context),
        Verb::Doctor(args) => doctor::run(args, context),
        Verb::Dump(args) => dump::run(args, context),
        Verb::Boot(args) => boot::run(args, context),
        Verb::Pause(args) => pause::pause(args, context),
        Verb::Resume(args) => pause::resume(args, context),
        Verb::Daemon(args) => daemon::run(args, context),
        Verb::Completions(args) => completions::run(args, context),
    }
}

/// Tells what went wrong on standard error, on one line, with the names of files and objects made
/// [printable](Printable); with nobody there to read it, that is lost.
pub fn complain(what: &dyn std::fmt::Display) {
    complain_to(io::stderr(), what).ok();
}

/// Tells what was left out, what is surely not meant, and what is wrong.
fn complain_of(
    skipped: &[impl std::fmt::Display],
    notices: &[impl std::fmt::Display],
    problems: &[impl std::fmt::Display],
) {
    for skipped in skipped {
        complain(skipped);
    }
    for notice in notices {
        complain(&format_args!("warning: {notice}"));
    }
    for problem in problems {
        complain(problem);
    }
}

/// Shows what a pass came to.
fn show_pass(outcome: &reconcile::Outcome, context: &mut Context) -> Outcome {
    context.out.show(outcome)?;
    complain_of(&outcome.skipped, &outcome.notices, &outcome.problems);
    Ok(if outcome.is_success() { Exit::Done } else { Exit::Failed })
}

/// Tells what a plan does not: what is wrong with what it was made from.
fn complain_of_sources(situation: &Situation) {
    if let Some(broken) = &situation.loaded.broken {
        complain(broken);
    }
    let objects = &situation.objects;
    complain_of(&objects.skipped.told(), &situation.notices(), &objects.problems);
    if let Some(trial) = situation.trial.as_ref().filter(|trial| trial.state != State::Over) {
        complain(trial);
    }
    for damaged in &situation.damaged {
        complain(damaged);
    }
}

fn complain_to(mut to: impl Write, what: &dyn std::fmt::Display) -> io::Result<()> {
    writeln!(to, "railhead: {}", Printable(what))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn no_complaint_plays_tricks_on_a_terminal() {
        let mut told = Vec::new();
        complain_to(&mut told, &"the file \u{1b}[2J\n.json is damaged").unwrap();
        let told = String::from_utf8(told).unwrap();
        assert_eq!(told, "railhead: the file \\u{1b}[2J\\n.json is damaged\n");
    }
}
