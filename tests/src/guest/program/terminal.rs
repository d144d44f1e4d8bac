//! A program on a terminal of its own, as when a person has typed it.

use std::fs::File;
use std::io::{self, Read, Write as _};
use std::os::fd::AsFd;
use std::process::Child;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::pty::{Winsize, openpty};
use nix::unistd::ttyname;

use super::stream::Stream;
use super::{Program, run};
use crate::guest::transcript::log;
use crate::guest::wait::{wait_for, within};

/// A program that has a controlling terminal, with standard input, output and error on it.
#[derive(Debug)]
pub struct OnTerminal {
    call: String,
    child: Child,
    /// What a person has before them.
    master: File,
    hung_up: Arc<AtomicBool>,
    /// The file of the program's side.
    name: String,
    seen: Stream,
}

impl Program {
    /// Starts it on a terminal of `columns` by `rows`; 0 is what a terminal says that does not know.
    #[track_caller]
    pub fn on_terminal(self, columns: u16, rows: u16) -> OnTerminal {
        let size = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        let terminal = openpty(&size, None).expect("make a terminal");
        // By openpty(3) other programs inherit it, and this one would hold its own line.
        let closes = FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC);
        fcntl(&terminal.master, closes).expect("keep a terminal from a program");
        let name = ttyname(&terminal.slave).expect("the terminal's name").display().to_string();
        // A session of its own, that this is the terminal of: Ctrl-C and a lost line reach the whole of it.
        let program = self.under("setsid -c").env("TERM", "xterm-256color");
        let call = program.call();
        log(format!("$ {call} on {name}, {columns} by {rows} &"));
        let mut command = program.command();
        let slave = || terminal.slave.try_clone().expect("share a terminal");
        command.stdin(slave()).stdout(slave()).stderr(slave());
        let child = command.spawn().unwrap_or_else(|error| panic!("start {call}: {error}"));
        let master = File::from(terminal.master);
        let hung_up = Arc::new(AtomicBool::new(false));
        let screen = Screen {
            master: master.try_clone().expect("share a terminal"),
            hung_up: Arc::clone(&hung_up),
        };
        OnTerminal { call, child, master, hung_up, name, seen: Stream::of(screen) }
    }
}

impl OnTerminal {
    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits until this was to be seen.
    #[track_caller]
    pub fn wait_for(&self, what: &str) {
        wait_for(&format!("{what:?} on the terminal"), || {
            self.seen.so_far().contains(what).then_some(())
        });
    }

    /// Types: `\r` is Enter, `\x03` is Ctrl-C.
    #[track_caller]
    pub fn types(&mut self, keys: &str) {
        self.master.write_all(keys.as_bytes()).expect("type");
    }

    /// Takes the terminal away, as when a connection is lost. Gives what runs on.
    #[track_caller]
    pub fn hang_up(self) -> Child {
        let Self { child, master, hung_up, seen, call, .. } = self;
        log(format!("the terminal goes from under {call}"));
        hung_up.store(true, Ordering::Relaxed);
        seen.rest();
        drop(master);
        child
    }

    /// Gives the terminal another size, which is told to the program by SIGWINCH.
    #[track_caller]
    pub fn resize(&self, columns: u16, rows: u16) {
        run(&format!("stty -F {} cols {columns} rows {rows}", self.name)).ok();
    }

    /// Waits for its end, and gives its exit status, minus the signal's number when one ended it, and all that was seen.
    /// Panics when that takes longer than `deadline`.
    #[track_caller]
    pub fn finish(mut self, deadline: Duration) -> (i32, String) {
        let ended = within(deadline, || self.child.try_wait().expect("wait for a child"));
        let Some(status) = ended else {
            panic!("it took longer than {deadline:?}: {}\n{:?}", self.call, self.seen.so_far());
        };
        let status = super::running::number(status);
        let seen = self.seen.rest();
        log(format!("{}\n=> {status}, and to be seen was:\n{seen:?}", self.call));
        (status, seen)
    }
}

/// What is to be seen, up to the end or until it is hung up: a read in hand would keep the terminal there.
struct Screen {
    master: File,
    hung_up: Arc<AtomicBool>,
}

impl Read for Screen {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        let glance = PollTimeout::from(50_u8);
        while !self.hung_up.load(Ordering::Relaxed) {
            if poll(&mut [PollFd::new(self.master.as_fd(), PollFlags::POLLIN)], glance)? > 0 {
                return self.master.read(to);
            }
        }
        Ok(0)
    }
}
