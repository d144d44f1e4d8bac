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
    modprobe(name.as_str(), deadline)
        .map(|()| Change::Changed)
        .map_err(|cause| Error::new("load", format!("module {name}"), cause))
}

/// Loads the modules that say to be meant for a device (`modalias`), as udev does when it appears.
pub fn load_for(modalias: &str, deadline: Duration) -> Result<(), Error> {
    modprobe(modalias, deadline)
        .map_err(|cause| Error::new("load", format!("a module for {modalias}"), cause))
}

fn modprobe(name: &str, deadline: Duration) -> Result<(), Cause> {
    let mut modprobe = Command::new(program());
    modprobe.arg("--").arg(name);
    let (status, said) = child::run(modprobe, deadline)?;
    if status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&said).trim_end().to_owned();
    Err(Cause::Program(if said.is_empty() { format!("modprobe: {status}") } else { said }))
}

/// The kernel's own setting, else what the path has.
fn program() -> String {
    let configured = fs::read_to_string("/proc/sys/kernel/modprobe").unwrap_or_default();
    let configured = configured.trim_end();
    if configured.is_empty() { "modprobe".to_owned() } else { configured.to_owned() }
}
