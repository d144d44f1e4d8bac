//! Runs tests in the machine: one boot serves many, and a test that breaks the machine costs one more.

use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::thread;

use anyhow::{Result, bail};

use super::build::{self, Profile, Programs};
use super::place;
use super::session::{Happening, Session};
use crate::guest;
use crate::protocol::Orders;

/// So many machines share the tests. One mostly waits: the kernel sleeps for seconds when VFs come and go.
const MACHINES: usize = 2;

/// So much of a failure's message is repeated at the end of a run.
const MESSAGE_LINES: usize = 12;

/// The names of the tests that contain one of `filters`, or all when there is none, but none of `skipped`.
pub fn select(filters: &[&str], skipped: &[&str]) -> Vec<String> {
    let names = guest::tests::all().map(|(name, _)| *name);
    let wanted = |name: &&str| filters.is_empty() || filters.iter().any(|part| name.contains(part));
    let unwanted = |name: &&str| skipped.iter().any(|part| name.contains(part));
    names.filter(|name| wanted(name) && !unwanted(name)).map(str::to_owned).collect()
}

/// Runs these tests and says how each went. True when all passed.
///
/// # Errors
/// When the machine cannot be built or started.
pub fn run(names: &[String]) -> Result<bool> {
    place::set_up()?;
    let programs = build::build(Profile::Lab)?;
    let tally = Mutex::new(Tally::default());
    let (with_systemd, bare): (Vec<String>, Vec<String>) =
        names.iter().cloned().partition(|name| guest::tests::needs_systemd(name));
    let count = MACHINES.min(bare.len()).max(1);
    println!("\nrunning {} tests, shared by {count} VMs", names.len());
    thread::scope(|scope| {
        let machines: Vec<_> = (0..count)
            .map(|number| {
                // Every second test, and not the first half: neighbours are of a kind, and as slow.
                let share = bare.iter().skip(number).step_by(count).cloned().collect();
                // Those that need the other machine get it when the first of these is done.
                let others = if number == 0 { with_systemd.clone() } else { Vec::new() };
                let (programs, tally) = (&programs, &tally);
                scope.spawn(move || {
                    work_off(programs, share, tally)?;
                    work_off(programs, others, tally)
                })
            })
            .collect();
        machines.into_iter().try_for_each(|machine| match machine.join() {
            Ok(outcome) => outcome,
            Err(panic) => resume_unwind(panic),
        })
    })?;
    let tally = tally.into_inner().unwrap_or_else(PoisonError::into_inner);
    tally.report();
    Ok(tally.failed.is_empty())
}

/// How the tests went so far.
#[derive(Debug, Default)]
struct Tally {
    passed: usize,
    failed: Vec<Failure>,
    /// Tests under which QEMU died: each is given one more machine.
    broken: Vec<String>,
}

/// One test that failed.
#[derive(Debug)]
struct Failure {
    name: String,
    message: String,
    wreck: PathBuf,
}

impl Tally {
    /// The last that is printed says why each failed: a log that is cut keeps its end.
    fn report(&self) {
        for Failure { name, message, wreck } in &self.failed {
            println!("\nfailed: {name}");
            message.lines().take(MESSAGE_LINES).for_each(|line| println!("    {line}"));
            println!("    the wreck: {}", wreck.display());
        }
        for name in &self.broken {
            println!("\nQEMU died under {name}, which was run again");
        }
        let word = if self.failed.is_empty() { "ok" } else { "FAILED" };
        println!(
            "\ntest result in the VM: {word}. {} passed; {} failed",
            self.passed,
            self.failed.len()
        );
    }
}

/// Boots until all of `remaining` is done.
fn work_off(programs: &Programs, mut remaining: Vec<String>, tally: &Mutex<Tally>) -> Result<()> {
    while !remaining.is_empty() {
        if !boot(programs, &mut remaining, tally)? {
            bail!("the machine did not run a single test");
        }
    }
    Ok(())
}

/// Boots once and takes off `remaining` what was run. False when nothing was.
fn boot(programs: &Programs, remaining: &mut Vec<String>, tally: &Mutex<Tally>) -> Result<bool> {
    let mut ran = false;
    let orders = Orders::Tests { names: remaining.clone(), note: None };
    let mut session = Session::boot(programs, orders)?;
    while let Some(happening) = session.next()? {
        let mut tally = tally.lock().unwrap_or_else(PoisonError::into_inner);
        match happening {
            Happening::Started { name } => {
                ran = true;
                remaining.retain(|other| *other != name);
            }
            Happening::Passed { name, seconds } => {
                println!("test {name} ... ok ({seconds:.1} s)");
                tally.passed += 1;
            }
            Happening::Failed { name, transcript, message, wreck } => {
                println!("test {name} ... FAILED");
                print_failure(&transcript, &message, &wreck);
                tally.failed.push(Failure { name, message, wreck });
            }
            Happening::Shown(text) => print!("{text}"),
            // Figures were not asked for.
            Happening::Measured(_) => {}
            Happening::Broken { name, message, wreck } => {
                println!(
                    "test {name} ... QEMU died: {message}\n    the wreck: {}",
                    wreck.display()
                );
                if tally.broken.contains(&name) {
                    tally.failed.push(Failure { name, message, wreck });
                } else {
                    println!("    booting again for this test");
                    remaining.push(name.clone());
                    tally.broken.push(name);
                }
            }
            Happening::Unusable(message) if remaining.is_empty() => println!("{message}"),
            Happening::Unusable(message) => println!("{message}; booting again for the rest"),
        }
    }
    Ok(ran)
}

/// All that led to a failure, set off from the list of tests.
pub(super) fn print_failure(transcript: &str, message: &str, wreck: &Path) {
    for line in transcript.lines().chain(["", "why:"]).chain(message.lines()) {
        println!("    {line}");
    }
    println!("    the wreck: {}", wreck.display());
}
