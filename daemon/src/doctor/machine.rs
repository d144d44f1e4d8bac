//! The files of the machine that is examined. What cannot be read counts as not there: doctor asks
//! about many files that few machines have.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use ipam::Root;

use crate::host::Host;

/// A script has fewer octets.
const SCRIPT: u64 = 256 * 1024;

/// Files below one root.
#[derive(Debug)]
pub(super) struct Machine {
    root: Root,
}

impl Machine {
    pub(super) fn at(host: &Host) -> Self {
        Self { root: host.root().clone() }
    }

    /// The root itself.
    pub(super) fn root(&self) -> &Path {
        self.root.path()
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

    /// A file's octets.
    pub(super) fn bytes(&self, path: &str) -> Option<Vec<u8>> {
        ipam::durable::read_optional(&self.path(path)).ok()?
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

    /// The same where a file, or a link to `/dev/null`, masks those of its name in directories that
    /// come later, with the drop-ins (`NAME.d/*.conf`) of each.
    pub(super) fn in_force(&self, directories: &[&str], suffix: &str) -> Vec<(String, String)> {
        let mut found: BTreeMap<String, String> = BTreeMap::new();
        for directory in directories {
            for name in self.names(directory) {
                let path = format!("{directory}/{name}");
                let of =
                    name.strip_suffix(".d").filter(|of| !suffix.is_empty() && of.ends_with(suffix));
                let drop_ins = if of.is_some() { self.names(&path) } else { Vec::new() };
                for drop_in in drop_ins.into_iter().filter(|drop_in| drop_in.ends_with(".conf")) {
                    let at = format!("{path}/{drop_in}");
                    found.entry(format!("{name}/{drop_in}")).or_insert(at);
                }
                if name.ends_with(suffix) {
                    found.entry(name).or_insert(path);
                }
            }
        }
        let paths = found.into_values();
        paths.filter_map(|path| Some((format!("/{path}"), self.regular(&path)?))).collect()
    }

    /// The file at `path`; of a directory the files in it and one level below.
    pub(super) fn at_or_below(&self, path: &str) -> Vec<(String, String)> {
        let below = |path: &str| -> Vec<String> {
            self.names(path).into_iter().map(|name| format!("{path}/{name}")).collect()
        };
        let first = below(path);
        let second: Vec<String> = first.iter().flat_map(|path| below(path)).collect();
        let all = [path.to_owned()].into_iter().chain(first).chain(second);
        all.filter_map(|path| Some((format!("/{path}"), self.regular(&path)?))).collect()
    }

    /// The text of a regular file: nothing else is read, which could keep its reader waiting. A
    /// link to `/dev/null` is an empty one, as for systemd.
    fn regular(&self, path: &str) -> Option<String> {
        if self.link(path).is_some_and(|target| target == Path::new("/dev/null")) {
            return Some(String::new());
        }
        let is_regular = self.path(path).metadata().is_ok_and(|metadata| metadata.is_file());
        if is_regular { self.text(path) } else { None }
    }

    /// The text of a script, of which `path` is the absolute path; none of a binary.
    pub(super) fn script(&self, path: &str) -> Option<String> {
        let path = path.trim_start_matches('/');
        let is_small = self.path(path).metadata().is_ok_and(|metadata| metadata.len() < SCRIPT);
        let text = if is_small { self.regular(path)? } else { return None };
        text.starts_with("#!").then_some(text)
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
