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

/// What a plugin that is aborted says. It may be out of memory, so that all of it is written already.
const ABORTED: &str = concat!(
    r#"{"cniVersion":"1.1.0","code":5,"msg":"the plugin was aborted: as a rule it ran out of memory "#,
    r#"(ulimit -d and -v, or the limit of its cgroup)","#,
    r#""details":"what it had done by then is recorded, and the next DEL undoes it"}"#,
    "\n"
);

/// Has an abort answer with a CNI error and exit status 1. Rust aborts where memory is short, and a
/// runtime would be left with a signal's number.
pub(crate) fn answer_aborts() {
    extern "C" fn answer(_: libc::c_int) {
        #[expect(unsafe_code, reason = "std's stdout allocates")]
        // SAFETY: both calls may be made in a signal handler; the text lives as long as the program.
        unsafe {
            // With stdout closed there is nobody to tell.
            libc::write(libc::STDOUT_FILENO, ABORTED.as_ptr().cast(), ABORTED.len());
            libc::_exit(1)
        }
    }
    #[expect(unsafe_code, reason = "nix has no safe way to handle a signal")]
    // SAFETY: the handler makes two system calls, allocates nothing and takes no lock.
    unsafe { signal(Signal::SIGABRT, SigHandler::Handler(answer)) }.ok();
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
