//! One boot, from the orders to the end: what the guest tells, put together test by test.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::build::Programs;
use super::machine::{End, Machine, Word};
use super::rig::{Kind, Rig};
use super::wreck;
use crate::figure::Figure;
use crate::protocol::{Answer, Event, Orders, Request};

/// A machine may take this long until its guest is up.
const BOOT: Duration = Duration::from_secs(3 * 60);

/// All tests of a boot may take this long. Each has a deadline of its own in the guest, so this only ends a machine
/// that is stuck as a whole.
const LIMIT: Duration = Duration::from_secs(45 * 60);

/// So often a test may have the power cut: one that does not get on would do so for ever.
const MOST_CUTS: usize = 60;

/// A machine at work.
#[derive(Debug)]
pub(super) struct Session {
    rig: Rig,
    machine: Machine,
    /// The tests that have not begun.
    waiting: Vec<String>,
    current: Option<Current>,
    /// The cut that is to come.
    cut: Option<Cut>,
    /// Why the guest gave up, when it said so.
    last_words: Option<String>,
    finished: bool,
    /// Whether the machine is off and that was told.
    over: bool,
    /// Whether the kernel was given arguments for the current test alone.
    is_odd: bool,
}

/// A power cut that a test has asked for.
#[derive(Debug)]
struct Cut {
    due: Instant,
    note: Value,
    /// What the next boot's kernel is told besides.
    arguments: Vec<String>,
}

/// The test that runs at the moment, with what is known of it.
#[derive(Debug)]
struct Current {
    name: String,
    started: Instant,
    /// How often the power was cut.
    cuts: usize,
    transcript: String,
    exhibits: Vec<(String, String)>,
}

/// What happens, as far as it concerns the person who watches.
#[derive(Debug)]
pub(super) enum Happening {
    /// A test began.
    Started { name: String },
    /// A test passed.
    Passed { name: String, seconds: f64 },
    /// A test failed.
    Failed { name: String, transcript: String, message: String, wreck: PathBuf },
    /// Output to print as it is.
    Shown(String),
    /// Something was measured.
    Measured(Figure),
    /// The guest cannot go on.
    Unusable(String),
    /// QEMU died under this test, which says nothing of the test.
    Broken { name: String, message: String, wreck: PathBuf },
}

impl Session {
    /// Boots a machine with these orders.
    pub(super) fn boot(programs: &Programs, orders: Orders) -> Result<Self> {
        let rig = Rig::new(programs, Kind::of(&orders))?;
        rig.order(&orders)?;
        let machine = Machine::boot(&rig, BOOT, &[])?;
        let waiting = if let Orders::Tests { names, .. } = orders { names } else { Vec::new() };
        Ok(Self {
            rig,
            machine,
            waiting,
            current: None,
            cut: None,
            last_words: None,
            finished: false,
            over: false,
            is_odd: false,
        })
    }

    /// What happens next; nothing when the machine is off and all is told.
    pub(super) fn next(&mut self) -> Result<Option<Happening>> {
        while !self.over {
            let due = self.cut.as_ref().map(|cut| cut.due);
            let happening = match self.machine.listen(due) {
                Word::Event(event) => self.hear(event)?,
                Word::Garbled(line) => {
                    self.note(&format!("(not understood) {line}"));
                    None
                }
                Word::Due => self.cut_power()?,
                Word::End(end) => {
                    self.over = true;
                    self.end(&end)?
                }
            };
            if happening.is_some() {
                return Ok(happening);
            }
        }
        Ok(None)
    }

    fn hear(&mut self, event: Event) -> Result<Option<Happening>> {
        Ok(match event {
            Event::Ready => {
                self.machine.allow(LIMIT);
                None
            }
            Event::Finished => {
                self.finished = true;
                None
            }
            Event::Started { name } => self.start(name),
            Event::Log { text } => {
                self.note(&text);
                None
            }
            Event::Exhibit { name, text } => {
                if let Some(current) = &mut self.current {
                    current.exhibits.push((name, text));
                }
                None
            }
            Event::Passed if self.cut.is_some() => {
                self.fail("it passed before the power was cut".to_owned())?
            }
            Event::Passed => {
                self.over |= self.is_odd;
                self.current.take().map(|test| Happening::Passed {
                    name: test.name,
                    seconds: test.started.elapsed().as_secs_f64(),
                })
            }
            Event::Failed { message } => self.fail(message)?,
            Event::Ask { request } => {
                self.oblige(request)?;
                None
            }
            Event::Show { text } => Some(Happening::Shown(text)),
            Event::Measured(figure) => Some(Happening::Measured(figure)),
            Event::Unusable { message } => {
                self.last_words = Some(message.clone());
                Some(Happening::Unusable(message))
            }
        })
    }

