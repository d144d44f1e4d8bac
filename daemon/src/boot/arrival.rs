//! Waiting for PFs: by events, with a deadline.

use std::os::fd::AsFd;
use std::time::Instant;

use cni::kernel;
use cni::kernel::readable::wait_readable;
use cni::kernel::uevent::Uevents;

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
    let awaited = std::iter::once(uevents.as_fd()).chain(udev.changes());
    wait_readable(awaited, deadline)
        .map_err(|errno| kernel::Error::new("wait for", "device events", errno))
}
