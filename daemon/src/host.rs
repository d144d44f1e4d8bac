//! The machine that is worked on: where its files are, and whether it is alive.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use cni::kernel::sysfs::Sysfs;
use ipam::{Moment, Root, Store};

use crate::journal::files::Journal;
use crate::markers::Markers;
use crate::recorded::{Recorded, Told};
use crate::report::Timestamp;
use crate::source::Directory;

/// The machine that is worked on.
///
/// Everything hangs off one root. Where that has a `sys` of its own, it is a captured tree: it can
/// be looked at and planned for, but there is no kernel behind it that could be changed.
#[derive(Debug, Clone)]
pub struct Host {
    root: Root,
    sysfs: Sysfs,
    is_live: bool,
    /// What is known of it besides its files, where it was dumped elsewhere.
    recorded: Option<Arc<Recorded>>,
}

impl Host {
    /// The machine under `root`; `/` is this one.
    pub fn at(root: &Path) -> Self {
        let captured = root.join("sys");
        let is_live = root == Path::new("/") || !captured.is_dir();
        let sysfs = if is_live { Sysfs::system() } else { Sysfs::at(captured) };
        Self { root: Root::at(root), sysfs, is_live, recorded: None }
    }

    /// The machine of a dump that is laid out under `root`.
    pub fn replayed(root: &Path, recorded: Arc<Recorded>) -> Self {
        let sysfs = Sysfs::at(root.join("sys"));
        Self { root: Root::at(root), sysfs, is_live: false, recorded: Some(recorded) }
    }

    /// What was recorded of it; only of a dump.
    pub fn recorded(&self) -> Option<&Arc<Recorded>> {
        self.recorded.as_ref()
    }

    /// What its kernel told; only of a dump of a machine that was alive.
    pub fn told(&self) -> Option<&Told> {
        self.recorded.as_ref()?.told.as_ref()
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
        // A database that a stranger wrote is not opened.
        if self.recorded.is_some() { None } else { Store::existing(&self.root) }
    }

    /// Its objects. Those of a dump are called as they were on their machine.
    pub fn objects(&self) -> Directory {
        let path = self.root.objects();
        match self.recorded {
            Some(_) => Directory::called(path, Root::at(Path::new("/")).objects()),
            None => Directory::at(path),
        }
    }

    /// Its journal.
    pub fn journal(&self) -> Journal {
        Journal::at(self.root.journal())
    }

    /// Its marks of VFs that are for containers.
    pub fn markers(&self) -> Markers {
        Markers::at(self.root.vf_markers())
    }

    /// The moment at which it is looked at; of a dump, that at which it was taken.
    pub fn now(&self) -> io::Result<Moment> {
        match self.told() {
            Some(told) => Ok(Moment { boot: told.boot.clone(), time: told.time }),
            None => Moment::now(),
        }
    }

    /// The same by the wall clock.
    pub fn wall(&self) -> Timestamp {
        self.told().map_or_else(Timestamp::now, Told::wall)
    }

    /// Its name; empty when the kernel does not say.
    pub fn name(&self) -> String {
        match self.told() {
            Some(told) => told.host_name.clone(),
            None => {
                let told = nix::sys::utsname::uname();
                told.map(|told| told.nodename().to_string_lossy().into_owned()).unwrap_or_default()
            }
        }
    }

    /// The file whose lock makes one process the only one that changes NICs.
    pub fn lock_file(&self) -> PathBuf {
        self.root.run().join("daemon.lock")
    }
}
