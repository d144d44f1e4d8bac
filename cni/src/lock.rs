//! One lock file for each VF, held by a plugin for a whole verb and by the daemon for a whole
//! step, so that nobody changes a VF while somebody else does.
//!
//! It is an flock: the kernel gives it back when its holder dies. What the file holds is only for
//! messages: who took it, and for what. A lock that is free beside a recorded intent therefore
//! means that the intent's owner died. The files are never removed: two processes could lock two
//! files of one name.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read as _};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use conf::PciAddress;
use conf::cni::{Code, Error};
use ipam::{AttachmentKey, Root};
use serde::{Deserialize, Serialize};

/// The lock of one VF, given back when dropped.
#[derive(Debug)]
pub struct VfLock {
    file: File,
}

/// Who holds a lock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// Its process id, in its own PID namespace.
    pub pid: u32,
    /// What it is doing; absent when it has only just begun.
    pub purpose: Option<Purpose>,
}

/// What a lock is held for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// To attach the VF.
    Attach(AttachmentKey),
    /// To give the VF back.
    Release(AttachmentKey),
    /// A step of the daemon, in its own words.
    Step(String),
}

impl std::fmt::Display for Purpose {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Attach(key) => write!(f, "ADD of {key}"),
            Self::Release(key) => write!(f, "DEL of {key}"),
            Self::Step(step) => f.write_str(step),
        }
    }
}

impl std::fmt::Display for Holder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.purpose {
            Some(purpose) => write!(f, "process {} ({purpose})", self.pid),
            None => f.write_str("another process"),
        }
    }
}

/// Why a lock was not taken.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Somebody else holds it, and still did at the deadline.
    #[error("lock VF {vf}: it is held by {holder}")]
    Held {
        /// The VF.
        vf: PciAddress,
        /// Who holds it.
        holder: Holder,
    },
    /// The lock file could not be used.
    #[error("lock VF {vf}: {verb} {}", path.display())]
    File {
        /// The VF.
        vf: PciAddress,
        /// What was tried.
        verb: &'static str,
        /// The lock file.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
}

impl From<LockError> for Error {
    fn from(error: LockError) -> Self {
        match &error {
            LockError::Held { .. } => Self::new(Code::TryAgainLater, error.to_string()),
            LockError::File { source, .. } => Self::new(Code::Io, format!("{error}: {source}")),
        }
    }
}

/// How long to wait for a lock that is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Patience {
    /// Not at all.
    None,
    /// This long.
    Wait(Duration),
    /// This long, but not at all for a holder that attaches the VF elsewhere: it will not be free
    /// afterwards.
    WaitUnlessAttaching(Duration),
}

impl VfLock {
    /// Takes the lock of `vf` for `purpose`.
    ///
    /// # Errors
    /// [`LockError::Held`] when the patience is at an end.
    pub fn take(
        root: &Root,
        vf: PciAddress,
        purpose: Purpose,
        patience: Patience,
    ) -> Result<Self, LockError> {
        let path = path(root, vf);
        let failed = |verb: &'static str| {
            let path = path.clone();
            move |source| LockError::File { vf, verb, path, source }
        };
        ipam::durable::make_directory(&root.vf_locks())
            .map_err(|error| failed("make the directory of")(error.source))?;
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o600);
        let file = open(&mut options, &path).map_err(failed("open"))?;
        let file = match file.try_lock() {
            Ok(()) => file,
            Err(TryLockError::Error(source)) => return Err(failed("lock")(source)),
            Err(TryLockError::WouldBlock) => {
                let holder = read_holder(&file);
                let attaching = matches!(holder.purpose, Some(Purpose::Attach(_)));
                let wait = match patience {
                    Patience::Wait(wait) => wait,
                    Patience::WaitUnlessAttaching(wait) if !attaching => wait,
                    _ => return Err(LockError::Held { vf, holder }),
                };
                match lock_within(file, wait).map_err(failed("lock"))? {
                    Some(file) => file,
                    None => return Err(LockError::Held { vf, holder }),
                }
            }
        };
        write_holder(&file, &Holder { pid: std::process::id(), purpose: Some(purpose) });
        Ok(Self { file })
    }
}

impl Drop for VfLock {
    fn drop(&mut self) {
        // So that the next holder is not taken for this one in its first instants.
        self.file.set_len(0).ok();
    }
}

/// Who holds the lock of `vf`; `None` when it is free. Changes nothing.
///
/// # Errors
/// When the lock file cannot be looked at.
pub fn holder(root: &Root, vf: PciAddress) -> Result<Option<Holder>, LockError> {
    let path = path(root, vf);
    let failed = |verb, source| LockError::File { vf, verb, path: path.clone(), source };
    let file = match open(OpenOptions::new().read(true), &path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed("open", error)),
    };
    match file.try_lock_shared() {
        Ok(()) => Ok(None),
        Err(TryLockError::WouldBlock) => Ok(Some(read_holder(&file))),
        Err(TryLockError::Error(source)) => Err(failed("try", source)),
    }
}

/// Opens a lock file, which is written to: no symbolic link is followed from it to another file,
/// and nothing that would keep a reader waiting is opened.
fn open(options: &mut OpenOptions, path: &Path) -> io::Result<File> {
    let file = options.custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK).open(path)?;
    match file.metadata()?.is_file() {
        true => Ok(file),
        false => Err(io::Error::other("it is not a regular file")),
    }
}

fn path(root: &Root, vf: PciAddress) -> PathBuf {
    Path::join(&root.vf_locks(), format!("{vf}.lock"))
}

