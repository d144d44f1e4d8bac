//! Kernel modules.

use std::time::Duration;

use conf::DriverName;

use super::sysfs::Sysfs;
use super::{Change, Error};

/// Whether a module is in the kernel, loaded or built in.
pub fn is_loaded(sysfs: &Sysfs, name: &DriverName) -> bool {
    let _ = (sysfs, name);
    todo!()
}

/// Loads a module, and what it needs, by the kernel's own modprobe.
pub fn load(sysfs: &Sysfs, name: &DriverName, deadline: Duration) -> Result<Change, Error> {
    let _ = (sysfs, name, deadline);
    todo!()
}
