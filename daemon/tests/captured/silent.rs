//! Beside a daemon that has stopped: its sockets are there, and nobody answers.

use std::fs::{self, File};
use std::os::fd::AsRawFd;
use std::os::unix::net::{UnixListener, UnixStream};

use nix::sys::socket::{
    AddressFamily, Backlog, SockFlag, SockType, UnixAddr, bind, listen, socket,
};

use crate::machine::{Machine, Ran};

/// The sockets of a daemon that has stopped, and its lock.
struct Stopped {
    _lock: File,
    _sockets: [UnixListener; 2],
}

fn stop(machine: &Machine) -> Stopped {
    machine.write("run/railhead/daemon.lock", "the daemon (process 4711)\n");
    let lock = File::options().write(true).open(machine.path("run/railhead/daemon.lock")).unwrap();
    lock.lock().unwrap();
    let listen =
        |name: &str| UnixListener::bind(machine.path(&format!("run/railhead/{name}"))).unwrap();
    Stopped { _lock: lock, _sockets: [listen("daemon.sock"), listen("metrics.sock")] }
}

fn assert_told(ran: &Ran, verb: &str) {
    let daemon = format!("the daemon (process {}) has not answered for ", std::process::id());
    let is_told =
        ran.err.contains(&daemon) || ran.err.contains("the daemon (process 4711) has not");
    assert!(is_told && ran.err.contains("systemctl restart railhead"), "{verb}: {}", ran.err);
}

#[test]
fn status_goes_on_without_the_daemon() {
    let machine = Machine::new();
    machine.igb(1, "enp1s0", 0);
    let _stopped = stop(&machine);
    let ran = machine.railhead(&["status"]);
    assert_eq!(ran.code, 1);
    assert!(ran.out.contains("lab    does not answer"), "{}", ran.out);
    let ran_json = machine.railhead(&["status", "-o", "json"]);
    assert!(ran_json.out.contains("\"daemonSilence\""), "{}", ran_json.out);
    assert_told(&ran, "status");
}

/// Every verb that asks the daemon, on a machine that is alive.
#[test]
fn no_verb_waits_for_ever() {
    let machine = Machine::new();
    fs::remove_dir_all(machine.path("sys")).unwrap();
    let _stopped = stop(&machine);
    for verb in ["pause", "resume", "apply", "metrics"] {
        let ran = machine.railhead(&[verb]);
        assert_eq!(ran.code, i32::from(verb != "pause"), "{verb}: {}", ran.err);
        assert_told(&ran, verb);
    }
    assert_eq!(machine.railhead(&["attachments"]).code, 0);
}

/// Where its queue is full nobody even comes in.
#[test]
fn a_full_queue_is_not_waited_for() {
    let machine = Machine::new();
    machine.igb(1, "enp1s0", 0);
    let _stopped = stop(&machine);
    let path = machine.path("run/railhead/daemon.sock");
    fs::remove_file(&path).unwrap();
    let socket =
        socket(AddressFamily::Unix, SockType::Stream, SockFlag::SOCK_CLOEXEC, None).unwrap();
    bind(socket.as_raw_fd(), &UnixAddr::new(&path).unwrap()).unwrap();
    listen(&socket, Backlog::new(0).unwrap()).unwrap();
    let _queue = UnixStream::connect(&path).unwrap();
    let ran = machine.railhead(&["status"]);
    assert_eq!(ran.code, 1);
    assert_told(&ran, "status");
}

/// A process that is stopped while it decides about objects on trial.
#[test]
fn a_lock_of_a_trial_is_not_waited_for() {
    let machine = Machine::new();
    machine.igb(1, "enp1s0", 0);
    machine.write("var/lib/railhead/x", "");
    let held = File::open(machine.path("var/lib/railhead")).unwrap();
    held.lock().unwrap();
    let holder = format!("process {} (", std::process::id());
    for verb in ["status", "plan"] {
        let ran = machine.railhead(&[verb]);
        assert_eq!(ran.code, 1, "{verb}: {}", ran.out);
        assert!(ran.err.contains(&holder), "{verb}: {}", ran.err);
    }
}
