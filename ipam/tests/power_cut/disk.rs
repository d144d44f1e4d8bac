//! A disk that loses all it may lose.
//!
//! What was written to a file is there for sure once the file was synced; until then all, half or
//! nothing of it. A name that was made, moved or removed is so for sure once its directory was
//! synced; until then each such change has or has not reached the disk, in any combination. POSIX
//! promises no more, and file systems differ in what they do beyond it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// What a path leads to after a power cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Found {
    Nothing,
    /// A file that lacks some of what was written to it.
    Torn,
    /// All of the file that was the so many'th to be written, from 1.
    Whole(usize),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Node {
    Directory,
    /// By its place in [`Disk::files`].
    File(usize),
}

/// A change to the names of a directory.
#[derive(Debug, Clone)]
struct Change {
    removed: Option<String>,
    made: Option<(String, Node)>,
    synced: bool,
}

#[derive(Debug, Default)]
struct File {
    written: bool,
    synced: bool,
}

#[derive(Debug)]
pub(crate) struct Disk {
    root: PathBuf,
    directories: BTreeMap<PathBuf, Vec<Change>>,
    files: Vec<File>,
}

impl Disk {
    /// A disk with an empty directory `root`.
    pub(crate) fn new(root: &Path) -> Self {
        let directories = [(root.to_owned(), Vec::new())].into();
        Self { root: root.to_owned(), directories, files: Vec::new() }
    }

    /// What a line of `strace -y` does to it.
    pub(crate) fn apply(&mut self, line: &str) {
        let Some((call, result)) = line.rsplit_once(" = ") else { return };
        if result.starts_with('-') || !call.contains(self.root.to_str().unwrap()) {
            return;
        }
        let call = call.split_once(' ').map_or(call, |(_pid, call)| call).trim_start();
        let (name, arguments) = call.split_once('(').unwrap();
        let paths: Vec<PathBuf> =
            arguments.split('"').skip(1).step_by(2).map(PathBuf::from).collect();
        let descriptor = || {
            let (_, path) = arguments.split_once('<').unwrap();
            PathBuf::from(path.split_once('>').unwrap().0)
        };
        match name.trim_end_matches(char::is_numeric) {
            "open" | "openat" | "creat" if arguments.contains("O_CREAT") => self.create(&paths[0]),
            "open" | "openat" => {}
            "mkdir" | "mkdirat" => {
                self.directories.insert(paths[0].clone(), Vec::new());
                self.change(&paths[0], None, Some(Node::Directory));
            }
            "rename" | "renameat" => {
                let node = self.now(&paths[0]).unwrap();
                assert_eq!(paths[0].parent(), paths[1].parent(), "{line}");
                self.change(&paths[1], Some(name_of(&paths[0])), Some(node));
            }
            "unlink" | "unlinkat" => self.change(&paths[0], Some(name_of(&paths[0])), None),
            "write" | "pwrite" => {
                if let Some(Node::File(file)) = self.now(&descriptor()) {
                    self.files[file] = File { written: true, synced: false };
                }
            }
            "fsync" | "fdatasync" => self.sync(&descriptor()),
            other => panic!("{other} is not modelled: {line}"),
        }
    }

    /// All that `path` may lead to when the power is cut now.
    pub(crate) fn after_a_cut(&self, path: &Path) -> BTreeSet<Found> {
        let mut found = BTreeSet::new();
        for ancestor in path.ancestors().skip(1).take_while(|directory| **directory != *self.root) {
            // A directory that may be lost takes what is in it along.
            if self.nodes(ancestor).contains(&None) {
                found.insert(Found::Nothing);
            }
        }
        for node in self.nodes(path) {
            match node {
                None => {
                    found.insert(Found::Nothing);
                }
                Some(Node::Directory) => panic!("{} is a directory", path.display()),
                Some(Node::File(at)) => {
                    let file = &self.files[at];
                    if file.written {
                        found.insert(Found::Whole(at + 1));
                    }
                    if !(file.written && file.synced) {
                        found.insert(Found::Torn);
                    }
                }
            }
        }
        found
    }

    fn create(&mut self, path: &Path) {
        assert!(self.now(path).is_none(), "{} is written in place", path.display());
        self.files.push(File::default());
        self.change(path, None, Some(Node::File(self.files.len() - 1)));
    }

    fn change(&mut self, path: &Path, removed: Option<String>, node: Option<Node>) {
        let made = node.map(|node| (name_of(path), node));
        let changes = self.directories.get_mut(path.parent().unwrap()).unwrap();
        changes.push(Change { removed, made, synced: false });
    }

    fn sync(&mut self, path: &Path) {
        if let Some(changes) = self.directories.get_mut(path) {
            changes.iter_mut().for_each(|change| change.synced = true);
        } else if let Some(Node::File(file)) = self.now(path) {
            self.files[file].synced = true;
        }
    }

    /// What `path` leads to with the power on.
    fn now(&self, path: &Path) -> Option<Node> {
        let changes = self.directories.get(path.parent().unwrap())?;
        outcome(changes, &name_of(path))
    }

    /// All that `path` may lead to in its directory, whichever changes reached the disk.
    fn nodes(&self, path: &Path) -> Vec<Option<Node>> {
        let none = Vec::new();
        let changes = self.directories.get(path.parent().unwrap()).unwrap_or(&none);
        let open: Vec<usize> = (0..changes.len()).filter(|at| !changes[*at].synced).collect();
        assert!(open.len() < 16, "too many to try all");
        let survivors = (0_u32..1 << open.len()).map(|kept| {
            let lost = |at: &usize| {
                open.iter().position(|one| one == at).is_some_and(|bit| kept >> bit & 1 == 0)
            };
            let reached: Vec<Change> =
                (0..changes.len()).filter(|at| !lost(at)).map(|at| changes[at].clone()).collect();
            outcome(&reached, &name_of(path))
        });
        survivors.collect()
    }
}

fn name_of(path: &Path) -> String {
    path.file_name().unwrap().to_str().unwrap().to_owned()
}

/// What `name` stands for after `changes`.
fn outcome(changes: &[Change], name: &str) -> Option<Node> {
    let mut node = None;
    for change in changes {
        if change.removed.as_deref() == Some(name) {
            node = None;
        }
        if let Some((made, what)) = &change.made
            && made == name
        {
            node = Some(*what);
        }
    }
    node
}
