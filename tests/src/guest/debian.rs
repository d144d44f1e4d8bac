//! The second machine: a Debian with its own systemd, udev, NetworkManager and networkd.
//!
//! ```text
//! PID 1 of the initramfs: disk image --> what is tested laid over it --> switch_root
//! Debian's systemd --> railhead-guest.service: the runner, with the same orders and the same line
//! ```
//!
//! What is tested lies where the package puts it. The image is written to in the machine's memory alone.

use std::fs;
use std::os::unix::fs::symlink;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use nix::mount::{MsFlags, mount};

use super::program::run;
use super::wait::wait_for;

/// The kernel's argument that asks for this machine.
pub const ARGUMENT: &str = "railhead.debian";

const DEVICE: &str = "/dev/vdb";
const ROOT: &str = "/debian";

/// What is needed to mount it.
const MODULES: [&str; 5] = ["crc16", "mbcache", "jbd2", "ext4", "virtio_blk"];

/// What is laid over it: from where in the initramfs, to where.
const LAID_OVER: [(&str, &str); 7] = [
    ("/init", "usr/local/bin/railhead-guest"),
    ("/bin/railhead", "usr/bin/railhead"),
    ("/opt/cni", "opt"),
    ("/lib/modules", "usr/lib"),
    ("/orders.json", "orders.json"),
    ("/root/examples", "root"),
    ("/lay-over/.", ""),
];

/// What starts at boot.
const ENABLED: [(&str, &str); 4] = [
    ("usr/lib/systemd/system/railhead-boot.service", "multi-user.target.wants"),
    ("usr/lib/systemd/system/railhead.service", "multi-user.target.wants"),
    ("etc/systemd/system/railhead-guest.service", "multi-user.target.wants"),
    ("usr/lib/systemd/system/systemd-networkd.service", "multi-user.target.wants"),
];

/// Whether this is to be that machine.
pub(super) fn is_wanted() -> bool {
    let arguments = fs::read_to_string("/proc/cmdline").expect("read the kernel's arguments");
    arguments.split_whitespace().any(|argument| argument == ARGUMENT)
}

/// Whether this is that machine, and its init has started us.
pub fn is_here() -> bool {
    Path::new("/run/systemd/system").exists()
}

/// Waits until everybody has done what they do at boot.
pub(super) fn settle() {
    run("udevadm settle").ok();
    run("nm-online -s -q -t 60").ok();
}

/// Hands the machine over to Debian's init.
pub(super) fn hand_over() -> ! {
    mount_root();
    for (from, to) in LAID_OVER {
        run(&format!("cp -a {from} {ROOT}/{to}")).ok();
    }
    // The reference plugins, where a runtime looks for plugins.
    run(&format!("cp {ROOT}/usr/lib/cni/host-local {ROOT}/opt/cni/bin")).ok();
    for (unit, wants) in ENABLED {
        let directory = format!("{ROOT}/etc/systemd/system/{wants}");
        fs::create_dir_all(&directory).expect("make a directory of wants");
        let name = unit.rsplit('/').next().expect("a unit's name");
        symlink(format!("/{unit}"), format!("{directory}/{name}")).expect("enable a unit");
    }
    // So that udev finds the drivers, and what they need.
    let version = nix::sys::utsname::uname().expect("the kernel's version");
    let version = version.release().to_string_lossy().into_owned();
    run(&format!("chroot {ROOT} depmod {version}")).ok();
    for place in ["/proc", "/sys", "/dev"] {
        let to = format!("{ROOT}{place}");
        mount(Some(place), to.as_str(), None::<&str>, MsFlags::MS_MOVE, None::<&str>)
            .unwrap_or_else(|error| panic!("move {place}: {error}"));
    }
    let error = Command::new("/bin/busybox")
        .args(["switch_root", ROOT, "/usr/lib/systemd/systemd"])
        .env_clear()
        .exec();
    panic!("start Debian's init: {error}");
}

fn mount_root() {
    for line in fs::read_to_string("/lib/modules/order").expect("read module order").lines() {
        let file = line.split_whitespace().next().and_then(|path| path.rsplit('/').next());
        let name = file.and_then(|file| file.strip_suffix(".ko")).unwrap_or_default();
        if MODULES.contains(&name) || name.starts_with("crc32c") {
            run(&format!("insmod {line}")).ok();
        }
    }
    fs::create_dir_all(ROOT).expect("make a mount point");
    wait_for("the disk image", || Path::new(DEVICE).exists().then_some(()));
    mount(Some(DEVICE), ROOT, Some("ext4"), MsFlags::empty(), None::<&str>)
        .unwrap_or_else(|error| panic!("mount {DEVICE}: {error}"));
}
