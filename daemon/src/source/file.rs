//! One file that may hold objects, whoever put it there.
//!
//! Whatever lies in a directory is looked at before it is opened for reading: opening a pipe
//! would wait for a writer, and opening a device may do things. So a file is opened with `O_PATH`,
//! which touches nothing, and only a regular one is opened again through `/proc/self/fd`.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, OFlag, OpenHow, ResolveFlag, openat, openat2};
use nix::sys::stat::{Mode, SFlag, fstat};

use conf::printable::Printable;

/// A file holds that many bytes at most: more than 10,000 policies.
pub const FILE_LIMIT: u64 = 8 << 20;

/// A file's content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceFile {
    /// Where it was read; `-` for standard input.
    pub path: PathBuf,
    /// All of it.
    pub content: Vec<u8>,
}

/// Why nothing can be said about what a file holds. `Display` follows the file's name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FileRefusal {
    /// It could not be read.
    Unreadable {
        /// What the kernel said.
        error: String,
    },
    /// It is a symbolic link that leads out of the directory.
    LeadsOut,
    /// It is no regular file.
    NotRegular {
        /// What it is.
        kind: &'static str,
    },
    /// It is larger than [`FILE_LIMIT`], or would make the whole larger than its limit.
    TooLarge {
        /// The limit that it passes, in bytes.
        limit: u64,
    },
    /// It is not YAML or JSON.
    Syntax {
        /// The line, from 1.
        line: u64,
        /// The column in characters, from 1.
        column: u64,
        /// What is wrong there.
        message: String,
    },
}

impl FileRefusal {
    /// One word for conditions and metrics.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Syntax { .. } => "SyntaxError",
            Self::Unreadable { .. } | Self::LeadsOut | Self::NotRegular { .. } => "Unreadable",
            Self::TooLarge { .. } => "TooLarge",
        }
    }
}

impl fmt::Display for FileRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable { error } => write!(f, ": cannot be read: {error}"),
            Self::LeadsOut => f.write_str(": is a symbolic link that leads out of the directory"),
            Self::NotRegular { kind } => write!(f, ": is {kind}, not a file"),
            Self::TooLarge { limit } => {
                write!(f, ": is too large, {} MiB is the limit", limit >> 20)
            }
            Self::Syntax { line, column, message } => {
                write!(f, ":{line}:{column}: {}", Printable(message))
            }
        }
    }
}

/// Reads `name` of the directory `directory`; links may lead anywhere inside it, not out.
pub(super) fn read_beneath(directory: &impl AsFd, name: &Path) -> Result<Vec<u8>, FileRefusal> {
    let how = OpenHow::new()
        .flags(OFlag::O_PATH | OFlag::O_CLOEXEC)
        .resolve(ResolveFlag::RESOLVE_BENEATH | ResolveFlag::RESOLVE_NO_MAGICLINKS);
    match openat2(directory, name, how) {
        Ok(file) => read_regular(file),
        Err(Errno::EXDEV) => Err(FileRefusal::LeadsOut),
        Err(errno) => Err(unreadable(errno)),
    }
}

/// Reads a file that was named by the user: links are followed.
pub(crate) fn read_named(path: &Path) -> Result<Vec<u8>, FileRefusal> {
    let file = openat(AT_FDCWD, path, OFlag::O_PATH | OFlag::O_CLOEXEC, Mode::empty())
        .map_err(unreadable)?;
    read_regular(file)
}

/// Reads `input` to its end.
pub(super) fn read_limited(input: impl Read) -> Result<Vec<u8>, FileRefusal> {
    let mut content = Vec::new();
    input.take(FILE_LIMIT + 1).read_to_end(&mut content).map_err(unreadable)?;
    let length = u64::try_from(content.len()).unwrap_or(u64::MAX);
    if length > FILE_LIMIT {
        return Err(FileRefusal::TooLarge { limit: FILE_LIMIT });
    }
    Ok(content)
}

fn unreadable(error: impl Into<io::Error>) -> FileRefusal {
    FileRefusal::Unreadable { error: error.into().to_string() }
}

/// Reads what `file`, opened with `O_PATH`, stands for.
fn read_regular(file: OwnedFd) -> Result<Vec<u8>, FileRefusal> {
    let stat = fstat(&file).map_err(unreadable)?;
    if let Some(kind) = kind_of(stat.st_mode) {
        return Err(FileRefusal::NotRegular { kind });
    }
    let handle = format!("/proc/self/fd/{}", file.as_raw_fd());
    let file = File::open(handle).map_err(unreadable)?;
    read_limited(file)
}

/// What a file is that is not regular.
fn kind_of(mode: nix::libc::mode_t) -> Option<&'static str> {
    let format = SFlag::from_bits_truncate(mode) & SFlag::S_IFMT;
    match format {
        SFlag::S_IFREG => None,
        SFlag::S_IFDIR => Some("a directory"),
        SFlag::S_IFIFO => Some("a pipe"),
        SFlag::S_IFSOCK => Some("a socket"),
        _ => Some("a device"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Making a device takes root; telling one does not.
    #[test]
    fn only_a_regular_file_is_a_file() {
        assert_eq!(kind_of(nix::libc::S_IFREG | 0o644), None);
        assert_eq!(kind_of(nix::libc::S_IFIFO | 0o644), Some("a pipe"));
        for device in [nix::libc::S_IFCHR, nix::libc::S_IFBLK] {
            assert_eq!(kind_of(device | 0o600), Some("a device"));
        }
        let told = read_named(Path::new("/dev/null")).unwrap_err();
        assert_eq!(told, FileRefusal::NotRegular { kind: "a device" });
    }

    #[test]
    fn what_has_no_end_is_not_read_to_it() {
        let told = read_limited(std::io::repeat(b' ')).unwrap_err();
        assert_eq!(told, FileRefusal::TooLarge { limit: FILE_LIMIT });
    }
}
