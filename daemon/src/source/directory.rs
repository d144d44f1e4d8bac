//! The directory form of [`Inputs`]: `*.yaml`, `*.yml` and `*.json` of one directory, in the order
//! of their names.
//!
//! What lies in subdirectories or begins with `.` (what editors and `kubectl` leave) is not read.
//! Nothing that lies there can make a reader wait, run out of memory, or read another file.

use std::io;
use std::path::{Path, PathBuf};

use conf::printable::Printable;
use nix::dir::Dir;
use nix::fcntl::OFlag;
use nix::sys::stat::Mode;

use super::file::{read_beneath, read_limited, read_named};
use super::{FileRefusal, Inputs, Objects, Problem, SourceFile};

/// All files together hold that many bytes at most.
const TOTAL_LIMIT: u64 = 64 << 20;

/// A directory of objects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Directory {
    path: PathBuf,
    /// What it is called in messages.
    name: PathBuf,
}

/// The files of a source, and those that could not be read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Files {
    /// What was read, by name.
    pub files: Vec<SourceFile>,
    /// What was not: [`Problem::File`] each.
    pub problems: Vec<Problem>,
}

/// A source that cannot be read at all.
#[derive(Debug, thiserror::Error)]
#[error("read objects from {}", Printable(path.display()))]
pub struct SourceError {
    /// The directory.
    pub path: PathBuf,
    /// Why not.
    pub source: io::Error,
}

impl Directory {
    /// The directory `path`; it need not be there.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        let path = path.into();
        Self { name: path.clone(), path }
    }

    /// The directory `path` of a machine that was laid out elsewhere, where it was called `name`.
    pub fn called(path: impl Into<PathBuf>, name: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), name: name.into() }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its files; an absent directory has none.
    pub fn files(&self) -> Result<Files, SourceError> {
        match open(&self.path) {
            Ok(directory) => list(directory, &self.name),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Files::default()),
            Err(source) => Err(SourceError { path: self.name.clone(), source }),
        }
    }
}

impl Inputs for Directory {
    fn read(&self) -> Result<Objects, SourceError> {
        Ok(self.files()?.objects())
    }
}

impl Files {
    /// What `-f PATH` names: a file, a directory, or `-` for standard input.
    pub fn named(path: &Path) -> Result<Self, SourceError> {
        let refused = |source| SourceError { path: path.to_owned(), source };
        if path == Path::new("-") {
            return Ok(Self::one(path, read_limited(io::stdin().lock())));
        }
        let metadata = std::fs::metadata(path).map_err(refused)?;
        if metadata.is_dir() {
            return list(open(path).map_err(refused)?, path);
        }
        Ok(Self::one(path, read_named(path)))
    }

    /// What the files say.
    pub fn objects(&self) -> Objects {
        let mut objects = Objects::of_files(&self.files);
        objects.problems.splice(0..0, self.problems.iter().cloned());
        objects
    }

    fn one(path: &Path, read: Result<Vec<u8>, FileRefusal>) -> Self {
        let mut files = Self::default();
        files.add(path.to_owned(), read);
        files
    }

    fn add(&mut self, path: PathBuf, read: Result<Vec<u8>, FileRefusal>) {
        match read {
            Ok(content) => self.files.push(SourceFile { path, content }),
            Err(why) => self.problems.push(Problem::File { file: path, why }),
        }
    }
}

/// Whether a directory's file of this name is read.
pub(crate) fn is_object_file(name: &Path) -> bool {
    let hidden = name.as_os_str().as_encoded_bytes().starts_with(b".");
    let extension = name.extension().and_then(|extension| extension.to_str());
    !hidden && matches!(extension, Some("yaml" | "yml" | "json"))
}

fn open(path: &Path) -> io::Result<Dir> {
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    Ok(Dir::open(path, flags, Mode::empty())?)
}

fn list(mut directory: Dir, path: &Path) -> Result<Files, SourceError> {
    let failed =
        |errno: nix::errno::Errno| SourceError { path: path.to_owned(), source: errno.into() };
    let mut names = Vec::new();
    for entry in directory.iter() {
        let entry = entry.map_err(failed)?;
        let name = PathBuf::from(os_str(entry.file_name()));
        if is_object_file(&name) {
            names.push(name);
        }
    }
    names.sort();
    let mut files = Files::default();
    let mut room = TOTAL_LIMIT;
    for name in names {
        let read = read_beneath(&directory, &name).and_then(|content| {
            let length = u64::try_from(content.len()).unwrap_or(u64::MAX);
            room = room.checked_sub(length).ok_or(FileRefusal::TooLarge { limit: TOTAL_LIMIT })?;
            Ok(content)
        });
        files.add(path.join(name), read);
    }
    Ok(files)
}

fn os_str(name: &std::ffi::CStr) -> &std::ffi::OsStr {
    use std::os::unix::ffi::OsStrExt;
    std::ffi::OsStr::from_bytes(name.to_bytes())
}

#[cfg(test)]
mod tests;
