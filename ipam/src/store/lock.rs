//! The lock that every transaction holds, readers too.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::time::Duration;

use nix::fcntl::OFlag;
use rustix::process::{getpriority_process, setpriority_process};

use super::StoreError;
use super::stamp::Stamp;
use crate::durable::FileError;
use crate::flock::{self, LockError, Mode};

/// The name of the lock file. It is never renamed: whoever locks a file that is later replaced
/// by rename excludes nobody who comes after.
const NAME: &str = "lock";

/// How long a verb waits while one holder keeps the lock. A transaction takes microseconds, so that
/// only a process that hangs or is stopped holds it for so long, however many wait.
pub(super) const OF_VERBS: Duration = Duration::from_secs(10);

/// How long somebody waits who only looks.
pub(super) const OF_LOOKERS: Duration = Duration::from_secs(2);

/// The held lock; dropping it, or dying, lets it go.
pub(super) struct Lock {
    file: File,
    _precedence: Precedence,
}

impl Lock {
    /// Waits for the lock of the store in `directory`, as long as others come and go; when one holder
    /// keeps it for `patience`, that is in vain.
    ///
    /// Waiters queue, and as each has its own open file, threads of one process exclude each other
    /// as processes do.
    pub(super) fn take(directory: &Path, patience: Duration) -> Result<Self, StoreError> {
        let path = directory.join(NAME);
        let precedence = Precedence::take();
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
            let file = wait(file, &path, patience)?;
            if is_at(&file, &path).map_err(FileError::at("look at", &path))? {
                return Ok(Self { file, _precedence: precedence });
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

/// The thread runs before others while it waits for the lock and holds it, as a priority ceiling has
/// it: whoever holds up everybody must not wait for a processor.
///
/// The kernel wakes the first waiter, and whoever comes by before that one gets a processor takes the
/// lock. With many processes on few processors the unlucky ones wait half as long again for that
/// reason (`make bench FILTER=nv-ipam-crowd`). Without the right to it (`CAP_SYS_NICE`) everything
/// works all the same.
struct Precedence {
    before: Option<i32>,
}

/// The nice value of what runs first.
const FIRST: i32 = -20;

impl Precedence {
    fn take() -> Self {
        let before = getpriority_process(None).ok().filter(|before| *before > FIRST);
        Self { before: before.filter(|_| setpriority_process(None, FIRST).is_ok()) }
    }
}

impl Drop for Precedence {
    fn drop(&mut self) {
        if let Some(before) = self.before {
            // To step back is always allowed.
            setpriority_process(None, before).ok();
        }
    }
}

/// Waits for the lock; whoever keeps it is named.
fn wait(file: File, path: &Path, patience: Duration) -> Result<File, StoreError> {
    flock::wait(file, Mode::Exclusive, patience).map_err(|error| match error {
        LockError::Held { holder, waited } => {
            StoreError::Busy { path: path.to_owned(), holder, waited }
        }
        LockError::Io(source) => FileError::at("lock", path)(source).into(),
    })
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

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn whoever_holds_it_runs_first_and_steps_back() {
        let directory = tempfile::tempdir().unwrap();
        // Of this thread alone.
        let before = getpriority_process(None).unwrap();
        let lock = Lock::take(directory.path(), OF_VERBS).unwrap();
        assert_eq!(getpriority_process(None).unwrap(), FIRST, "run as root");
        drop(lock);
        assert_eq!(getpriority_process(None).unwrap(), before);
    }

    #[test]
    fn a_holder_that_does_not_let_go_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let lock = Lock::take(directory.path(), OF_VERBS).unwrap();
        let patience = Duration::from_millis(50);
        let error = Lock::take(directory.path(), patience).map(drop).unwrap_err();
        assert_eq!(error.reason(), "StoreBusy");
        let own = format!("process {} (", std::process::id());
        assert!(error.to_string().contains(&own), "{error}");
        drop(lock);
        // The thread that waited gets it, and lets it go.
        drop(Lock::take(directory.path(), OF_VERBS).unwrap());
    }

    /// However short the patience: others come and go.
    #[test]
    fn a_queue_that_moves_is_waited_for() {
        let directory = tempfile::tempdir().unwrap();
        let lock = Lock::take(directory.path(), OF_VERBS).unwrap();
        let patience = Duration::from_millis(20);
        let path = directory.path().to_owned();
        let waiting = thread::spawn(move || Lock::take(&path, patience).map(drop));
        for number in 0..100 {
            lock.file.write_all_at(format!("{number:03}").as_bytes(), 0).unwrap();
            thread::sleep(Duration::from_millis(3));
        }
        drop(lock);
        waiting.join().unwrap().unwrap();
    }
}
