//! What a machine is made of, in a directory of its own: `target/lab/run/PID-NUMBER/`.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context, Result};

use super::build::Programs;
use super::{disk, image, place};
use crate::guest;
use crate::protocol::Orders;

/// Which machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A kernel with our own init and nothing else.
    Bare,
    /// A Debian with its systemd, udev and network managers.
    Debian,
}

impl Kind {
    /// The one that these orders are for: all tests of a boot need the same.
    pub(super) fn of(orders: &Orders) -> Self {
        match orders {
            Orders::Tests { names, .. }
                if names.iter().any(|name| guest::tests::needs_systemd(name)) =>
            {
                Self::Debian
            }
            _ => Self::Bare,
        }
    }
}

/// Files for a machine. Dropped: removed.
#[derive(Debug)]
pub(super) struct Rig {
    directory: PathBuf,
    kind: Kind,
}

impl Rig {
    /// All that the machine needs but its orders, with an empty disk.
    pub(super) fn new(programs: &Programs, kind: Kind) -> Result<Self> {
        static RIGS: AtomicU32 = AtomicU32::new(0);
        let rigs = place::lab().join("run");
        let number = RIGS.fetch_add(1, Ordering::Relaxed);
        if number == 0 {
            remove_abandoned(&rigs);
        }
        let rig = Self { directory: rigs.join(format!("{}-{number}", std::process::id())), kind };
        let made = fs::create_dir_all(&rig.directory);
        made.with_context(|| format!("make {}", rig.directory.display()))?;
        image::write(&rig.file("base.cpio"), programs)?;
        disk::make(&rig.disk())?;
        Ok(rig)
    }

    /// Which machine it is for.
    pub(super) fn kind(&self) -> Kind {
        self.kind
    }

    /// Replaces the orders. What is on the disk stays.
    pub(super) fn order(&self, orders: &Orders) -> Result<()> {
        image::address(&self.initramfs(), &self.file("base.cpio"), orders)
    }

    /// The directory, for whatever QEMU writes.
    pub(super) fn directory(&self) -> &Path {
        &self.directory
    }

    /// The initramfs with the orders that were given last.
    pub(super) fn initramfs(&self) -> PathBuf {
        self.file("initramfs.cpio")
    }

    /// The disk.
    pub(super) fn disk(&self) -> PathBuf {
        self.file("disk.img")
    }

    /// What the consoles of all boots said, one after the other.
    pub(super) fn console(&self) -> PathBuf {
        self.file("console.txt")
    }

    /// What QEMU itself complained of.
    pub(super) fn complaints(&self) -> PathBuf {
        self.file("qemu.txt")
    }

    fn file(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        // What cannot be removed is in nobody's way.
        drop(fs::remove_dir_all(&self.directory));
    }
}

/// Removes what runs have left that were killed: a directory is named for the process that made it.
fn remove_abandoned(rigs: &Path) {
    for entry in fs::read_dir(rigs).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let process = name.to_str().and_then(|name| name.split_once('-')).map(|(id, _)| id);
        if process.is_some_and(|id| !Path::new("/proc").join(id).exists()) {
            // Another run may be at it too.
            drop(fs::remove_dir_all(entry.path()));
        }
    }
}
