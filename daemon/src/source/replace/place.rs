//! The directories that a set of objects moves between.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use ipam::Root;
use ipam::durable::FileError;
use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use rustix::fs::{CWD, RenameFlags, renameat_with};

use super::ReplaceError;
use crate::source::directory::is_object_file;
use crate::source::{Directory, Inputs as _, Objects, SourceFile};

/// What a directory of objects may be read by, when there was none before.
const MODE: u32 = 0o755;

/// The directories, while nobody else moves sets between them.
pub(super) struct Place {
    /// `/etc/railhead`.
    etc: PathBuf,
    /// The set in force.
    objects: PathBuf,
    /// The set to come; after the exchange, the set that was.
    pub(super) next: PathBuf,
    /// The set that was.
    previous: PathBuf,
    _lock: Flock<File>,
}

impl Place {
    /// Takes the lock, and finishes what a killed predecessor left.
    pub(super) fn lock(root: &Root) -> Result<Self, ReplaceError> {
        let (etc, objects) = (root.etc(), root.objects());
        if objects.is_symlink() {
            return Err(ReplaceError::Link { path: objects });
        }
        DirBuilder::new()
            .recursive(true)
            .mode(MODE)
            .create(&etc)
            .map_err(FileError::at("make directory", &etc))?;
        let directory = File::open(&etc).map_err(FileError::at("open", &etc))?;
        let lock = match Flock::lock(directory, FlockArg::LockExclusiveNonblock) {
            Ok(lock) => lock,
            Err((_, Errno::EWOULDBLOCK)) => return Err(ReplaceError::Busy { path: etc }),
            Err((_, errno)) => return Err(FileError::at("lock", &etc)(errno.into()).into()),
        };
        let next = etc.join(".objects.next");
        let previous = etc.join("objects.previous");
        let place = Self { etc, objects, next, previous, _lock: lock };
        if place.next.exists() {
            place.move_along(&place.next)?;
            remove_directory(&place.next)?;
        }
        Ok(place)
    }

    /// Whether the set in force is `files`, byte for byte.
    pub(super) fn holds(&self, files: &[SourceFile]) -> Result<bool, ReplaceError> {
        let held = Directory::at(&self.objects).files()?;
        let present = held.problems.is_empty() && self.objects.exists();
        let mut wanted: Vec<(PathBuf, &[u8])> = files
            .iter()
            .map(|file| (self.objects.join(stored_name(&file.path)), file.content.as_slice()))
            .collect();
        wanted.sort();
        Ok(present
            && held
                .files
                .iter()
                .map(|file| (&file.path, file.content.as_slice()))
                .eq(wanted.iter().map(|(path, content)| (path, *content))))
    }

    /// Writes the set to come, durably.
    pub(super) fn build(&self, files: &[SourceFile]) -> Result<(), ReplaceError> {
        let next = &self.next;
        let mode = match fs::metadata(&self.objects) {
            Ok(metadata) => metadata.permissions().mode() & 0o7777,
            Err(_) => MODE,
        };
        DirBuilder::new().mode(mode).create(next).map_err(FileError::at("make directory", next))?;
        for file in files {
            let path = next.join(stored_name(&file.path));
            write(&path, &file.content).map_err(FileError::at("write", &path))?;
        }
        sync(next)
    }

    /// The instant: the set to come is in force, what was in force lies where it lay.
    pub(super) fn exchange(&self) -> Result<(), ReplaceError> {
        let swap = |flags| renameat_with(CWD, &self.next, CWD, &self.objects, flags);
        let done = match swap(RenameFlags::EXCHANGE) {
            Err(rustix::io::Errno::NOENT) => swap(RenameFlags::NOREPLACE),
            done => done,
        };
        done.map_err(|errno| ReplaceError::NoExchange {
            path: self.objects.clone(),
            source: errno.into(),
        })
    }

    /// Takes the set to come away, after it could not be put in force. What cannot be removed now
    /// is harmless, and the next one removes it.
    pub(super) fn discard(&self) {
        remove_directory(&self.next).ok();
    }

    /// Moves along what is no object, and keeps the set that was as the previous one.
    pub(super) fn put_away(&self) -> Result<(), ReplaceError> {
        sync(&self.etc)?;
        if !self.next.exists() {
            return Ok(());
        }
        self.move_along(&self.next)?;
        remove_directory(&self.previous)?;
        fs::rename(&self.next, &self.previous)
            .map_err(FileError::at("rename to", &self.previous))?;
        sync(&self.etc)
    }

    /// What the set that was says.
    pub(super) fn read_previous(&self) -> Result<Objects, ReplaceError> {
        Ok(Directory::at(&self.previous).read()?)
    }

    /// Puts the set that was in force, in one instant, and the set in force in its place.
    pub(super) fn swap_with_previous(&self) -> Result<(), ReplaceError> {
        renameat_with(CWD, &self.previous, CWD, &self.objects, RenameFlags::EXCHANGE).map_err(
            |errno| ReplaceError::NoExchange { path: self.objects.clone(), source: errno.into() },
        )?;
        sync(&self.etc)?;
        self.move_along(&self.previous)
    }

    /// Moves what in the old set is no object file over to the set in force. What is built here
    /// holds object files only, so whatever else lies there came from the admin.
    fn move_along(&self, old: &Path) -> Result<(), ReplaceError> {
        let listed = FileError::at("list", old);
        let mut others = Vec::new();
        for entry in fs::read_dir(old).map_err(listed)? {
            let name = entry.map_err(FileError::at("list", old))?.file_name();
            let is_file = old.join(&name).symlink_metadata().is_ok_and(|file| !file.is_dir());
            if !(is_file && is_object_file(Path::new(&name))) {
                others.push(name);
            }
        }
        for name in &others {
            let (from, to) = (old.join(name), self.objects.join(name));
            match renameat_with(CWD, &from, CWD, &to, RenameFlags::NOREPLACE) {
                Ok(()) | Err(rustix::io::Errno::EXIST) => {}
                Err(errno) => return Err(FileError::at("rename to", &to)(errno.into()).into()),
            }
        }
        if others.is_empty() { Ok(()) } else { sync(&self.objects) }
    }
}

/// The name under which a file is stored: its own, where a reader would take it.
fn stored_name(path: &Path) -> PathBuf {
    match path.file_name().map(Path::new) {
        Some(name) if is_object_file(name) => name.to_owned(),
        _ => PathBuf::from("objects.yaml"),
    }
}

fn write(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o644).open(path)?;
    file.write_all(content)?;
    file.sync_all()
}

fn sync(directory: &Path) -> Result<(), ReplaceError> {
    File::open(directory)
        .and_then(|file| file.sync_all())
        .map_err(FileError::at("sync", directory))
        .map_err(ReplaceError::from)
}

fn remove_directory(path: &Path) -> Result<(), ReplaceError> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(FileError::at("remove", path)(error).into())
        }
        _ => Ok(()),
    }
}
