//! Processes that this one starts.

use std::os::unix::process::CommandExt;
use std::process::Command;

use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::{SigHandler, Signal, signal};
use nix::unistd::{getpid, getppid};

use super::Errno;

/// Has a write past the limit on a file's size (RLIMIT_FSIZE) fail with EFBIG, as one on a full file
/// system does, in place of ending the program without a word (SIGXFSZ).
pub(crate) fn fail_at_file_size_limit() {
    #[expect(unsafe_code, reason = "nix has no safe way to ignore a signal")]
    // SAFETY: no handler is installed that could run at a bad moment. The signal is a valid one, so
    // that nothing can go wrong.
    unsafe { signal(Signal::SIGXFSZ, SigHandler::SigIgn) }.ok();
}

/// Has the process that `command` starts be killed when the thread that starts it ends. What is
/// done for a caller that is no more would be done behind the back of whoever comes next.
pub(crate) fn kill_with_its_starter(command: &mut Command) {
    let starter = getpid();
    let ask = move || {
        #[expect(unsafe_code, reason = "nix has no safe way to set a signal's default")]
        // SAFETY: no handler is installed.
        unsafe { signal(Signal::SIGXFSZ, SigHandler::SigDfl) }?;
        set_pdeathsig(Signal::SIGKILL)?;
        // It may have ended before that was said.
        if getppid() == starter { Ok(()) } else { Err(Errno::ESRCH.into()) }
    };
    #[expect(unsafe_code, reason = "std has no safe way to prctl in a child")]
    // SAFETY: between fork and exec it makes three system calls and allocates nothing.
    unsafe {
        command.pre_exec(ask);
    }
}
