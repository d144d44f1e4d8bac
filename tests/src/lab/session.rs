//! One boot, from the orders to the end: what the guest tells, put together test by test.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::build::Programs;
use super::machine::{End, Machine, Word};
use super::{image, place, wreck};
use crate::protocol::{Event, Orders};

/// A boot with all tests may take this long. Each test has a deadline of its own in the guest, so this only ends a
/// machine that is stuck as a whole.
const LIMIT: Duration = Duration::from_secs(45 * 60);

/// A machine at work.
#[derive(Debug)]
pub(super) struct Session {
    directory: PathBuf,
    machine: Machine,
    current: Option<Current>,
    /// Why the guest gave up, when it said so.
    last_words: Option<String>,
    finished: bool,
    /// Whether the machine is off and that was told.
    over: bool,
}

/// The test that runs at the moment, with what is known of it.
#[derive(Debug)]
struct Current {
    name: String,
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
    /// The guest cannot go on.
    Unusable(String),
    /// QEMU died under this test, which says nothing of the test.
    Broken { name: String, message: String, wreck: PathBuf },
}

impl Session {
    /// Boots a machine with these orders.
    pub(super) fn boot(programs: &Programs, orders: &Orders) -> Result<Self> {
        static BOOTS: AtomicU32 = AtomicU32::new(0);
        let boot = BOOTS.fetch_add(1, Ordering::Relaxed);
        let directory = place::lab().join("run").join(format!("{}-{boot}", std::process::id()));
        fs::create_dir_all(&directory).with_context(|| format!("make {}", directory.display()))?;
        let image = directory.join("initramfs.cpio");
        image::write(&image, programs, orders)?;
        let machine = Machine::boot(&directory, &image, LIMIT)?;
        Ok(Self {
            directory,
            machine,
            current: None,
            last_words: None,
            finished: false,
            over: false,
        })
    }

    /// What happens next; nothing when the machine is off and all is told.
    pub(super) fn next(&mut self) -> Result<Option<Happening>> {
        while !self.over {
            let happening = match self.machine.listen() {
                Word::Event(event) => self.hear(event)?,
                Word::Garbled(line) => {
                    self.note(&format!("(not understood) {line}"));
                    None
                }
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
            Event::Ready => None,
            Event::Finished => {
                self.finished = true;
                None
            }
            Event::Started { name } => {
                let started = Happening::Started { name: name.clone() };
                let (transcript, exhibits) = (String::new(), Vec::new());
                self.current = Some(Current { name, transcript, exhibits });
                Some(started)
            }
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
            Event::Passed { seconds } => {
                let test = self.current.take();
                test.map(|test| Happening::Passed { name: test.name, seconds })
            }
            Event::Failed { message } => self.fail(message)?,
            Event::Show { text } => Some(Happening::Shown(text)),
            Event::Unusable { message } => {
                self.last_words = Some(message.clone());
                Some(Happening::Unusable(message))
            }
        })
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
            End::Late => Some(format!("the machine did not end within {LIMIT:?}")),
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
        let Some(Current { name, transcript, exhibits }) = self.current.take() else {
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
        for file in ["console.txt", "qemu.txt"] {
            // QEMU may have died before it made them.
            drop(fs::copy(self.directory.join(file), wreck.join(file)));
        }
        Ok(wreck)
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // An initramfs is big and made anew for each boot. What cannot be removed is in nobody's way.
        drop(fs::remove_dir_all(&self.directory));
    }
}

fn write(directory: &Path, name: &str, text: &str) -> Result<()> {
    let file = directory.join(name);
    fs::write(&file, text).with_context(|| format!("write {}", file.display()))
}
