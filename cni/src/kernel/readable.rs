//! Waiting until there is something to read.

use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::Errno;

/// Waits until one of `files` has something to read, or its end (`true`), or the deadline has
/// passed. The end of a process is what there is to read of its pidfd.
pub fn wait_readable<'f>(
    files: impl IntoIterator<Item = BorrowedFd<'f>>,
    deadline: Instant,
) -> Result<bool, Errno> {
    let mut watched: Vec<PollFd<'_>> =
        files.into_iter().map(|file| PollFd::new(file, PollFlags::POLLIN)).collect();
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        match poll(&mut watched, timeout(left)) {
            Ok(0) if left.is_zero() => return Ok(false),
            Ok(0) | Err(Errno::EINTR) => {}
            Ok(_) => return Ok(true),
            Err(errno) => return Err(errno),
        }
    }
}

/// In whole milliseconds, rounded up so that a wait does not end just before its deadline.
fn timeout(left: Duration) -> PollTimeout {
    let millis = left.as_nanos().div_ceil(1_000_000);
    i32::try_from(millis).ok().and_then(|millis| millis.try_into().ok()).unwrap_or(PollTimeout::MAX)
}
