//! The process of another plugin.

use std::ffi::OsStr;
use std::io::{self, Read, Write};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use super::Invocation;

/// No result is anywhere near this long.
const LONGEST_OUTPUT: u64 = 16 << 20;

/// How it ended.
pub(super) enum Output {
    Succeeded(Vec<u8>),
    Failed { stdout: Vec<u8>, status: ExitStatus },
    TimedOut,
}

/// Runs `executable` for `verb`, and kills it after `deadline`. Its stderr is ours.
pub(super) fn run(
    executable: &Path,
    verb: &str,
    invocation: Invocation<'_>,
    deadline: Duration,
) -> io::Result<Output> {
    let mut child = command(executable, verb, invocation)?.spawn()?;
    let outcome = converse(&mut child, invocation.config, deadline);
    match outcome {
        Ok(Some(stdout)) => {
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
    if let Some((key, netns)) = invocation.attachment {
        command.env("CNI_CONTAINERID", key.container.as_str());
        command.env("CNI_IFNAME", key.ifname.as_str());
        command.env("CNI_NETNS", netns.map_or(OsStr::new(""), Path::as_os_str));
    }
    Ok(command)
}

/// Writes stdin and reads stdout at the same time, so that neither side waits for the other.
/// `None` when the deadline passed first.
fn converse(child: &mut Child, config: &[u8], deadline: Duration) -> io::Result<Option<Vec<u8>>> {
    let closed = || io::Error::other("its stdin and stdout were not opened");
    let mut stdin = child.stdin.take().ok_or_else(closed)?;
    let stdout = child.stdout.take().ok_or_else(closed)?;
    let config = config.to_vec();
    // A plugin need not read its stdin to the end: that it does not is no failure.
    thread::Builder::new().name("stdin".to_owned()).spawn(move || stdin.write_all(&config).ok())?;
    let (sender, receiver) = mpsc::channel();
    thread::Builder::new().name("stdout".to_owned()).spawn(move || {
        let mut bytes = Vec::new();
        let read = stdout.take(LONGEST_OUTPUT).read_to_end(&mut bytes);
        sender.send(read.map(|_length| bytes)).ok();
    })?;
    match receiver.recv_timeout(deadline) {
        Ok(read) => read.map(Some),
        Err(_) => Ok(None),
    }
}
