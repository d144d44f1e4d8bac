//! Running a program with a deadline, and leaving it behind when it misses it.

use std::io::{self, PipeReader, Read};
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::kernel::Cause;
use crate::kernel::readable::wait_readable;

/// The most that is kept of what a program says.
const ENOUGH: usize = 16 * 1024;

/// A child that hangs in the kernel.
#[derive(Debug, Clone)]
pub struct Straggler {
    pid: u32,
    gone: Arc<AtomicBool>,
}

impl Straggler {
    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Whether it has ended by now, so that what it was working on can be touched again.
    pub fn is_gone(&self) -> bool {
        self.gone.load(Ordering::Acquire)
    }
}

/// Runs `command` to its end and returns what it said on standard output and standard error. Past
/// the deadline it is left behind ([`Cause::Hung`]).
///
/// It is not killed, and has a process group of its own, so that an interrupt from the keyboard
/// does not reach it either: a driver that is probed by a process with a fatal signal fails where
/// it would have been slow (`kthread_create` answers EINTR, so no interrupt thread), and a device
/// is left half made.
pub(in crate::kernel) fn run(
    mut command: Command,
    limit: Duration,
) -> Result<(ExitStatus, Vec<u8>), Cause> {
    let deadline = Instant::now() + limit;
    let (mut reader, writer) = io::pipe()?;
    command.stdin(Stdio::null()).stdout(writer.try_clone()?).stderr(writer).process_group(0);
    let mut child = command.spawn()?;
    // Our own ends for writing: with these open the pipe would never end.
    drop(command);
    match read_to_end(&mut reader, deadline)? {
        Some(said) => Ok((child.wait()?, said)),
        None => Err(Cause::Hung(leave_behind(child))),
    }
}

/// `None` when it has not ended by the deadline.
fn read_to_end(pipe: &mut PipeReader, deadline: Instant) -> Result<Option<Vec<u8>>, Cause> {
    let mut said = Vec::new();
    let mut chunk = [0; 1024];
    while wait_readable([pipe.as_fd()], deadline)? {
        let read = pipe.read(&mut chunk)?;
        if read == 0 {
            return Ok(Some(said));
        }
        if said.len() < ENOUGH {
            said.extend_from_slice(chunk.get(..read).unwrap_or_default());
        }
    }
    Ok(None)
}

/// Has a thread wait for the end of a child: it costs nothing, and nobody else has to remember.
fn leave_behind(mut child: Child) -> Straggler {
    let straggler = Straggler { pid: child.id(), gone: Arc::default() };
    let gone = Arc::clone(&straggler.gone);
    let bury = move || {
        if child.wait().is_ok() {
            gone.store(true, Ordering::Release);
        }
    };
    // Without a thread the child counts as stuck for as long as this process lives.
    drop(thread::Builder::new().name("straggler".to_owned()).spawn(bury));
    straggler
}
