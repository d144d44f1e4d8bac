//! Runs the tests one by one, each on its own thread, and looks at what each leaves behind.

use std::any::Any;
use std::fs;
use std::io::ErrorKind;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use serde_json::Value;

use super::hand;
use super::machine::Machine;
use super::program::Program;
use super::tests;
use super::transcript::tell;
use super::wait::within;
use crate::protocol::Event;

/// A test may take this long on a busy host. One that hangs cannot be stopped, so the machine is given up.
const DEADLINE: Duration = Duration::from_secs(400);

/// Everything that railhead keeps: removed after each test, as a fresh host has none of it.
const STATE: &[&str] = &["/run/railhead", "/var/lib/railhead", "/etc/railhead", "/var/lib/cni"];

/// Runs these tests in order, until one leaves the machine unusable. The note is the first one's.
pub(super) fn run_tests(names: &[String], note: Option<Value>) {
    report_panics();
    let pristine = Machine::now();
    hand::hand_over(note);
    for name in names {
        match tests::all().find(|(known, _)| known == name) {
            Some(&(name, test)) => {
                if !run_one(name, test, &pristine) {
                    return;
                }
                hand::hand_over(None);
            }
            None => {
                tell(&Event::Started { name: name.clone() });
                tell(&Event::Failed { message: "the guest knows no such test".to_owned() });
            }
        }
    }
}

/// Runs something that is not one of the tests, in the same way.
pub(super) fn run(name: &'static str, what: fn()) {
    report_panics();
    run_one(name, what, &Machine::now());
}

/// Runs one test. False when the machine is not as pristine as before.
fn run_one(name: &'static str, test: fn(), pristine: &Machine) -> bool {
    tell(&Event::Started { name: name.to_owned() });
    let outcome = attempt(name, test);
    let hung = matches!(outcome, Outcome::Hung);
    let mut leftovers = leftovers(pristine);
    if !matches!(outcome, Outcome::Passed) || !leftovers.is_empty() {
        exhibit();
    }
    leftovers.extend(remove_state());
    match outcome {
        Outcome::Passed if leftovers.is_empty() => {
            tell(&Event::Passed);
        }
        outcome => {
            let message = outcome.failure().into_iter().chain(leftovers.clone());
            tell(&Event::Failed { message: message.collect::<Vec<_>>().join("\n") });
        }
    }
    // The next test would not start where it thinks.
    if hung || !leftovers.is_empty() {
        let what = if hung { "hangs" } else { "left something behind" };
        tell(&Event::Unusable { message: format!("{name} {what}") });
        return false;
    }
    true
}

/// Removes what railhead keeps, and says what cannot be: a file system that is mounted on it still, for one.
fn remove_state() -> Vec<String> {
    let remove = |directory: &&str| match fs::remove_dir_all(directory) {
        // Most tests make only some of them.
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Some(format!("left behind: {directory} cannot be removed: {error}"))
        }
        _ => None,
    };
    STATE.iter().filter_map(remove).collect()
}

/// How a test ended.
#[derive(Debug)]
enum Outcome {
    Passed,
    Failed(String),
    /// Its thread is still at it, and cannot be stopped.
    Hung,
}

impl Outcome {
    fn failure(self) -> Option<String> {
        match self {
            Self::Passed => None,
            Self::Failed(message) => Some(message),
            Self::Hung => Some(format!("it hangs: no end after {DEADLINE:?}")),
        }
    }
}

/// Runs one test.
fn attempt(name: &str, test: fn()) -> Outcome {
    let (send, receive) = channel();
    let thread = std::thread::Builder::new().name(name.to_owned()).spawn(move || {
        let outcome = match catch_unwind(AssertUnwindSafe(test)) {
            Ok(()) => Outcome::Passed,
            Err(payload) => Outcome::Failed(message(payload.as_ref())),
        };
        // Nobody listens any more to a test that was given up.
        drop(send.send(outcome));
    });
    thread.expect("start a thread");
    match receive.recv_timeout(DEADLINE) {
        Ok(outcome) => outcome,
        Err(RecvTimeoutError::Disconnected) => Outcome::Failed("its thread died".to_owned()),
        Err(RecvTimeoutError::Timeout) => Outcome::Hung,
    }
}

/// What differs from the pristine machine. Namespaces and processes get some time to go away.
fn leftovers(pristine: &Machine) -> Vec<String> {
    let mut lines = Vec::new();
    within(Duration::from_secs(10), || {
        lines = Machine::now().since(pristine);
        lines.is_empty().then_some(())
    });
    lines.into_iter().map(|line| format!("left behind: {line}")).collect()
}

/// Sends the state of the machine for the wreck.
fn exhibit() {
    let commands: &[(&str, &[&str])] = &[
        ("links", &["ip -d link", "ip addr", "ip netns list-id", "ip netns list"]),
        (
            "pci",
            &[
                "ls -l /sys/bus/pci/devices /sys/bus/pci/drivers/igb /sys/bus/pci/drivers/igbvf",
                "ls -l /sys/bus/pci/drivers/vfio-pci",
            ],
        ),
        ("processes", &["ps -o pid,ppid,stat,args"]),
        ("files", &["find /run/railhead /var/lib/railhead /etc/railhead -ls"]),
        ("dmesg", &["dmesg"]),
        (
            "railhead",
            &["railhead status", "journalctl --no-pager -b -n 300 -u railhead -u railhead-boot"],
        ),
    ];
    for (name, lines) in commands {
        // By a shell: a program that this guest has not is told in the text, and ends nothing.
        let shown = |line: &&str| Program::new("bash -c").arg(*line).quiet().run().to_string();
        let text: Vec<String> = lines.iter().map(shown).collect();
        tell(&Event::Exhibit { name: format!("{name}.txt"), text: text.join("\n") });
    }
}

/// Every panic, of whatever thread, goes into the transcript with its place.
fn report_panics() {
    std::panic::set_hook(Box::new(|info| {
        let place = info.location().map(ToString::to_string).unwrap_or_default();
        let name = std::thread::current().name().unwrap_or("a thread").to_owned();
        // Not by `log`, which may have been silenced.
        let text = format!("{name} panicked at {place}:\n{}", message(info.payload()));
        tell(&Event::Log { text });
    }));
}

fn message(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| payload.downcast_ref::<&str>().copied()).unwrap_or("a panic").to_owned()
}
