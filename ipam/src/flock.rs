//! Waiting for an flock, which knows no deadline itself, and naming who keeps it.

use std::fs::{File, TryLockError};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

/// With whom a lock is shared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// With nobody.
    Exclusive,
    /// With others who only look.
    Shared,
}

/// Why a lock was not taken.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// One holder kept it all the time.
    #[error("{holder} has held it for over {} s", waited.as_secs())]
    Held {
        /// Who, as far as the kernel tells.
        holder: String,
        /// How long it was waited for.
        waited: Duration,
    },
    /// It cannot be locked.
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl Mode {
    fn attempt(self, file: &File) -> Result<(), TryLockError> {
        match self {
            Self::Exclusive => file.try_lock(),
            Self::Shared => file.try_lock_shared(),
        }
    }

    fn queue(self, file: &File) -> io::Result<()> {
        loop {
            let locked = match self {
                Self::Exclusive => file.lock(),
                Self::Shared => file.lock_shared(),
            };
            match locked {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                outcome => return outcome,
            }
        }
    }
}

/// Waits for the lock of `file`, as long as others come and go; when one holder keeps it for
/// `patience`, that is in vain.
///
/// As a rule the lock is free. Otherwise a thread waits in the kernel's queue; once it has the lock
/// and nobody listens any more, it closes the file.
///
/// # Errors
/// [`LockError::Held`] names the holder.
pub fn wait(file: File, mode: Mode, patience: Duration) -> Result<File, LockError> {
    loop {
        match mode.attempt(&file) {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) => break,
            Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(TryLockError::Error(error)) => return Err(error.into()),
        }
    }
    let looked = file.try_clone()?;
    let (sender, receiver) = mpsc::channel();
    thread::Builder::new()
        .name("lock".to_owned())
        .spawn(move || sender.send(mode.queue(&file).map(|()| file)).ok())?;
    let mut before = Progress::of(&looked);
    loop {
        match receiver.recv_timeout(patience) {
            Ok(locked) => return Ok(locked?),
            Err(RecvTimeoutError::Disconnected) => {
                return Err(io::Error::other("the waiting thread ended").into());
            }
            Err(RecvTimeoutError::Timeout) => {}
        }
        let now = Progress::of(&looked);
        if now == before {
            return Err(LockError::Held { holder: now.holder(), waited: patience });
        }
        before = now;
    }
}

/// What differs when those who hold the lock come and go.
#[derive(PartialEq, Eq)]
struct Progress {
    holder: Option<u32>,
    text: Vec<u8>,
}

impl Progress {
    fn of(file: &File) -> Self {
        let mut text = vec![0; 128];
        // A directory has none.
        let length = file.read_at(&mut text, 0).unwrap_or_default();
        text.truncate(length);
        Self { holder: holder(file), text }
    }

    fn holder(&self) -> String {
        let Some(pid) = self.holder else { return "somebody".to_owned() };
        match std::fs::read_to_string(format!("/proc/{pid}/comm")) {
            Ok(name) => format!("process {pid} ({})", name.trim()),
            Err(_) => format!("process {pid}"),
        }
    }
}

/// Who holds the lock, by the kernel's list: `1: FLOCK  ADVISORY  WRITE 4711 00:1a:259 0 EOF`, with
/// `->` before those who wait. Nobody, where a process in another PID namespace does.
fn holder(file: &File) -> Option<u32> {
    let inode = file.metadata().ok()?.ino().to_string();
    let list = std::fs::read_to_string("/proc/locks").ok()?;
    list.lines().find_map(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [_, "FLOCK", _, _, pid, place, ..] = words.as_slice() else { return None };
        let of_file = place.rsplit(':').next() == Some(inode.as_str());
        pid.parse().ok().filter(|pid| of_file && *pid > 0)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of a file and of a directory, by who locks and by who only looks.
    #[test]
    fn a_holder_is_named_after_the_patience_and_no_sooner() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("lock");
        File::create(&path).unwrap();
        let patience = Duration::from_millis(50);
        for path in [path.as_path(), directory.path()] {
            let open = || File::open(path).unwrap();
            let held = wait(open(), Mode::Exclusive, patience).unwrap();
            for mode in [Mode::Exclusive, Mode::Shared] {
                let error = wait(open(), mode, patience).unwrap_err().to_string();
                let own = format!("process {} (", std::process::id());
                assert!(error.starts_with(&own), "{error}");
            }
            drop(held);
            // Threads that waited get it, and let it go.
            let one = wait(open(), Mode::Shared, Duration::from_secs(10)).unwrap();
            let other = wait(open(), Mode::Shared, patience).unwrap();
            assert!(matches!(wait(open(), Mode::Exclusive, patience), Err(LockError::Held { .. })));
            drop((one, other));
        }
    }
}
