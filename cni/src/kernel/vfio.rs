//! VFIO groups: functions that are given to user space.

use std::path::{Path, PathBuf};

use super::Error;

/// The device file of a group, under `dev` (`/dev`).
pub fn group_path(dev: &Path, group: u32) -> PathBuf {
    dev.join("vfio").join(group.to_string())
}

/// Whether someone has the group open.
pub fn is_busy(dev: &Path, group: u32) -> Result<bool, Error> {
    let _ = (dev, group);
    todo!()
}
