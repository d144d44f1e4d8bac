//! Kernel modules.

use std::fs;
use std::process::Command;
use std::time::Duration;

use conf::DriverName;

use super::child;
use super::sysfs::Sysfs;
use super::{Cause, Change, Error};

/// Whether a module is in the kernel: loaded, or built in with parameters.
pub fn is_loaded(sysfs: &Sysfs, name: &DriverName) -> bool {
    // The kernel spells a module's name with underscores, whatever the file's.
    sysfs.root().join("module").join(name.as_str().replace('-', "_")).exists()
}

/// Loads a module, and what it needs, by the modprobe that the kernel itself would run. The error
/// has what modprobe said.
pub fn load(sysfs: &Sysfs, name: &DriverName, deadline: Duration) -> Result<Change, Error> {
    if is_loaded(sysfs, name) {
        return Ok(Change::Same);
    }
    let error = |cause: Cause| Error::new("load", format!("module {name}"), cause);
    let mut modprobe = Command::new(program());
    modprobe.arg("--").arg(name.as_str());
    let (status, said) = child::run(modprobe, deadline).map_err(error)?;
    if status.success() {
        return Ok(Change::Changed);
    }
    let said = String::from_utf8_lossy(&said).trim_end().to_owned();
    Err(error(Cause::Program(if said.is_empty() { format!("modprobe: {status}") } else { said })))
}

/// The kernel's own setting, else what the path has.
fn program() -> String {
    let configured = fs::read_to_string("/proc/sys/kernel/modprobe").unwrap_or_default();
    let configured = configured.trim_end();
    if configured.is_empty() { "modprobe".to_owned() } else { configured.to_owned() }
}
