//! The process of another plugin.

use std::ffi::OsStr;
use std::io::{self, Read, Write};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Sender};
use std::thread;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::wait::{Id, WaitPidFlag, waitid};
use nix::unistd::Pid;

use super::Invocation;
use crate::kernel::process::kill_with_its_starter;

/// No result is anywhere near this long.
const LONGEST_OUTPUT: u64 = 16 << 20;

/// How long to listen on when the plugin has ended: a process that it left behind may hold its
/// stdout open for ever, and has nothing to say.
const AFTERMATH: Duration = Duration::from_secs(1);

/// How it ended.
pub(super) enum Output {
    Succeeded(Vec<u8>),
    Failed {
        stdout: Vec<u8>,
        status: ExitStatus,
    },
    TimedOut,
    /// It never ran.
    NotStarted(io::Error),
}

/// Runs `executable` for `verb`, and kills it after `deadline`. Its stderr is ours.
pub(super) fn run(
    executable: &Path,
    verb: &str,
    invocation: Invocation<'_>,
    deadline: Duration,
) -> io::Result<Output> {
    let mut child = match command(executable, verb, invocation)?.spawn() {
        Ok(child) => child,
        Err(cause) => return Ok(Output::NotStarted(cause)),
    };
    let outcome = converse(&mut child, invocation.config, deadline);
    match outcome {
        Ok(Some(stdout)) => {
            // It has ended: there is nothing to wait for.
            let status = child.wait()?;
            match status.success() {
                true => Ok(Output::Succeeded(stdout)),
                false => Ok(Output::Failed { stdout, status }),
            }
        }
        outcome => {
            child.kill()?;
            child.wait()?;
            outcome.map(|_| Output::TimedOut)
        }
    }
}

fn command(executable: &Path, verb: &str, invocation: Invocation<'_>) -> io::Result<Command> {
    let mut command = Command::new(executable);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit());
    command.env("CNI_COMMAND", verb).env("CNI_ARGS", invocation.args);
    command.env("CNI_PATH", std::env::join_paths(invocation.path).map_err(io::Error::other)?);
    for name in ["CNI_CONTAINERID", "CNI_IFNAME", "CNI_NETNS"] {
        command.env_remove(name);
    }
    // The runtime gives up on an ADD by killing this process, and sends DEL: an IPAM that went on
    // with that ADD would lease an address after its DEL, which nobody would ever give back.
    kill_with_its_starter(&mut command);
    if let Some((key, netns)) = invocation.attachment {
        command.env("CNI_CONTAINERID", key.container.as_str());
        command.env("CNI_IFNAME", key.ifname.as_str());
        command.env("CNI_NETNS", netns.map_or(OsStr::new(""), Path::as_os_str));
    }
    Ok(command)
}

/// What is heard of a plugin.
enum News {
    Said(Vec<u8>),
    /// Nothing more will be said.
    Silent,
    Failed(io::Error),
    Ended,
}

/// Writes stdin and reads stdout at the same time, so that neither side waits for the other, until
/// the plugin has ended: that it has closed its stdout does not mean that it ever will.
/// `None` when the deadline passed first.
fn converse(child: &mut Child, config: &str, deadline: Duration) -> io::Result<Option<Vec<u8>>> {
    let mut until = Instant::now() + deadline;
    let closed = || io::Error::other("its stdin and stdout were not opened");
    let mut stdin = child.stdin.take().ok_or_else(closed)?;
    let stdout = child.stdout.take().ok_or_else(closed)?;
    let pid = Pid::from_raw(i32::try_from(child.id()).map_err(io::Error::other)?);
    let config = config.to_owned();
    // A plugin need not read its stdin to the end: that it does not is no failure.
    thread::Builder::new()
        .name("stdin".to_owned())
        .spawn(move || stdin.write_all(config.as_bytes()).ok())?;
    let (news, heard) = mpsc::channel();
    let of_end = news.clone();
    thread::Builder::new().name("stdout".to_owned()).spawn(move || listen(stdout, &news))?;
    thread::Builder::new().name("end".to_owned()).spawn(move || {
        // Not reaped, so that nobody else can have its number when it is to be killed.
        let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT;
        while waitid(Id::Pid(pid), flags) == Err(Errno::EINTR) {}
        of_end.send(News::Ended).ok();
    })?;

    let (mut said, mut speaks, mut lives) = (Vec::new(), true, true);
    while speaks || lives {
        match heard.recv_timeout(until.saturating_duration_since(Instant::now())) {
            Ok(News::Said(more)) => said.extend(more),
            Ok(News::Silent) => speaks = false,
            Ok(News::Failed(error)) => return Err(error),
            Ok(News::Ended) => {
                lives = false;
                until = until.min(Instant::now() + AFTERMATH);
            }
            Err(_) if lives => return Ok(None),
            Err(_) => break,
        }
    }
    Ok(Some(said))
}

fn listen(stdout: impl Read, news: &Sender<News>) {
    let mut stdout = stdout.take(LONGEST_OUTPUT);
    let mut buffer = vec![0; 64 << 10];
    loop {
        let heard = match stdout.read(&mut buffer) {
            Ok(0) => News::Silent,
            Ok(length) => News::Said(buffer.iter().take(length).copied().collect()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => News::Failed(error),
        };
        let is_last = !matches!(heard, News::Said(_));
        // With nobody listening any more the deadline has passed.
        if news.send(heard).is_err() || is_last {
            return;
        }
    }
}
