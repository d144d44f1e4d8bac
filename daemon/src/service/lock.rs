//! The lock that makes one process the only one that changes NICs: the daemon for as long as it
//! runs, else `railhead apply` for one pass.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use ipam::flock::{self, LockError, Mode};

use crate::host::Host;

/// What stands before the process id of who has the lock.
const PROCESS: &str = "process ";

/// How long to wait for what a holder that died has left: it needs a moment to execute its program.
const DYING: Duration = Duration::from_secs(5);

/// The lock; free again when dropped, or when its holder dies.
#[derive(Debug)]
pub struct HostLock {
    _file: File,
}

/// Why the lock was not taken.
#[derive(Debug, thiserror::Error)]
pub enum HostLockError {
    /// Somebody else has it.
    #[error("{holder} has {} locked: only one at a time changes NICs", path.display())]
    Held {
        /// The lock file.
        path: PathBuf,
        /// Who, as far as the file says.
        holder: String,
    },
    /// The lock file cannot be used.
    #[error("lock {}", path.display())]
    File {
        /// The lock file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

impl HostLock {
    /// Takes the lock, without waiting; `purpose` is what others are told.
    pub fn take(host: &Host, purpose: &str) -> Result<Self, HostLockError> {
        let path = host.lock_file();
        let failed = |source| HostLockError::File { path: path.clone(), source };
        let mut file = open(host).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let holder = holder(&mut file);
                file = match has_died(&holder).then(|| flock::wait(file, Mode::Exclusive, DYING)) {
                    Some(Ok(locked)) => locked,
                    None | Some(Err(LockError::Held { .. })) => {
                        return Err(HostLockError::Held { holder, path });
                    }
                    Some(Err(LockError::Io(source))) => return Err(failed(source)),
                };
            }
            Err(TryLockError::Error(source)) => return Err(failed(source)),
        }
        // Only messages depend on what stands in the file.
        let line = format!("{purpose} ({PROCESS}{})\n", std::process::id());
        let written = file.set_len(0).and_then(|()| file.rewind());
        written.and_then(|()| file.write_all(line.as_bytes())).map_err(failed)?;
        Ok(Self { _file: file })
    }
}

/// Who has the lock, as far as the file says.
pub(super) fn holder_of(host: &Host) -> String {
    File::open(host.lock_file())
        .map_or_else(|_| "the daemon".to_owned(), |mut file| holder(&mut file))
}

fn open(host: &Host) -> io::Result<File> {
    DirBuilder::new().recursive(true).mode(0o700).create(host.root().run())?;
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).mode(0o600);
    options.open(host.lock_file())
}

/// Whether the process that `holder` names is gone. A child that it had just forked has its lock until
/// that executes its own program.
fn has_died(holder: &str) -> bool {
    let process = holder.rsplit_once(PROCESS).map(|(_, process)| process.trim_end_matches(')'));
    let process = process.filter(|process| process.parse::<u32>().is_ok());
    process.is_some_and(|process| !Path::new("/proc").join(process).exists())
}

fn holder(file: &mut File) -> String {
    let mut line = String::new();
    let read = file.seek(SeekFrom::Start(0)).and_then(|_| file.take(200).read_to_string(&mut line));
    match read {
        Ok(length) if length > 0 => line.trim_end().to_owned(),
        _ => "another railhead".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_is_told_of_the_first() {
        let root = tempfile::tempdir().unwrap();
        let host = Host::at(root.path());
        let first = HostLock::take(&host, "the daemon").unwrap();
        let second = HostLock::take(&host, "railhead apply").unwrap_err();
        assert!(second.to_string().starts_with("the daemon (process "), "{second}");
        drop(first);
        HostLock::take(&host, "railhead apply").unwrap();
    }

    /// As a child between fork and exec.
    #[test]
    fn what_a_holder_that_died_has_left_is_waited_for() {
        let root = tempfile::tempdir().unwrap();
        let host = Host::at(root.path());
        let left = HostLock::take(&host, "the daemon").unwrap();
        let mut dead = std::process::Command::new("true").spawn().unwrap();
        dead.wait().unwrap();
        std::fs::write(host.lock_file(), format!("the daemon (process {})\n", dead.id())).unwrap();
        std::thread::scope(|scope| {
            let next = scope.spawn(|| HostLock::take(&host, "the daemon"));
            // So that it finds it taken.
            std::thread::sleep(Duration::from_millis(100));
            drop(left);
            next.join().unwrap().unwrap();
        });
        let told = std::fs::read_to_string(host.lock_file()).unwrap();
        assert_eq!(told, format!("the daemon (process {})\n", std::process::id()));
        for alive in ["the daemon (process 1)", "another railhead", "the daemon (process x)", ""] {
            assert!(!has_died(alive), "{alive}");
        }
    }
}
