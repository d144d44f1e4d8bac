//! The lock that every transaction holds, readers too.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::Path;

use nix::fcntl::OFlag;

use super::stamp::Stamp;
use crate::durable::FileError;

/// The name of the lock file. It is never renamed: whoever locks a file that is later replaced
/// by rename excludes nobody who comes after.
const NAME: &str = "lock";

/// The held lock; dropping it, or dying, lets it go.
pub(super) struct Lock {
    file: File,
}

impl Lock {
    /// Waits for the lock of the store in `directory`.
    ///
    /// Waiters are served in order of arrival (`flock` queues), and as each has its own open
    /// file, threads of one process exclude each other as processes do.
    pub(super) fn take(directory: &Path) -> Result<Self, FileError> {
        let path = directory.join(NAME);
        loop {
            let file = OpenOptions::new()
                .read(true)
                .write(true)
                .create(true)
                .truncate(false)
                .mode(0o600)
                // It is written to: no symbolic link leads from it to another file.
                .custom_flags(OFlag::O_NOFOLLOW.bits())
                .open(&path)
                .map_err(FileError::at("open", &path))?;
            wait(&file).map_err(FileError::at("lock", &path))?;
            if is_at(&file, &path).map_err(FileError::at("look at", &path))? {
                return Ok(Self { file });
            }
            // Somebody removed the directory's content while we waited: that file locks nothing.
        }
    }

    /// Whether there is a lock file: without one nobody holds the lock.
    pub(super) fn is_there(directory: &Path) -> bool {
        directory.join(NAME).exists()
    }

    /// Whether a store was ever made here, as far as one can tell without the lock.
    pub(super) fn is_stamped(directory: &Path) -> bool {
        std::fs::metadata(directory.join(NAME)).is_ok_and(|lock| lock.len() > 0)
    }

    /// The stamp that the last transaction left; `None` when no store was ever made here.
    pub(super) fn stamp(&self) -> io::Result<Option<Stamp>> {
        let mut bytes = [0; 128];
        let length = self.file.read_at(&mut bytes, 0)?;
        let text = bytes.get(..length).unwrap_or_default();
        Ok((length > 0).then(|| Stamp::from_text(String::from_utf8_lossy(text).into_owned())))
    }

    /// Leaves a stamp, which also says that a store was made, so that its absence is noticed.
    pub(super) fn put_stamp(&self, stamp: &Stamp) -> io::Result<()> {
        self.file.write_all_at(stamp.as_text().as_bytes(), 0)
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // A child that another thread is just starting has the file open until it executes its
        // program, so closing alone would not do. What cannot be unlocked is closed all the same.
        self.file.unlock().ok();
    }
}

fn wait(file: &File) -> io::Result<()> {
    loop {
        match file.lock() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            outcome => return outcome,
        }
    }
}

/// Whether `path` still names `file`.
fn is_at(file: &File, path: &Path) -> io::Result<bool> {
    let held = file.metadata()?;
    match std::fs::metadata(path) {
        Ok(named) => Ok((held.dev(), held.ino()) == (named.dev(), named.ino())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}
