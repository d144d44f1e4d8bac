//! Running programs: each call, its output and its exit status are in the transcript.

use std::fmt::Write as _;
use std::io::{Read, Write as _};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::transcript;
use super::wait;

/// A program may take this long unless it is given another deadline.
const DEADLINE: Duration = Duration::from_secs(120);

/// A program to run.
#[derive(Debug)]
pub struct Program {
    words: Vec<String>,
    environment: Vec<(String, String)>,
    input: Option<String>,
    deadline: Duration,
}

/// What came of it.
#[derive(Debug, Clone)]
pub struct Output {
    /// The call, for messages.
    pub call: String,
    /// Exit status; minus the signal's number when a signal ended it.
    pub status: i32,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
    /// What it took.
    pub took: Duration,
}

/// Runs `line`, split at white space (no quoting).
pub fn run(line: &str) -> Output {
    Program::new(line).run()
}

impl Program {
    /// A program and arguments, split at white space (no quoting).
    pub fn new(line: &str) -> Self {
        Self {
            words: line.split_whitespace().map(str::to_owned).collect(),
            environment: Vec::new(),
            input: None,
            deadline: DEADLINE,
        }
    }

    /// One more argument, taken as it is.
    #[must_use]
    pub fn arg(mut self, argument: impl Into<String>) -> Self {
        self.words.push(argument.into());
        self
    }

    /// Puts another program, split at white space, in front of this one: `strace -f`, `ip netns exec NAME`.
    #[must_use]
    pub fn under(mut self, line: &str) -> Self {
        self.words.splice(..0, line.split_whitespace().map(str::to_owned));
        self
    }

    /// Sets a variable of its environment.
    #[must_use]
    pub fn env(mut self, name: &str, value: impl Into<String>) -> Self {
        self.environment.push((name.to_owned(), value.into()));
        self
    }

    /// What it reads on standard input; nothing unless told.
    #[must_use]
    pub fn input(mut self, text: impl Into<String>) -> Self {
        self.input = Some(text.into());
        self
    }

    /// How long it may take: it is killed then, and the test fails.
    #[must_use]
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// The call as a person would type it.
    pub fn call(&self) -> String {
        let mut call = String::new();
        for (name, value) in &self.environment {
            write!(call, "{name}={} ", quoted(value)).expect("a string takes all");
        }
        let words: Vec<String> = self.words.iter().map(|word| quoted(word)).collect();
        call + &words.join(" ")
    }

    /// Starts it in the background, with output to files that are read when it ends.
    pub fn start(self) -> Running {
        let call = self.call();
        let mut child = self.spawn(&call);
        transcript::log(format!("$ {call} &"));
        let stdout = collect(child.stdout.take().expect("piped"));
        let stderr = collect(child.stderr.take().expect("piped"));
        Running { call, child: Some(child), stdout, stderr, started: Instant::now() }
    }

    /// Runs it to its end.
    #[track_caller]
    pub fn run(self) -> Output {
        let deadline = self.deadline;
        let call = self.call();
        let mut child = self.spawn(&call);
        let started = Instant::now();
        let stdout = collect(child.stdout.take().expect("piped"));
        let stderr = collect(child.stderr.take().expect("piped"));
        Running { call, child: Some(child), stdout, stderr, started }.finish(deadline)
    }

    #[track_caller]
    fn spawn(&self, call: &str) -> Child {
        let (program, arguments) = self.words.split_first().expect("a program to run");
        let mut command = Command::new(program);
        command.args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command.stdin(if self.input.is_some() { Stdio::piped() } else { Stdio::null() });
        let mut child = command.spawn().unwrap_or_else(|error| panic!("start {call}: {error}"));
        if let Some(input) = self.input.clone() {
            let mut stdin = child.stdin.take().expect("piped");
            // On its own thread, since a program that never reads would block us; and one that ends early or
            // closes its input is no failure of ours.
            std::thread::spawn(move || drop(stdin.write_all(input.as_bytes())));
        }
        child
    }
}

