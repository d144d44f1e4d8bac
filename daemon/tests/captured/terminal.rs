//! Every verb on a terminal of any size, in front of a reader that went away, and on a full disk.

use std::fs::{File, OpenOptions};
use std::io::Read;
use std::os::fd::OwnedFd;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use clap::CommandFactory;
use daemon::cli::Cli;
use nix::pty::{OpenptyResult, Winsize, openpty};

use crate::machine::{Machine, ip_pool, policy};

/// Longer than any of it takes.
const DEADLINE: Duration = Duration::from_secs(60);

/// Columns and rows. The first is a terminal that does not know its size.
const SIZES: [(u16, u16); 6] = [(0, 0), (1, 1), (20, 5), (80, 24), (132, 2), (5000, 60)];

/// A machine of which there is much to tell, good and bad.
fn machine() -> Machine {
    let machine = Machine::new();
    for (bus, name, vfs) in [(1, "enp1s0", 7), (2, "enp2s0", 0), (3, "enp3s0", 2)] {
        machine.igb(bus, name, vfs);
    }
    machine.objects("net.yaml", &policy("net", "enp1s0", 7, "  mtu: 9000\n"));
    machine.objects("many.yaml", &policy("many", "enp2s0", 8, ""));
    machine.objects("pool.yaml", &ip_pool("blue", "10.0.0.0/24"));
    machine.objects("bad.yaml", "kind: [");
    machine
}

/// A call of each verb that there is: whoever adds one is reminded of this here.
fn calls(machine: &Machine) -> Vec<Vec<String>> {
    let objects = machine.path("etc/railhead/objects").display().to_string();
    let dump = machine.path("dump.tar.gz").display().to_string();
    let mut calls = Vec::new();
    for verb in Cli::command().get_subcommands() {
        let arguments: &[&[&str]] = match verb.get_name() {
            "explain" => &[&["enp1s0"], &["net"], &["nothing"]],
            "validate" => &[&["-f", &objects]],
            "attachments" => &[&[], &["drop", "c1"]],
            "ipam" => &[&["blocks"], &["verify"]],
            "plan" => &[&[], &["--exit-code"]],
            "dump" => &[&[&dump]],
            "completions" => &[&["bash"]],
            "pause" => &[&["--for", "1h"]],
            "help" => continue,
            "apply" | "boot" | "confirm" | "daemon" | "discover" | "doctor" | "metrics"
            | "resume" | "status" => &[&[]],
            verb => unreachable!("nobody has said here how {verb} is called"),
        };
        for arguments in arguments {
            let words = [verb.get_name()].into_iter().chain(arguments.iter().copied());
            calls.push(words.map(str::to_owned).collect());
        }
        calls.push(vec![verb.get_name().to_owned(), "--help".to_owned()]);
    }
    calls
}

/// How a run ended, and what it printed on standard output and on standard error.
#[derive(Debug, PartialEq, Eq)]
struct Seen {
    status: i32,
    out: String,
    err: String,
}

fn command(machine: &Machine, call: &[String]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_railhead"));
    command.arg("--root").arg(machine.root()).args(call).stdin(Stdio::null());
    command.env("TERM", "xterm-256color").env_remove("NO_COLOR");
    command
}

/// Its end; none within the deadline is a failure.
#[track_caller]
fn end_of(mut command: Command) -> (i32, String) {
    let call = format!("{command:?}");
    let child = command.stderr(Stdio::piped()).spawn().unwrap();
    // What it holds of the terminal would keep that open.
    drop(command);
    let (sender, ended) = mpsc::channel();
    thread::spawn(move || sender.send(child.wait_with_output().unwrap()).ok());
    let output = ended.recv_timeout(DEADLINE).ok();
    assert!(output.is_some(), "it hangs: {call}");
    let output = output.unwrap();
    let status = output.status.code().unwrap_or_else(|| -output.status.signal().unwrap());
    (status, String::from_utf8(output.stderr).unwrap())
}

#[track_caller]
fn on_a_pipe(machine: &Machine, call: &[String]) -> Seen {
    let (mut reader, writer) = std::io::pipe().unwrap();
    let mut command = command(machine, call);
    command.stdout(writer);
    let read = thread::spawn(move || {
        let mut text = String::new();
        reader.read_to_string(&mut text).unwrap();
        text
    });
    let (status, err) = end_of(command);
    Seen { status, out: read.join().unwrap(), err }
}

