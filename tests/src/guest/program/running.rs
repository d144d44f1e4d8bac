//! A program that runs.

use std::os::unix::process::ExitStatusExt;
use std::process::{Child, ExitStatus};
use std::time::{Duration, Instant};

use super::stream::Stream;
use super::{Output, run};
use crate::guest::transcript;
use crate::guest::wait::within;

/// A program in the background. Dropped: killed.
#[derive(Debug)]
pub struct Running {
    call: String,
    child: Child,
    stdout: Stream,
    stderr: Stream,
    started: Instant,
    quiet: bool,
    ended: bool,
}

impl Running {
    /// Takes over a child whose output is piped.
    pub(super) fn new(call: String, mut child: Child, quiet: bool) -> Self {
        let stdout = Stream::of(child.stdout.take().expect("piped"));
        let stderr = Stream::of(child.stderr.take().expect("piped"));
        Self { call, child, stdout, stderr, started: Instant::now(), quiet, ended: false }
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Whether it runs still.
    pub fn is_alive(&mut self) -> bool {
        self.child.try_wait().expect("wait for a child").is_none()
    }

    /// Sends a signal, like `TERM`.
    #[track_caller]
    pub fn signal(&self, name: &str) {
        run(&format!("kill -{name} {}", self.pid())).ok();
    }

    /// Kills it now, if it has not ended by itself.
    #[track_caller]
    pub fn kill(mut self) -> Output {
        self.child.kill().expect("kill a child");
        let status = self.child.wait().expect("wait for a child");
        self.end(status)
    }

    /// Waits for its end. Kills it when that takes longer than `deadline` from now, and panics.
    #[track_caller]
    pub fn finish(mut self, deadline: Duration) -> Output {
        match within(deadline, || self.child.try_wait().expect("wait for a child")) {
            Some(status) => self.end(status),
            None => {
                self.child.kill().expect("kill a child");
                let status = self.child.wait().expect("wait for a child");
                panic!("it took longer than {deadline:?}: {}", self.end(status));
            }
        }
    }

    fn end(&mut self, status: ExitStatus) -> Output {
        let output = Output {
            call: self.call.clone(),
            status: number(status),
            stdout: self.stdout.rest(),
            stderr: self.stderr.rest(),
            took: self.started.elapsed(),
        };
        if !self.quiet {
            transcript::log(output.to_string());
        }
        self.ended = true;
        output
    }
}

/// The exit status, or minus the signal's number.
pub(super) fn number(status: ExitStatus) -> i32 {
    status.code().unwrap_or_else(|| -status.signal().unwrap_or(0))
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.ended {
            return;
        }
        // It may have ended by itself: either way it is gone afterwards.
        drop(self.child.kill());
        if let Ok(status) = self.child.wait() {
            self.end(status);
        }
    }
}
