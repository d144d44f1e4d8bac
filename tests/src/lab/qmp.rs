//! QEMU's own line, on which it is told to do to the machine what a guest cannot (QMP: docs/interop/qmp-spec.rst
//! of QEMU): one JSON object a line, a command's return and events in whatever order.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};

/// The socket's name in the machine's directory, which is QEMU's working directory too.
pub(super) const SOCKET: &str = "qmp.sock";

/// The line.
#[derive(Debug)]
pub(super) struct Qmp {
    line: BufReader<UnixStream>,
    /// Events that came while something else was waited for.
    events: Vec<Value>,
    deadline: Instant,
}

impl Qmp {
    /// Opens the line of the machine in that directory. All that is done on it has to be done within `limit`.
    pub(super) fn open(directory: &Path, limit: Duration) -> Result<Self> {
        let held =
            File::open(directory).with_context(|| format!("open {}", directory.display()))?;
        // A socket's own path may have a hundred characters, and a clone may lie deep.
        let path = format!("/proc/self/fd/{}/{SOCKET}", held.as_raw_fd());
        let socket = UnixStream::connect(path).context("connect to QEMU's socket")?;
        let mut qmp = Self {
            line: BufReader::new(socket),
            events: Vec::new(),
            deadline: Instant::now() + limit,
        };
        let greeting = qmp.read()?;
        ensure!(greeting.get("QMP").is_some(), "QEMU greets with {greeting}");
        qmp.execute("qmp_capabilities", json!({}))?;
        Ok(qmp)
    }

    /// Has a command executed.
    pub(super) fn execute(&mut self, command: &str, arguments: Value) -> Result<()> {
        let mut text = json!({"execute": command, "arguments": arguments}).to_string();
        text.push('\n');
        self.line.get_mut().write_all(text.as_bytes()).context("write to QEMU")?;
        loop {
            let answer = self.read()?;
            if let Some(error) = answer.get("error") {
                bail!("QEMU refuses {command} {arguments}: {}", error["desc"]);
            }
            if answer.get("return").is_some() {
                return Ok(());
            }
            self.events.push(answer);
        }
    }

    /// Waits for an event about the device of that name.
    pub(super) fn wait_for(&mut self, event: &str, device: &str) -> Result<()> {
        let wanted = |seen: &Value| {
            seen["event"] == event && seen["data"]["device"].as_str() == Some(device)
        };
        if self.events.iter().any(wanted) {
            return Ok(());
        }
        loop {
            let seen = self.read().with_context(|| format!("wait for {event} of {device}"))?;
            if wanted(&seen) {
                return Ok(());
            }
        }
    }

    fn read(&mut self) -> Result<Value> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        ensure!(!left.is_zero(), "QEMU did not do it in time");
        self.line.get_ref().set_read_timeout(Some(left)).context("set a deadline")?;
        let mut text = String::new();
        let length = self.line.read_line(&mut text).context("read from QEMU")?;
        ensure!(length > 0, "QEMU has closed its line");
        serde_json::from_str(&text).with_context(|| format!("QEMU says {text:?}"))
    }
}
