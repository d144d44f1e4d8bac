//! Running programs: each call, its output and its exit status are in the transcript.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::Write as _;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

pub use self::running::Running;
pub use self::terminal::OnTerminal;
use super::transcript;

mod running;
mod stream;
mod terminal;

/// A program may take this long unless it is given another deadline.
const DEADLINE: Duration = Duration::from_secs(120);

/// A program to run.
#[derive(Debug)]
pub struct Program {
    words: Vec<String>,
    environment: Vec<(String, String)>,
    input: Option<String>,
    deadline: Duration,
    quiet: bool,
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
            quiet: false,
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

    /// Has a shell run this line and become the program.
    #[must_use]
    pub fn after(mut self, line: &str) -> Self {
        let shell = ["bash".to_owned(), "-c".to_owned(), format!("{line}; exec \"$0\" \"$@\"")];
        self.words.splice(..0, shell);
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

    /// Keeps it out of the transcript: it is not the test's doing.
    #[must_use]
    pub(super) fn quiet(mut self) -> Self {
        self.quiet = true;
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

    /// Starts it in the background.
    #[track_caller]
    pub fn start(self) -> Running {
        transcript::log(format!("$ {} &", self.call()));
        self.spawn()
    }

    /// Runs it to its end.
    #[track_caller]
    pub fn run(self) -> Output {
        self.spawn().finish(self.deadline)
    }

    #[track_caller]
    fn spawn(&self) -> Running {
        let call = self.call();
        let mut command = self.command();
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command.stdin(if self.input.is_some() { Stdio::piped() } else { Stdio::null() });
        let mut child = command.spawn().unwrap_or_else(|error| panic!("start {call}: {error}"));
        if let Some(input) = self.input.clone() {
            let mut stdin = child.stdin.take().expect("piped");
            // On its own thread, since a program that never reads would block us; and one that ends early or
            // closes its input is no failure of ours.
            std::thread::spawn(move || drop(stdin.write_all(input.as_bytes())));
        }
        Running::new(call, child, self.quiet)
    }

    fn command(&self) -> Command {
        let (program, arguments) = self.words.split_first().expect("a program to run");
        let mut command = Command::new(program);
        command.args(arguments);
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
    }

    /// What it takes from start to exit. It is waited for and not polled, and nothing is told to the host meanwhile.
    /// Panics when it fails.
    #[track_caller]
    pub(super) fn time(self) -> Duration {
        const INPUT: &str = "/tmp/input";
        fs::write(INPUT, self.input.as_deref().unwrap_or_default()).expect("write the input");
        let mut command = self.command();
        command.stdin(File::open(INPUT).expect("open the input"));
        let started = Instant::now();
        let output = command.output().expect("start a program");
        let took = started.elapsed();
        let printed = [output.stdout, output.stderr]
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        assert!(
            output.status.success(),
            "{}: {}\n{}",
            self.call(),
            output.status,
            printed.concat()
        );
        took
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

/// A word as a shell would need it.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,@%+".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}
