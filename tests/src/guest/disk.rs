//! The disk: `/etc` and `/var/lib` are on it, as on any host, and outlive a power cut. Nothing else does.

use std::fs;
use std::path::Path;

use nix::mount::{MsFlags, mount};

use super::program::run;
use super::wait::wait_for;

const DEVICE: &str = "/dev/vda";
const PLACE: &str = "/disk";

/// What is on the disk.
const KEPT: &[&str] = &["/etc", "/var/lib"];

/// The least that ext4 does of itself for programs that do not sync: no data before the rename that makes a new file
/// of an old one, no data before the journal entry of a file's size. Anything wrong with the disk ends the machine.
const OPTIONS: &str = "noauto_da_alloc,data=writeback,errors=panic";

/// Mounts the disk, with what the initramfs has in those directories laid over it.
pub(super) fn mount_disk() {
    fs::create_dir_all(PLACE).expect("make a mount point");
    // The driver's module is loaded before the driver has looked at the disk.
    wait_for("the disk", || Path::new(DEVICE).exists().then_some(()));
    mount(Some(DEVICE), PLACE, Some("ext4"), MsFlags::empty(), Some(OPTIONS))
        .unwrap_or_else(|error| panic!("mount {DEVICE}: {error}"));
    for directory in KEPT {
        let kept = format!("{PLACE}{directory}");
        fs::create_dir_all(&kept).unwrap_or_else(|error| panic!("make {kept}: {error}"));
        run(&format!("cp -a {directory}/. {kept}")).ok();
        mount(Some(kept.as_str()), *directory, None::<&str>, MsFlags::MS_BIND, None::<&str>)
            .unwrap_or_else(|error| panic!("mount {kept} on {directory}: {error}"));
    }
}
