//! The machine that is worked on: where its files are, and whether it is alive.

use std::io;
use std::path::{Path, PathBuf};

use cni::kernel::sysfs::Sysfs;
use ipam::{Moment, Root, Store};

use crate::journal::files::Journal;

/// The machine that is worked on.
///
/// Everything hangs off one root. Where that has a `sys` of its own, it is a captured tree: it can
/// be looked at and planned for, but there is no kernel behind it that could be changed.
#[derive(Debug, Clone)]
pub struct Host {
    root: Root,
    sysfs: Sysfs,
    is_live: bool,
}

impl Host {
    /// The machine under `root`; `/` is this one.
    pub fn at(root: &Path) -> Self {
        let captured = root.join("sys");
        let is_live = root == Path::new("/") || !captured.is_dir();
        let sysfs = if is_live { Sysfs::system() } else { Sysfs::at(captured) };
        Self { root: Root::at(root), sysfs, is_live }
    }

    /// Where railhead's files are.
    pub fn root(&self) -> &Root {
        &self.root
    }

    /// Its sysfs.
    pub fn sysfs(&self) -> &Sysfs {
        &self.sysfs
    }

    /// Whether a kernel is behind it.
    pub fn is_live(&self) -> bool {
        self.is_live
    }

    /// The plugins' store; `None` where there is none: opening would make it, and looking must
    /// not write.
    pub fn store(&self) -> Option<Store> {
        Store::existing(&self.root)
    }

    /// Its journal.
    pub fn journal(&self) -> Journal {
        Journal::at(self.root.journal())
    }

    /// The moment at which it is looked at.
    pub fn now(&self) -> io::Result<Moment> {
        Moment::now()
    }

    /// The file whose lock makes one process the only one that changes NICs.
    pub fn lock_file(&self) -> PathBuf {
        self.root.run().join("daemon.lock")
    }
}
