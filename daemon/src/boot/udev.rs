//! What udev knows: whether it is done with a netdev, so that the name it has is the one it keeps.
//!
//! udevd writes `/run/udev/data/nIFINDEX` when it has carried out the rules for a netdev, the
//! renaming among them. Where no udevd runs (`/run/udev/control` is its socket), nobody renames.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::PathBuf;

use inotify::{Inotify, WatchMask};

use crate::host::Host;

/// udev's database, watched.
pub(super) struct Udev {
    data: PathBuf,
    /// `None` where no udevd runs.
    changes: Option<Inotify>,
}

impl Udev {
    /// Watches from now on.
    pub(super) fn watch(host: &Host) -> io::Result<Self> {
        let data = host.root().join("run/udev/data");
        if !host.root().join("run/udev/control").exists() {
            return Ok(Self { data, changes: None });
        }
        let changes = Inotify::init()?;
        // udevd writes a file beside and renames it.
        let comes = WatchMask::CREATE | WatchMask::MOVED_TO | WatchMask::ONLYDIR;
        match changes.watches().add(&data, comes) {
            Ok(_) => Ok(Self { data, changes: Some(changes) }),
            // Before udevd's first event there is no database yet: uevents tell when to look.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Ok(Self { data, changes: Some(changes) })
            }
            Err(error) => Err(error),
        }
    }

    /// Whether a netdev keeps the name that it has.
    pub(super) fn is_done_with(&self, ifindex: u32) -> bool {
        self.changes.is_none() || self.data.join(format!("n{ifindex}")).exists()
    }

    /// What becomes readable when there is news.
    pub(super) fn changes(&self) -> Option<BorrowedFd<'_>> {
        self.changes.as_ref().map(AsFd::as_fd)
    }

    /// Takes the news.
    pub(super) fn drain(&mut self) {
        let Some(changes) = &mut self.changes else { return };
        let mut buffer = [0; 4096];
        // Non-blocking: it ends with the first error, which is that there is nothing more.
        while changes.read_events(&mut buffer).is_ok_and(|mut events| events.next().is_some()) {}
    }
}