    /// A test begins, or goes on after a power cut.
    fn start(&mut self, name: String) -> Option<Happening> {
        self.waiting.retain(|waiting| *waiting != name);
        if self.current.as_ref().is_some_and(|current| current.name == name) {
            return None;
        }
        let started = Happening::Started { name: name.clone() };
        let (transcript, exhibits) = (String::new(), Vec::new());
        let current = Current { name, started: Instant::now(), cuts: 0, transcript, exhibits };
        self.current = Some(current);
        Some(started)
    }

    /// Does what a test has asked for.
    fn oblige(&mut self, request: Request) -> Result<()> {
        let done = match request {
            Request::Cut { after, note, arguments } => {
                let due = Instant::now() + Duration::from_millis(after);
                self.cut = Some(Cut { due, note, arguments });
                return Ok(());
            }
            Request::Plug { slot } => self.machine.plug(slot),
            Request::Unplug { slot } => self.machine.unplug(slot),
        };
        self.machine.answer(&Answer { problem: done.err().map(|error| format!("{error:#}")) })
    }

    /// Cuts the power and boots again on the same disk, for the same test.
    fn cut_power(&mut self) -> Result<Option<Happening>> {
        for word in self.machine.cut_power()? {
            // The last line may be half a line.
            let Word::Event(event) = word else { continue };
            if let Some(happening) = self.hear(event)? {
                // The test ended at the last moment. Its machine is off, and the next test needs another.
                self.over = true;
                return Ok(Some(happening));
            }
        }
        let (Some(cut), Some(current)) = (self.cut.take(), &mut self.current) else {
            bail!("the power was cut for no test");
        };
        current.cuts += 1;
        if current.cuts > MOST_CUTS {
            self.over = true;
            return self.fail(format!("it has had the power cut {MOST_CUTS} times"));
        }
        let names = [&current.name].into_iter().chain(&self.waiting).cloned().collect();
        let boot = current.cuts;
        self.note(&format!("# the power is cut; boot {boot} on the same disk"));
        self.rig.order(&Orders::Tests { names, note: Some(cut.note) })?;
        self.machine = Machine::boot(&self.rig, BOOT, &cut.arguments)?;
        self.is_odd |= !cut.arguments.is_empty();
        Ok(None)
    }

    fn note(&mut self, text: &str) {
        if let Some(current) = &mut self.current {
            current.transcript.push_str(text);
            current.transcript.push('\n');
        }
    }

    /// The machine is off. A test that was running then has failed, and so has a boot that never got to one.
    fn end(&mut self, end: &End) -> Result<Option<Happening>> {
        let said = self.last_words.clone();
        let cause = match end {
            End::Off if self.finished || said.is_some() => None,
            End::Off => Some("the machine went off by itself".to_owned()),
            End::Crashed(line) => Some(format!("the kernel crashed: {line}")),
            End::Broken(last) => Some(format!("QEMU died: {last}")),
            End::Late => Some("the machine did not end in time".to_owned()),
        };
        if let End::Broken(last) = end
            && let Some(Current { name, .. }) = self.current.take()
        {
            let wreck = self.keep(&name)?;
            return Ok(Some(Happening::Broken { name, message: last.clone(), wreck }));
        }
        if self.current.is_some() {
            let message = said.or(cause).unwrap_or_else(|| "the runner forgot it".to_owned());
            return self.fail(message);
        }
        if let Some(cause) = cause {
            let wreck = self.keep("boot")?;
            bail!("{cause}; its last words are in {}", wreck.join("console.txt").display());
        }
        Ok(None)
    }

    /// The current test has failed: keeps the wreck.
    fn fail(&mut self, message: String) -> Result<Option<Happening>> {
        // It will not wait for that any more.
        self.cut = None;
        self.over |= self.is_odd;
        let Some(Current { name, transcript, exhibits, .. }) = self.current.take() else {
            return Ok(None);
        };
        let wreck = self.keep(&name)?;
        write(&wreck, "failure.txt", &message)?;
        write(&wreck, "transcript.txt", &transcript)?;
        for (name, text) in &exhibits {
            write(&wreck, name, text)?;
        }
        Ok(Some(Happening::Failed { name, transcript, message, wreck }))
    }

    /// Keeps what the machine itself leaves: its console, and what QEMU complained about.
    fn keep(&self, name: &str) -> Result<PathBuf> {
        let wreck = wreck::make(name)?;
        for (file, name) in
            [(self.rig.console(), "console.txt"), (self.rig.complaints(), "qemu.txt")]
        {
            // QEMU may have died before it made them.
            drop(fs::copy(file, wreck.join(name)));
        }
        Ok(wreck)
    }
}

fn write(directory: &Path, name: &str, text: &str) -> Result<()> {
    let file = directory.join(name);
    fs::write(&file, text).with_context(|| format!("write {}", file.display()))
}
