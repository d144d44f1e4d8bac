//! Where `/run` is not: that a store was made since the machine booted.
//!
//! A store that was removed whole, lock and all, is told by it from one that was never made.

use std::fs;
use std::io;
use std::path::PathBuf;

use conf::BootId;

use crate::clock::current_boot;
use crate::durable;
use crate::paths::Root;

/// `/var/lib/railhead/store.boot`: the boot in which the store was made, as
/// `/proc/sys/kernel/random/boot_id` has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mark(PathBuf);

impl Mark {
    pub(super) fn of(root: &Root) -> Self {
        Self(root.store_mark())
    }

    /// Whether a store was made in this run of the machine. One of another run went with that.
    pub(super) fn is_of_this_boot(&self) -> bool {
        let made = fs::read_to_string(&self.0).ok().and_then(|text| text.trim_end().parse().ok());
        made.is_some_and(|made: BootId| current_boot().is_ok_and(|current| made == current))
    }

    /// Notes that one was made. It need not survive a power cut, which takes the store as well.
    ///
    /// # Errors
    /// It cannot be written.
    pub(super) fn put(&self) -> io::Result<()> {
        let boot = current_boot()?;
        let new = self.0.with_extension("new");
        if let Some(directory) = self.0.parent() {
            durable::make_directory(directory).map_err(|error| error.source)?;
        }
        fs::write(&new, format!("{boot}\n"))?;
        fs::rename(&new, &self.0)
    }
}