/// Waits for the lock on a thread of its own, since flock itself knows no deadline. A thread that
/// gets it too late has nobody to give it to, and closes it.
fn lock_within(file: File, wait: Duration) -> io::Result<Option<File>> {
    let deadline = Instant::now() + wait;
    let (sender, receiver) = mpsc::channel();
    thread::Builder::new().name("lock".to_owned()).spawn(move || {
        sender.send(file.lock().map(|()| file)).ok();
    })?;
    match receiver.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
        Ok(locked) => locked.map(Some),
        Err(RecvTimeoutError::Timeout) => Ok(None),
        Err(RecvTimeoutError::Disconnected) => Err(io::Error::other("the waiting thread ended")),
    }
}

fn write_holder(file: &File, holder: &Holder) {
    // Only messages depend on it: a full /run must not keep anybody from a lock.
    if let Ok(text) = serde_json::to_vec(holder) {
        file.set_len(0).ok();
        file.write_all_at(&text, 0).ok();
    }
}

fn read_holder(file: &File) -> Holder {
    let mut text = Vec::new();
    file.take(4096).read_to_end(&mut text).ok();
    serde_json::from_slice(&text).unwrap_or(Holder { pid: 0, purpose: None })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vf() -> PciAddress {
        "0000:01:10.0".parse().unwrap()
    }

    fn key(container: &str) -> AttachmentKey {
        AttachmentKey { container: container.parse().unwrap(), ifname: "net1".parse().unwrap() }
    }

    fn take(root: &Root, purpose: Purpose, patience: Patience) -> Result<VfLock, LockError> {
        VfLock::take(root, vf(), purpose, patience)
    }

    #[test]
    fn the_holder_is_named_while_it_holds() {
        let directory = tempfile::tempdir().unwrap();
        let root = Root::at(directory.path());
        assert_eq!(holder(&root, vf()).unwrap(), None);
        let held = take(&root, Purpose::Attach(key("a")), Patience::None).unwrap();
        let found = holder(&root, vf()).unwrap().unwrap();
        assert_eq!(found.pid, std::process::id());
        assert_eq!(found.purpose, Some(Purpose::Attach(key("a"))));
        let refused = take(&root, Purpose::Release(key("b")), Patience::None).unwrap_err();
        assert_eq!(
            refused.to_string(),
            format!(
                "lock VF 0000:01:10.0: it is held by process {} (ADD of interface net1 of container a)",
                std::process::id()
            )
        );
        assert_eq!(Error::from(refused).code, Code::TryAgainLater);
        drop(held);
        assert_eq!(holder(&root, vf()).unwrap(), None);
    }

    #[test]
    fn nobody_waits_for_an_add_that_takes_the_vf() {
        let directory = tempfile::tempdir().unwrap();
        let root = Root::at(directory.path());
        let _held = take(&root, Purpose::Attach(key("a")), Patience::None).unwrap();
        // An hour: the test would not end if it waited.
        let patience = Patience::WaitUnlessAttaching(Duration::from_secs(3600));
        assert!(take(&root, Purpose::Attach(key("b")), patience).is_err());
    }

    #[test]
    fn a_lock_that_is_given_back_goes_to_who_waits() {
        let directory = tempfile::tempdir().unwrap();
        let root = Root::at(directory.path());
        let held = take(&root, Purpose::Release(key("a")), Patience::None).unwrap();
        let waiting = {
            let patience = Patience::WaitUnlessAttaching(Duration::from_secs(3600));
            thread::spawn(move || take(&root, Purpose::Attach(key("b")), patience).map(drop))
        };
        drop(held);
        waiting.join().unwrap().unwrap();
    }

    #[test]
    fn who_waited_in_vain_does_not_get_the_lock_later() {
        let directory = tempfile::tempdir().unwrap();
        let root = Root::at(directory.path());
        let held = take(&root, Purpose::Release(key("a")), Patience::None).unwrap();
        let patience = Patience::Wait(Duration::from_millis(1));
        assert!(take(&root, Purpose::Attach(key("b")), patience).is_err());
        drop(held);
        take(&root, Purpose::Attach(key("c")), Patience::Wait(Duration::from_secs(3600))).unwrap();
    }

    #[test]
    fn only_a_regular_file_is_a_lock() {
        let directory = tempfile::tempdir().unwrap();
        let root = Root::at(directory.path());
        std::fs::create_dir_all(root.vf_locks()).unwrap();
        let (other, lock) = (directory.path().join("other"), path(&root, vf()));
        std::fs::write(&other, "theirs").unwrap();
        std::os::unix::fs::symlink(&other, &lock).unwrap();
        assert!(take(&root, Purpose::Attach(key("a")), Patience::None).is_err());
        assert!(holder(&root, vf()).is_err());
        assert_eq!(std::fs::read_to_string(&other).unwrap(), "theirs");
        std::fs::remove_file(&lock).unwrap();
        nix::unistd::mkfifo(&lock, nix::sys::stat::Mode::S_IRWXU).unwrap();
        assert!(take(&root, Purpose::Attach(key("a")), Patience::None).is_err());
        assert!(holder(&root, vf()).is_err());
    }

    #[test]
    fn what_stands_in_the_file_is_not_trusted() {
        let directory = tempfile::tempdir().unwrap();
        let root = Root::at(directory.path());
        let held = take(&root, Purpose::Step("set MTU".to_owned()), Patience::None).unwrap();
        std::fs::write(path(&root, vf()), [0xff; 10_000]).unwrap();
        assert_eq!(holder(&root, vf()).unwrap().unwrap().to_string(), "another process");
        drop(held);
    }
}
