//! Waiting for PFs: by events, with a deadline.

use std::time::Instant;

use cni::kernel::uevent::Uevents;
use cni::kernel::{self, Errno};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::os::fd::AsFd;

use super::expected::{Arrived, Expected};
use super::udev::Udev;
use crate::host::Host;
use crate::observe::observe;

/// Waits until all that is expected is there, or until `deadline`, and says what is there then.
pub(super) fn wait(
    host: &Host,
    expected: &Expected,
    deadline: Instant,
) -> Result<Arrived, kernel::Error> {
    // Before the first look, so that nothing comes unheard in between.
    let mut uevents = Uevents::open()?;
    let mut udev = Udev::watch(host)
        .map_err(|error| kernel::Error::new("watch", "/run/udev/data".to_owned(), error))?;
    loop {
        let arrived = expected.arrived(&observe(host)?, |ifindex| udev.is_done_with(ifindex));
        if arrived.is_all() || !is_woken(&uevents, &udev, deadline)? {
            return Ok(arrived);
        }
        uevents.drain()?;
        udev.drain();
    }
}

/// Waits for an event of the kernel or of udev; false when the deadline has passed.
fn is_woken(uevents: &Uevents, udev: &Udev, deadline: Instant) -> Result<bool, kernel::Error> {
    let mut awaited = vec![PollFd::from_borrowed_fd(uevents.as_fd(), PollFlags::IN)];
    awaited.extend(udev.changes().map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN)));
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let timeout = Timespec::try_from(left).unwrap_or_default();
        match poll(&mut awaited, Some(&timeout)) {
            Ok(0) => return Ok(false),
            Ok(_) => return Ok(true),
            Err(rustix::io::Errno::INTR) => {}
            Err(errno) => {
                let errno = Errno::from_raw(errno.raw_os_error());
                return Err(kernel::Error::new("wait for", "device events".to_owned(), errno));
            }
        }
    }
}
