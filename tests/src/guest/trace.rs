//! Counting and failing system calls from outside, by strace: shipped binaries carry no switch for tests.
//!
//! ```text
//! // The third netlink request of an ADD fails with EPERM.
//! let trace = Trace::new("add").inject("sendto:error=EPERM:when=3");
//! Call::add("sriov", "c1", &pod, &config).under(&trace.command()).run().error(..);
//! assert_eq!(trace.calls("sendto").len(), 3);
//! ```

use std::fs;

use super::host::{read, remove_if_there};
use super::program::{Program, Running};
use super::wait::wait_for;

/// A run of strace.
#[derive(Debug)]
pub struct Trace {
    log: String,
    options: Vec<String>,
    /// Stop at these calls only. A signal is lost when it is injected at such a stop, so not with signals.
    filtered: bool,
}

impl Trace {
    /// Follows forks and logs to a file of that name under /tmp.
    pub fn new(name: &str) -> Self {
        let log = format!("/tmp/trace-{name}");
        // A log of an earlier run would be read as this one's.
        remove_if_there(fs::remove_file(&log), &log);
        Self { log, options: Vec::new(), filtered: true }
    }

    /// Looks at these calls only: `fork,vfork,clone,clone3,execve` or a class like `%network`. Others run at full speed.
    #[must_use]
    pub fn only(mut self, calls: &str) -> Self {
        self.options.push(format!("-e trace={calls}"));
        self
    }

    /// Tampers with calls, in strace's words: `sendto:error=EPERM:when=3`, `sendto:signal=KILL:when=2`.
    #[must_use]
    pub fn inject(mut self, what: &str) -> Self {
        self.filtered &= !what.contains(":signal=");
        self.options.push(format!("-e inject={what}"));
        self
    }

    /// Looks at calls about this file only.
    #[must_use]
    pub fn at(mut self, path: &str) -> Self {
        self.options.push(format!("-P {path}"));
        self
    }

    /// Says behind each descriptor what it is: `write(5</sys/…>, …)`.
    #[must_use]
    pub fn naming_descriptors(mut self) -> Self {
        self.options.push("-y".to_owned());
        self
    }

    /// Begins each line with the time of the call, in seconds since the epoch.
    #[must_use]
    pub fn timed(mut self) -> Self {
        self.options.push("-ttt".to_owned());
        self
    }

    /// Looks at a process that runs already, from now on until strace gets SIGINT.
    #[track_caller]
    pub fn attach(&self, process: u32) -> Running {
        let (log, options) = (&self.log, self.options.join(" "));
        let strace =
            Program::new(&format!("strace -f -qq -o {log} {options} -p {process}")).start();
        let status = format!("/proc/{process}/status");
        wait_for("strace to be there", || (!read(&status).contains("TracerPid:\t0")).then_some(()));
        strace
    }

    /// The command to run a program under.
    pub fn command(&self) -> String {
        let filter = if self.filtered { "--seccomp-bpf" } else { "" };
        format!("strace -f -qq {filter} -o {} {} --", self.log, self.options.join(" "))
    }

    /// The lines of all finished calls, without process ids.
    pub fn lines(&self) -> Vec<String> {
        let text = fs::read_to_string(&self.log)
            .unwrap_or_else(|error| panic!("read {}: {error}", self.log));
        text.lines()
            .map(|line| line.trim_start_matches(|c: char| c.is_ascii_digit()).trim().to_owned())
            .collect()
    }

    /// The lines that change the kernel, when `write` and `sendto` are looked at and descriptors are named: what is
    /// written to sysfs, and requests that change a link.
    pub fn changes(&self) -> Vec<String> {
        // RTM_SETLINK and RTM_NEWLINK; without the module netlink_diag strace has no names for them.
        let kinds = ["RTM_SETLINK", "RTM_NEWLINK", "nlmsg_type=0x13", "nlmsg_type=0x10"];
        let is_change =
            |line: &String| line.contains("</sys/") || kinds.iter().any(|kind| line.contains(kind));
        self.lines().into_iter().filter(is_change).collect()
    }

    /// The lines that start a process or make, change or remove a file, when `%process` and `%file` are looked at. What
    /// is told on a terminal is none of it.
    pub fn starts_and_writes(&self) -> Vec<String> {
        let starts = ["fork(", "vfork(", "clone(", "clone3("];
        let writes = ["O_WRONLY", "O_RDWR", "O_CREAT", "unlink", "rename", "mkdir", "chmod"];
        let is_either = |line: &String| {
            starts.iter().any(|call| line.starts_with(call))
                || (writes.iter().any(|mark| line.contains(mark)) && !line.contains("/dev/tty"))
        };
        self.lines().into_iter().filter(is_either).collect()
    }

    /// The lines of one call.
    pub fn calls(&self, name: &str) -> Vec<String> {
        let start = format!("{name}(");
        self.lines().into_iter().filter(|line| line.starts_with(&start)).collect()
    }
}
