//! Runs tests in the machine: one boot serves all, and a test that breaks the machine costs one more.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::build::{self, Profile, Programs};
use super::machine::{End, Machine, Word};
use super::{image, place, wreck};
use crate::guest;
use crate::protocol::{Event, Orders};

/// A boot with all tests may take this long. Each test has a deadline of its own in the guest, so this only ends a
/// machine that is stuck as a whole.
const LIMIT: Duration = Duration::from_secs(45 * 60);

/// The names of the tests that a filter leaves: those that contain it.
pub fn select(filter: &str) -> Vec<String> {
    guest::tests::all().map(|(name, _)| (*name).to_owned()).filter(|n| n.contains(filter)).collect()
}

/// Runs these tests and says how each went. True when all passed.
///
/// # Errors
/// When the machine cannot be built or started.
pub fn run(names: &[String]) -> Result<bool> {
    place::set_up()?;
    let programs = build::build(Profile::Lab)?;
    let mut remaining = names.to_vec();
    let mut tally = Tally::default();
    println!("running {} tests in the VM", names.len());
    while !remaining.is_empty() {
        let before = remaining.len();
        boot(&programs, &mut remaining, &mut tally)?;
        if remaining.len() == before {
            bail!("the machine did not run a single test");
        }
    }
    tally.report();
    Ok(tally.failed.is_empty())
}

/// How the tests went so far.
#[derive(Debug, Default)]
struct Tally {
    passed: usize,
    failed: Vec<(String, PathBuf)>,
}

impl Tally {
    fn report(&self) {
        if !self.failed.is_empty() {
            println!("\nfailed:");
            for (name, wreck) in &self.failed {
                println!("    {name}\n        {}", wreck.display());
            }
        }
        let word = if self.failed.is_empty() { "ok" } else { "FAILED" };
        println!("\nVM: {word}. {} passed; {} failed", self.passed, self.failed.len());
    }
}

/// The test that runs at the moment, with what is known of it.
#[derive(Debug)]
struct Current {
    name: String,
    transcript: String,
    exhibits: Vec<(String, String)>,
}

/// Boots once and takes off `remaining` what was run.
fn boot(programs: &Programs, remaining: &mut Vec<String>, tally: &mut Tally) -> Result<()> {
    let directory = place::lab().join("run").join(std::process::id().to_string());
    fs::create_dir_all(&directory).with_context(|| format!("make {}", directory.display()))?;
    let image = directory.join("initramfs.cpio");
    image::write(&image, programs, &Orders::Tests(remaining.clone()))?;
    let mut machine = Machine::boot(&directory, &image, LIMIT)?;
    let mut current: Option<Current> = None;
    let mut last_words = String::new();
    let end = loop {
        match machine.listen() {
            Word::Event(Event::Started { name }) => {
                remaining.retain(|other| *other != name);
                current = Some(Current { name, transcript: String::new(), exhibits: Vec::new() });
            }
            Word::Event(Event::Log { text }) => {
                if let Some(current) = &mut current {
                    current.transcript.push_str(&format!("{text}\n"));
                }
            }
            Word::Event(Event::Exhibit { name, text }) => {
                if let Some(current) = &mut current {
                    current.exhibits.push((name, text));
                }
            }
            Word::Event(Event::Passed { seconds }) => {
                if let Some(current) = current.take() {
                    println!("VM {} ... ok ({seconds:.1} s)", current.name);
                    tally.passed += 1;
                }
            }
            Word::Event(Event::Failed { message }) => {
                if let Some(current) = current.take() {
                    fail(current, &message, &directory, tally)?;
                }
            }
            Word::Event(Event::Unusable { message }) => {
                println!("VM: {message}; the machine is booted again for the rest");
                last_words = message;
            }
            Word::Event(Event::Show { text }) => print!("{text}"),
            Word::Event(Event::Ready | Event::Finished) => {}
            Word::Garbled(line) => {
                if let Some(current) = &mut current {
                    current.transcript.push_str(&format!("(garbled) {line}\n"));
                }
            }
            Word::End(end) => break end,
        }
    };
    drop(machine);
    let cause = match &end {
        End::Off if last_words.is_empty() => "the machine went off".to_owned(),
        End::Off => last_words,
        End::Crashed(line) => format!("the kernel crashed: {line}"),
        End::Late => format!("the machine did not end within {LIMIT:?}"),
    };
    match current.take() {
        Some(current) => fail(current, &cause, &directory, tally)?,
        None if end != End::Off => {
            let kept = keep("boot", &directory)?;
            bail!("{cause}; see {}", kept.display());
        }
        None => {}
    }
    fs::remove_dir_all(&directory).with_context(|| format!("remove {}", directory.display()))
}

/// Says that a test failed, with all that led to it, and keeps the wreck.
fn fail(current: Current, message: &str, directory: &Path, tally: &mut Tally) -> Result<()> {
    let wreck = keep(&current.name, directory)?;
    let files = current
        .exhibits
        .iter()
        .map(|(name, text)| (name.as_str(), text.as_str()))
        .chain([("transcript.txt", current.transcript.as_str()), ("failure.txt", message)]);
    for (name, text) in files {
        let file = wreck.join(name);
        fs::write(&file, text).with_context(|| format!("write {}", file.display()))?;
    }
    println!("VM {} ... FAILED", current.name);
    for line in current.transcript.lines() {
        println!("    {line}");
    }
    println!("    {}\n    the wreck: {}", message.replace('\n', "\n    "), wreck.display());
    tally.failed.push((current.name, wreck));
    Ok(())
}

/// Copies what the machine itself leaves: console and QEMU's complaints.
fn keep(name: &str, directory: &Path) -> Result<PathBuf> {
    let wreck = wreck::make(name)?;
    for file in ["console.txt", "qemu.txt"] {
        // QEMU may have died before it made them.
        drop(fs::copy(directory.join(file), wreck.join(file)));
    }
    Ok(wreck)
}
