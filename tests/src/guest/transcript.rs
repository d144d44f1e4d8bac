//! The guest's end of the line to the host.
//!
//! Every program that a test runs is told to the host as it happens, so that the host still knows what led to a
//! crash of the whole machine.

use std::cell::Cell;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Mutex, OnceLock};

use nix::sys::termios::{SetArg, cfmakeraw, tcgetattr, tcsetattr};

use crate::protocol::Event;

/// The second serial port.
pub(super) const CHANNEL: &str = "/dev/ttyS1";

static LINE: OnceLock<Mutex<File>> = OnceLock::new();

/// Opens the line. Until then events go nowhere.
pub(super) fn open() {
    let line = OpenOptions::new()
        .write(true)
        .custom_flags(nix::libc::O_NOCTTY)
        .open(CHANNEL)
        .unwrap_or_else(|error| panic!("open {CHANNEL}: {error}"));
    let mut settings = tcgetattr(&line).expect("settings of the channel");
    cfmakeraw(&mut settings);
    tcsetattr(&line, SetArg::TCSANOW, &settings).expect("make the channel raw");
    LINE.get_or_init(|| Mutex::new(line));
}

/// Tells the host about `event`.
pub(super) fn tell(event: &Event) {
    let Some(line) = LINE.get() else { return };
    let mut text = serde_json::to_string(event).expect("an event is JSON");
    text.push('\n');
    // A poisoned lock only means that a test died while it was telling something.
    let mut line = line.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    line.write_all(text.as_bytes()).expect("write to the channel");
    nix::sys::termios::tcdrain(&*line).expect("drain the channel");
}

thread_local! {
    static SILENT: Cell<bool> = const { Cell::new(false) };
}

/// Does one of many hundreds of things: what this thread does meanwhile is not in the transcript. The line to the host
/// is slow, and a transcript that nobody can read to its end is of no use.
pub(crate) fn silently<T>(what: impl FnOnce() -> T) -> T {
    let before = SILENT.replace(true);
    let outcome = catch_unwind(AssertUnwindSafe(what));
    SILENT.set(before);
    outcome.unwrap_or_else(|panic| resume_unwind(panic))
}

/// Adds to the transcript of the running test. Seen on the host when the test fails.
pub(crate) fn log(text: impl Into<String>) {
    if SILENT.get() {
        return;
    }
    tell(&Event::Log { text: text.into() });
}
