//! A place on this machine for measuring: state of its own on tmpfs, and calls of plugins in it.

use std::fs::{self, File};
use std::io::Read;
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use serde_json::Value;

/// The namespace that [`isolated`] makes for a container.
const NETNS: &str = "/run/netns/bench";

/// Where configs and what programs print go: on the tmpfs too.
const SCRATCH: &str = "/run/bench";

/// Does `work` on a thread that has mount and network namespaces of its own, with nothing in `/run` and `/var/lib` but a
/// network namespace to attach. All of it is gone afterwards.
///
/// # Errors
/// When the namespaces cannot be made, which takes root, or when `work` fails.
pub(super) fn isolated<T: Send>(work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
    let run = || {
        unshare(CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWNS)
            .context("make namespaces to measure in: that takes root")?;
        let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
        mount(None::<&str>, "/", None::<&str>, private, None::<&str>).context("unshare mounts")?;
        for directory in ["/run", "/var/lib"] {
            empty(directory)?;
        }
        fs::create_dir(SCRATCH).context("make a directory")?;
        let made = Command::new("ip").args(["netns", "add", "bench"]).status();
        ensure!(made.context("run ip")?.success(), "ip cannot make a namespace");
        work()
    };
    thread::scope(|scope| scope.spawn(run).join().unwrap_or_else(|panic| resume_unwind(panic)))
}

/// Mounts an empty tmpfs, large enough for a store that is full.
fn empty(directory: &str) -> Result<()> {
    let (tmpfs, size) = (Some("tmpfs"), Some("size=2g,nr_inodes=1m"));
    mount(tmpfs, directory, tmpfs, MsFlags::empty(), size)
        .with_context(|| format!("mount a tmpfs on {directory}"))
}

/// A program that is run over and over, with the same config for its standard input.
#[derive(Debug, Clone)]
pub(super) struct Caller {
    program: PathBuf,
    config: PathBuf,
}

impl Caller {
    /// Calls `program`; `name` is that of its config among others.
    pub(super) fn new(program: &Path, name: &str, config: &Value) -> Result<Self> {
        let file = Path::new(SCRATCH).join(format!("{name}.json"));
        fs::write(&file, config.to_string()).context("write a config")?;
        Ok(Self { program: program.to_owned(), config: file })
    }

    /// The verb for a container, as a runtime calls it.
    pub(super) fn command(&self, verb: &str, container: &str) -> Command {
        self.under(&[], verb, container)
    }

    /// The same, run by another program: `strace -f`.
    pub(super) fn under(&self, words: &[&str], verb: &str, container: &str) -> Command {
        let program = self.program.as_os_str();
        let (first, rest) = match words {
            [first, rest @ ..] => (first.as_ref(), rest),
            [] => (program, &[][..]),
        };
        let mut command = Command::new(first);
        command.args(rest);
        if !words.is_empty() {
            command.arg(program);
        }
        command
            .env_clear()
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .env("CNI_COMMAND", verb)
            .env("CNI_CONTAINERID", container)
            .env("CNI_IFNAME", "net1")
            .env("CNI_NETNS", NETNS)
            .env("CNI_PATH", self.program.parent().unwrap_or(Path::new("/")));
        command
    }

    /// Runs what [`Self::command`] gives and tells how long it took from start to exit.
    ///
    /// # Errors
    /// When it cannot be run, or fails.
    pub(super) fn time(&self, command: Command) -> Result<Duration> {
        self.expect(0, command)
    }

    /// The same for a command that is to end with this exit status.
    pub(super) fn expect(&self, status: i32, mut command: Command) -> Result<Duration> {
        // Not a pipe, which would have to be read meanwhile: that would cost this process time that the others want.
        let mut printed = tempfile()?;
        let input = File::open(&self.config).context("open a config")?;
        for share in [Command::stdout, Command::stderr] {
            share(&mut command, Stdio::from(printed.try_clone().context("share a file")?));
        }
        command.stdin(input);
        let started = Instant::now();
        let ended = command.status().with_context(|| format!("run {command:?}"))?;
        let took = started.elapsed();
        if ended.code() != Some(status) {
            let mut text = String::new();
            std::io::Seek::rewind(&mut printed).context("read what was printed")?;
            printed.read_to_string(&mut text).context("read what was printed")?;
            anyhow::bail!("{command:?}: {ended}: {text}");
        }
        Ok(took)
    }
}

/// A file without a name.
fn tempfile() -> Result<File> {
    use std::os::unix::fs::OpenOptionsExt;
    let flags = nix::libc::O_TMPFILE;
    let file = File::options().read(true).write(true).custom_flags(flags).open(SCRATCH);
    file.context("make a file")
}
