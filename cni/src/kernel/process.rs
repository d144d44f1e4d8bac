//! Processes that this one starts.

use std::os::unix::process::CommandExt;
use std::process::Command;

use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::Signal;
use nix::unistd::{getpid, getppid};

use super::Errno;

/// Has the process that `command` starts be killed when the thread that starts it ends. What is
/// done for a caller that is no more would be done behind the back of whoever comes next.
pub(crate) fn kill_with_its_starter(command: &mut Command) {
    let starter = getpid();
    let ask = move || {
        set_pdeathsig(Signal::SIGKILL)?;
        // It may have ended before that was said.
        if getppid() == starter { Ok(()) } else { Err(Errno::ESRCH.into()) }
    };
    #[expect(unsafe_code, reason = "std has no safe way to prctl in a child")]
    // SAFETY: between fork and exec it makes two system calls and allocates nothing.
    unsafe {
        command.pre_exec(ask);
    }
}
