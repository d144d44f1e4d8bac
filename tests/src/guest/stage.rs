//! Showing a person what happens: headings, commands as typed, their output as it comes, claims that are checked.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::process::{Command, Stdio};

use nix::pty::{Winsize, openpty};

use super::transcript::{log, tell};
use crate::protocol::{Event, Terminal};

const BOLD: &str = "\x1b[1m";
const GREEN: &str = "\x1b[32m";
const DIM: &str = "\x1b[2m";
const PLAIN: &str = "\x1b[0m";

/// Where something is shown.
#[derive(Debug)]
pub(super) struct Stage {
    terminal: Option<Terminal>,
    rehearsal: bool,
    environment: Vec<(String, String)>,
}

impl Stage {
    /// A stage before a terminal of that size, or before a file.
    pub(super) fn new(terminal: Option<Terminal>) -> Self {
        Self { terminal, rehearsal: false, environment: Vec::new() }
    }

    /// A stage before nobody: what would be shown goes into the transcript.
    pub(super) fn rehearsal() -> Self {
        Self { terminal: None, rehearsal: true, environment: Vec::new() }
    }

    /// A heading.
    pub(super) fn heading(&self, text: &str) {
        self.show(&format!("\n{}\n", self.styled(BOLD, text)));
    }

    /// A line of explanation.
    pub(super) fn explain(&self, text: &str) {
        self.show(&format!("{}\n", self.styled(DIM, &format!("# {text}"))));
    }

    /// Text as it is.
    pub(super) fn show(&self, text: &str) {
        if self.rehearsal {
            log(text.trim_end());
        } else {
            tell(&Event::Show { text: text.to_owned() });
        }
    }

    /// Sets a variable for all commands to come, and shows that.
    pub(super) fn export(&mut self, name: &str, value: &str) {
        self.prompt(&format!("export {name}={value}"));
        self.environment.push((name.to_owned(), value.to_owned()));
    }

    /// Types a line and shows what comes; panics unless the exit status is `status`. Gives the output.
    #[track_caller]
    pub(super) fn exits_with(&self, status: i32, line: &str) -> String {
        self.prompt(line);
        let (output, writer) = self.channel().expect("make a terminal for a command");
        let mut command = Command::new("bash");
        command.args(["-c", line]).current_dir("/root").stdin(Stdio::null());
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command.env("TERM", if self.terminal.is_some() { "xterm-256color" } else { "dumb" });
        command.stdout(writer.try_clone().expect("share a terminal")).stderr(writer);
        let mut child = command.spawn().expect("start a shell");
        // The command holds the other end as long as it is there, and the output ends with it.
        drop(command);
        let text = self.relay(output);
        let ended = child.wait().expect("wait for a shell");
        if !self.rehearsal {
            log(format!("$ {line}\n{text}=> {ended}"));
        }
        assert!(ended.code() == Some(status), "exit status {status} was expected of: {line}");
        text
    }

    /// Types a line that succeeds.
    #[track_caller]
    pub(super) fn run(&self, line: &str) -> String {
        self.exits_with(0, line)
    }

    /// States something that was looked at from outside, or fails because it is not so.
    #[track_caller]
    pub(super) fn claim(&self, what: &str, holds: bool) {
        if holds {
            self.show(&format!("{}\n", self.styled(GREEN, &format!("✓ {what}"))));
        } else {
            self.show(&format!("✗ {what}\n"));
            panic!("this does not hold: {what}");
        }
    }

    fn prompt(&self, line: &str) {
        self.show(&format!("\n{} {}\n", self.styled(GREEN, "node-a:~#"), self.styled(BOLD, line)));
    }

    fn styled(&self, style: &str, text: &str) -> String {
        if self.terminal.is_some() { format!("{style}{text}{PLAIN}") } else { text.to_owned() }
    }

    /// Where a command's output goes: a terminal like the one that it is shown on, if there is one.
    fn channel(&self) -> io::Result<(File, OwnedFd)> {
        match self.terminal {
            Some(Terminal { rows, columns }) => {
                let size = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
                let terminal = openpty(&size, None)?;
                Ok((File::from(terminal.master), terminal.slave))
            }
            None => {
                let (reader, writer) = io::pipe()?;
                Ok((File::from(OwnedFd::from(reader)), OwnedFd::from(writer)))
            }
        }
    }

    /// Shows output as it comes, until its end.
    fn relay(&self, mut output: File) -> String {
        let (mut text, mut pending, mut chunk) = (String::new(), Vec::new(), [0; 1024]);
        // A terminal ends with EIO, a pipe with nothing.
        while let Ok(length @ 1..) = output.read(&mut chunk) {
            pending.extend_from_slice(&chunk[..length]);
            let whole = whole_characters(&pending);
            let rest = pending.split_off(whole);
            let piece = String::from_utf8_lossy(&pending).into_owned();
            pending = rest;
            self.show(&piece);
            text.push_str(&piece);
        }
        text
    }
}

/// How many bytes from the start hold no character that is cut off at the end.
fn whole_characters(bytes: &[u8]) -> usize {
    match std::str::from_utf8(bytes) {
        Err(error) if error.error_len().is_none() => error.valid_up_to(),
        _ => bytes.len(),
    }
}

#[cfg(test)]
mod tests {
    use super::whole_characters;

    #[test]
    fn a_character_in_two_pieces_waits_for_the_second() {
        assert_eq!(whole_characters("ab✓".as_bytes()), 5);
        assert_eq!(whole_characters(&"ab✓".as_bytes()[..4]), 2);
        assert_eq!(whole_characters(b"ab\xffc"), 4);
    }
}