#[track_caller]
fn on_a_terminal(mut command: Command, (columns, rows): (u16, u16)) -> Seen {
    let size = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
    let OpenptyResult { master, slave } = openpty(&size, None).unwrap();
    command.stdout(slave);
    let read = thread::spawn(move || {
        let mut bytes = Vec::new();
        // The end is EIO.
        File::from(master).read_to_end(&mut bytes).ok();
        String::from_utf8(bytes).unwrap().replace("\r\n", "\n")
    });
    let (status, err) = end_of(command);
    Seen { status, out: read.join().unwrap(), err }
}

/// What a person sees who cannot see colours.
fn without_colours(text: &str) -> String {
    console::strip_ansi_codes(text).into_owned()
}

/// Times that pass are no difference.
fn timeless(text: &str) -> String {
    text.lines().filter(|line| !line.contains("until")).collect::<Vec<_>>().join("\n")
}

/// Help is wrapped as wide as the terminal is; nothing else asks how wide that is.
#[test]
fn a_terminal_shows_what_a_pipe_gets_whatever_its_size() {
    let machine = machine();
    for call in calls(&machine) {
        let is_help = call.last().is_some_and(|word| word == "--help");
        let piped = on_a_pipe(&machine, &call);
        for size in SIZES {
            let shown = on_a_terminal(command(&machine, &call), size);
            assert_eq!(shown.status, piped.status, "{call:?} {size:?} {shown:?}");
            let squeezed = |text: &str| match is_help {
                true => text.split_whitespace().collect(),
                false => timeless(text),
            };
            let out: String = squeezed(&without_colours(&shown.out));
            assert_eq!(out, squeezed(&piped.out), "{call:?} {size:?}");
            assert_eq!(timeless(&shown.err), timeless(&piped.err), "{call:?} {size:?}");
        }
    }
}

/// <https://no-color.org>, and terminals that can do nothing.
#[test]
fn colours_are_for_terminals_that_want_them() {
    let machine = machine();
    let call = ["doctor".to_owned()];
    let coloured = on_a_terminal(command(&machine, &call), (80, 24));
    assert!(coloured.out.contains("\x1b["), "{coloured:?}");
    for (name, value) in [("NO_COLOR", "1"), ("TERM", "dumb")] {
        let mut plain = command(&machine, &call);
        plain.env(name, value);
        let plain = on_a_terminal(plain, (80, 24));
        assert!(!plain.out.contains('\x1b'), "{name}: {plain:?}");
        assert_eq!(timeless(&plain.out), timeless(&without_colours(&coloured.out)));
    }
    assert!(!on_a_pipe(&machine, &call).out.contains('\x1b'));
}

/// As by `| head -0`: nobody reads, and nothing is wrong.
#[test]
fn a_reader_that_went_away_changes_nothing() {
    let machine = machine();
    for call in calls(&machine) {
        let piped = on_a_pipe(&machine, &call);
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut command = command(&machine, &call);
        command.stdout(writer);
        let (status, err) = end_of(command);
        assert_eq!((status, timeless(&err)), (piped.status, timeless(&piped.err)), "{call:?}");
    }
}

/// A terminal that is gone, a full disk and a closed descriptor are told where anybody can still be told, without a panic
/// and in time.
#[test]
fn output_that_goes_nowhere_is_an_error_and_no_panic() {
    let machine = machine();
    for call in calls(&machine) {
        // Of help nothing depends on whether it was read.
        let is_help = call.last().is_some_and(|word| word == "--help");
        let prints = !is_help && !on_a_pipe(&machine, &call).out.is_empty();
        let OpenptyResult { master, slave } = openpty(None, None).unwrap();
        drop(master);
        let full = OwnedFd::from(OpenOptions::new().write(true).open("/dev/full").unwrap());
        for (what, out) in [("a terminal that is gone", slave), ("a full disk", full)] {
            let mut command = command(&machine, &call);
            command.stdout(out);
            let (status, err) = end_of(command);
            assert!(!err.contains("panicked"), "{call:?}, {what}: {err}");
            if prints {
                assert_eq!(status, 1, "{call:?}, {what}: {err}");
                assert!(err.contains("standard output"), "{call:?}, {what}: {err}");
            }
        }
    }
}