/// A program in the background. Dropped: killed.
#[derive(Debug)]
pub struct Running {
    call: String,
    child: Option<Child>,
    stdout: std::sync::mpsc::Receiver<String>,
    stderr: std::sync::mpsc::Receiver<String>,
    started: Instant,
}

impl Running {
    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.as_ref().expect("runs until finished").id()
    }

    /// Whether it runs still.
    pub fn is_alive(&mut self) -> bool {
        let child = self.child.as_mut().expect("runs until finished");
        child.try_wait().expect("wait for a child").is_none()
    }

    /// Sends a signal, like `TERM`.
    #[track_caller]
    pub fn signal(&self, name: &str) {
        run(&format!("kill -{name} {}", self.pid())).ok();
    }

    /// Waits for its end. Kills it past the deadline, and panics.
    #[track_caller]
    pub fn finish(mut self, deadline: Duration) -> Output {
        let mut child = self.child.take().expect("runs until finished");
        let status = wait::within(deadline.saturating_sub(self.started.elapsed()), || {
            child.try_wait().expect("wait for a child")
        });
        let took = self.started.elapsed();
        let late = status.is_none();
        if late {
            child.kill().expect("kill a child");
        }
        let status = match status {
            Some(status) => status,
            None => child.wait().expect("wait for a child"),
        };
        use std::os::unix::process::ExitStatusExt;
        let output = Output {
            call: std::mem::take(&mut self.call),
            status: status.code().unwrap_or_else(|| -status.signal().unwrap_or(0)),
            stdout: text(&self.stdout),
            stderr: text(&self.stderr),
            took,
        };
        transcript::log(output.to_string());
        assert!(!late, "{} took longer than {deadline:?}", output.call);
        output
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let Some(mut child) = self.child.take() else { return };
        // It may have ended by itself: either way it is gone afterwards.
        drop(child.kill());
        drop(child.wait());
        transcript::log(format!(
            "killed: {}\n{}{}",
            self.call,
            text(&self.stdout),
            text(&self.stderr)
        ));
    }
}

impl Output {
    /// Itself, when the exit status is 0; panics otherwise.
    #[track_caller]
    pub fn ok(self) -> Self {
        assert!(self.status == 0, "{self}");
        self
    }

    /// Itself, when the exit status is `status`; panics otherwise.
    #[track_caller]
    pub fn failed_with(self, status: i32) -> Self {
        assert!(self.status == status, "exit status {status} was expected: {self}");
        self
    }

    /// Standard output as one JSON document.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|error| panic!("one JSON document was expected ({error}): {self}"))
    }
}

/// The call, what it printed and its exit status.
impl std::fmt::Display for Output {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "$ {}", self.call)?;
        for (mark, text) in [("", &self.stdout), ("! ", &self.stderr)] {
            for line in text.lines() {
                writeln!(f, "{mark}{line}")?;
            }
        }
        write!(f, "=> {} in {} ms", self.status, self.took.as_millis())
    }
}

/// Reads a stream to its end on its own thread, so that a full pipe never blocks the program.
fn collect(mut stream: impl Read + Send + 'static) -> std::sync::mpsc::Receiver<String> {
    let (send, receive) = channel();
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        drop(stream.read_to_end(&mut bytes));
        drop(send.send(String::from_utf8_lossy(&bytes).into_owned()));
    });
    receive
}

/// What was collected. A grandchild may keep the pipe open long after the program: it is not waited for.
fn text(stream: &std::sync::mpsc::Receiver<String>) -> String {
    match stream.recv_timeout(Duration::from_secs(2)) {
        Ok(text) => text,
        Err(RecvTimeoutError::Timeout) => "(its output is still open)\n".to_owned(),
        Err(RecvTimeoutError::Disconnected) => String::new(),
    }
}

/// A word as a shell would need it.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,@%+".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}
