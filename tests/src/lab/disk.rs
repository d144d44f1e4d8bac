//! The machine's disk: what of it outlives a power cut.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

/// Room for `/etc` and `/var/lib`, and for a journal.
const SIZE: &str = "64M";

/// Makes an empty file system in a new file.
///
/// # Errors
/// When mke2fs is missing or fails.
pub(super) fn make(file: &Path) -> Result<()> {
    // Without laziness, so that no kernel thread goes on with it in the guest.
    let output = Command::new("mke2fs")
        .args(["-q", "-F", "-t", "ext4", "-E", "lazy_itable_init=0,lazy_journal_init=0"])
        .arg(file)
        .arg(SIZE)
        .output()
        .context("run mke2fs: run make setup")?;
    let complaint = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "make a disk in {}: {complaint}", file.display());
    Ok(())
}

/// How QEMU reads a system's image: what the machine writes is gone with it.
pub(super) fn system(file: &Path) -> String {
    format!("if=virtio,format=raw,snapshot=on,cache=unsafe,file={}", file.display())
}

/// How QEMU keeps it.
///
/// What QEMU has written is in the host's memory and outlives its end by SIGKILL, so that to carry it on to the
/// host's own disk at each of the guest's flushes would cost time and show nothing. A cut loses what only the guest
/// holds: everything that was not synced.
pub(super) fn drive(file: &Path) -> String {
    format!("if=virtio,format=raw,cache=unsafe,file={}", file.display())
}
