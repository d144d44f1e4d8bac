//! The hand from outside: what a guest cannot do to its own machine, the host does for it.
//!
//! A test whose power is cut begins again from the top after the boot, and finds the note that it had left. The
//! note says how far the test was, so a type with a variant for each part of the test does well:
//!
//! ```text
//! fn what_was_synced_survives() {
//!     match hand::note() {
//!         None => {
//!             put_and_sync("/var/lib/railhead/file");
//!             hand::cut(&Phase::Written)
//!         }
//!         Some(Phase::Written) => assert!(Path::new("/var/lib/railhead/file").exists()),
//!     }
//! }
//! ```
//!
//! `/etc` and `/var/lib` are on a disk and as they were; all else is as after any boot: no VFs, no namespaces, no
//! processes, an empty `/run`.

use std::fs::{File, OpenOptions};
use std::io::Read;
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::host::{Pf, netdev_of};
use super::init::name_interface;
use super::transcript::{CHANNEL, log, tell};
use super::wait::wait_for;
use crate::protocol::{Answer, Event, Request};

/// How long the host may take. A guest lets go of a card five seconds after the button of its slot was pressed.
const PATIENCE: Duration = Duration::from_secs(90);

/// What the running test left to itself before the cut.
static NOTE: Mutex<Option<Value>> = Mutex::new(None);

/// One request at a time.
static ASKING: Mutex<()> = Mutex::new(());

/// Hands the running test its note; nothing ends what an earlier test had.
pub(super) fn hand_over(note: Option<Value>) {
    *NOTE.lock().unwrap_or_else(PoisonError::into_inner) = note;
}

/// What this test left to itself when it had the power cut; nothing when it has just begun.
#[track_caller]
pub fn note<T: DeserializeOwned>() -> Option<T> {
    let note = NOTE.lock().unwrap_or_else(PoisonError::into_inner).clone();
    note.map(|note| serde_json::from_value(note).expect("a note of another type was left"))
}

/// Has the power cut at once. The test begins again after the boot, with this note.
#[track_caller]
pub fn cut<T: Serialize>(note: &T) -> ! {
    cut_after(Duration::ZERO, note);
    wait_for_cut()
}

/// Has the power cut so much later, whatever is going on then. The test goes on until it is, and has failed when it
/// ends before.
#[track_caller]
pub fn cut_after(delay: Duration, note: &impl Serialize) {
    ask_for_cut(delay, note, &[]);
}

/// Has the machine switched off and on again at once, with these arguments for its kernel besides. They hold for the rest
/// of the test, which begins again with this note; the next test gets a machine without them.
#[track_caller]
pub fn restart_with(arguments: &[&str], note: &impl Serialize) -> ! {
    ask_for_cut(Duration::ZERO, note, arguments);
    wait_for_cut()
}

#[track_caller]
fn ask_for_cut(delay: Duration, note: &impl Serialize, arguments: &[&str]) {
    let note = serde_json::to_value(note).expect("a note is JSON");
    log(format!("# the power is cut in {delay:?}; note: {note}; kernel arguments: {arguments:?}"));
    let after = u64::try_from(delay.as_millis()).expect("a delay that a test can wait for");
    let arguments = arguments.iter().map(|argument| (*argument).to_owned()).collect();
    tell(&Event::Ask { request: Request::Cut { after, note, arguments } });
}

/// Does nothing until the power goes.
#[track_caller]
pub fn wait_for_cut() -> ! {
    std::thread::sleep(PATIENCE);
    panic!("the power was not cut within {PATIENCE:?}");
}

/// Presses the button of a slot, 1 or 2 or the spare 3, and waits until its card is gone.
#[track_caller]
pub fn unplug(slot: u8) {
    ask(&format!("unplug the card of slot {slot}"), Request::Unplug { slot });
    let address = address(slot);
    assert!(!function_exists(&address), "{address} is there still");
}

/// Plugs a card into an empty slot, waits for its interface and names it as udev would: `enp3s0` in slot 3.
#[track_caller]
pub fn plug(slot: u8) -> Pf {
    ask(&format!("plug a card into slot {slot}"), Request::Plug { slot });
    let address = address(slot);
    wait_for("the new card's interface", || netdev_of(&address));
    Pf { name: name_interface(&address), address }
}

/// Each slot is a root port with a bus of its own.
fn address(slot: u8) -> String {
    format!("0000:{slot:02x}:00.0")
}

fn function_exists(address: &str) -> bool {
    std::path::Path::new("/sys/bus/pci/devices").join(address).exists()
}

/// Asks the host, and waits until it is done.
#[track_caller]
fn ask(what: &str, request: Request) {
    let _one = ASKING.lock().unwrap_or_else(PoisonError::into_inner);
    log(format!("# {what}"));
    let mut line = OpenOptions::new()
        .read(true)
        .custom_flags(nix::libc::O_NOCTTY)
        .open(CHANNEL)
        .expect("open the channel");
    tell(&Event::Ask { request });
    let text = read_line(&mut line);
    let answer: Answer = serde_json::from_str(&text).expect("the host's answer");
    if let Some(problem) = answer.problem {
        panic!("{what}: {problem}");
    }
}

/// One line of the channel.
#[track_caller]
fn read_line(line: &mut File) -> String {
    let deadline = Instant::now() + PATIENCE;
    let mut text = Vec::new();
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let timeout = PollTimeout::try_from(left).expect("a wait of a minute");
        let ready = poll(&mut [PollFd::new(line.as_fd(), PollFlags::POLLIN)], timeout);
        assert!(ready.expect("poll the channel") > 0, "no answer of the host within {PATIENCE:?}");
        let mut byte = [0];
        line.read_exact(&mut byte).expect("read from the channel");
        if byte == *b"\n" {
            return String::from_utf8_lossy(&text).into_owned();
        }
        text.push(byte[0]);
    }
}
