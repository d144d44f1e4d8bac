//! The files of the machine that is examined. What cannot be read counts as not there: doctor asks
//! about many files that few machines have.

use std::fs;
use std::path::PathBuf;

use ipam::Root;

use crate::host::Host;

/// Files below one root.
#[derive(Debug)]
pub(super) struct Machine {
    root: Root,
}

impl Machine {
    pub(super) fn at(host: &Host) -> Self {
        Self { root: host.root().clone() }
    }

    /// Where `path` (without the first slash) is.
    pub(super) fn path(&self, path: &str) -> PathBuf {
        self.root.join(path)
    }

    pub(super) fn has(&self, path: &str) -> bool {
        self.path(path).exists()
    }

    /// A file's text; what is no UTF-8 of it is replaced.
    pub(super) fn text(&self, path: &str) -> Option<String> {
        let bytes = ipam::durable::read_optional(&self.path(path)).ok()??;
        Some(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// Where a link leads.
    pub(super) fn link(&self, path: &str) -> Option<PathBuf> {
        fs::read_link(self.path(path)).ok()
    }

    /// The names in a directory, in order.
    pub(super) fn names(&self, path: &str) -> Vec<String> {
        let entries = fs::read_dir(self.path(path)).into_iter().flatten().flatten();
        let mut names: Vec<String> =
            entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    /// The files of several directories that have that suffix, with their text.
    pub(super) fn files(&self, directories: &[&str], suffix: &str) -> Vec<(String, String)> {
        let in_directory = |directory: &&str| {
            let names = self.names(directory).into_iter().filter(|name| name.ends_with(suffix));
            names.map(|name| format!("{directory}/{name}")).collect::<Vec<_>>()
        };
        let paths = directories.iter().flat_map(in_directory);
        paths.filter_map(|path| Some((format!("/{path}"), self.text(&path)?))).collect()
    }

    /// `uname -r`.
    pub(super) fn release(&self) -> Option<String> {
        Some(self.text("proc/sys/kernel/osrelease")?.trim().to_owned())
    }

    /// A program of an administrator.
    pub(super) fn has_program(&self, name: &str) -> bool {
        ["usr/sbin", "usr/bin", "sbin", "bin"].iter().any(|at| self.has(&format!("{at}/{name}")))
    }
}
