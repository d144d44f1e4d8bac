//! The file that a config names for logs. Whoever writes configs is not root, and must not become it
//! by this: no link is followed, no directory is entered that somebody else can write to, and only
//! a file is appended to that railhead made.
//!
//! ```text
//! /var/log --> each directory below it: root's alone --> new file --> first line of ours
//!                                                    +-> there already: begins with such a line
//! ```

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path};

use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, openat};
use nix::sys::stat::{Mode, SFlag, fstat, fstatat};
use nix::unistd::geteuid;

/// Enough of the first line to know it by.
const GLANCE: u64 = 80;

/// Opens `file`, which lies below `logs`, to append to it. One that is not there is made, and begins
/// with `first`.
pub(super) fn open(logs: &Path, file: &Path, first: &str) -> io::Result<File> {
    let below = file.strip_prefix(logs).map_err(io::Error::other)?;
    let mut parts = below.components();
    let Some(Component::Normal(name)) = parts.next_back() else {
        return Err(io::Error::other("it names no file"));
    };
    let mut directory = OwnedFd::from(File::open(logs)?);
    for part in parts {
        let Component::Normal(part) = part else {
            return Err(io::Error::other("only plain names may be in it"));
        };
        directory = enter(&directory, Path::new(part))?;
    }
    let name = Path::new(name);
    let new = OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_WRONLY;
    match openat(&directory, name, new | FLAGS, Mode::from_bits_truncate(0o600)) {
        Ok(made) => {
            let mut made = File::from(made);
            made.write_all(first.as_bytes())?;
            Ok(made)
        }
        Err(Errno::EEXIST) => existing(&directory, name),
        Err(error) => Err(error.into()),
    }
}

/// Never a link, never a wait, never a terminal of ours.
const FLAGS: OFlag = OFlag::O_APPEND
    .union(OFlag::O_NOFOLLOW)
    .union(OFlag::O_NONBLOCK)
    .union(OFlag::O_NOCTTY)
    .union(OFlag::O_CLOEXEC);

/// A directory that nobody but us can put anything into.
fn enter(above: &OwnedFd, name: &Path) -> io::Result<OwnedFd> {
    let flags = OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC | OFlag::O_RDONLY;
    let directory = match openat(above, name, flags, Mode::empty()) {
        // A link to a directory is told as what it is not.
        Err(Errno::ENOTDIR | Errno::ELOOP) => {
            let why = format!("{} is not a directory, or a link to one", name.display());
            return Err(io::Error::other(why));
        }
        opened => opened?,
    };
    let status = fstat(&directory)?;
    if status.st_uid != geteuid().as_raw() || status.st_mode & 0o022 != 0 {
        let why = format!("others than root can write to the directory {}", name.display());
        return Err(io::Error::other(why));
    }
    Ok(directory)
}

fn existing(directory: &OwnedFd, name: &Path) -> io::Result<File> {
    // Before it is opened: to open a device does something.
    let status = fstatat(directory, name, AtFlags::AT_SYMLINK_NOFOLLOW)?;
    if status.st_mode & SFlag::S_IFMT.bits() != SFlag::S_IFREG.bits() {
        return Err(io::Error::other("is not a regular file"));
    }
    let file = File::from(openat(directory, name, OFlag::O_RDWR | FLAGS, Mode::empty())?);
    let metadata = file.metadata()?;
    let is_private = metadata.is_file()
        && metadata.uid() == geteuid().as_raw()
        && metadata.mode() & 0o7777 == 0o600
        && metadata.nlink() == 1;
    let mut begin = Vec::new();
    if is_private {
        (&file).take(GLANCE).read_to_end(&mut begin)?;
    }
    if super::is_line(&String::from_utf8_lossy(&begin)) {
        return Ok(file);
    }
    let why = "is not a log that railhead made, of mode 0600 and beginning with a line of its own: \
               name another file, or move this one away";
    Err(io::Error::other(why))
}

#[cfg(test)]
mod tests;
