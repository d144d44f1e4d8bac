//! One lock file for each VF, held by a plugin as long as its verb is at work on the VF and by the
//! daemon for a whole step, so that nobody changes a VF while somebody else does.
//!
//! It is an flock: the kernel gives it back when its holder dies. What the file holds is only for
//! those who wait: who took it, and for what. A lock that is free beside a recorded intent
//! therefore means that the intent's owner died. The files are never removed: two processes could
//! lock two files of one name.

mod holder;
mod wait;

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use conf::PciAddress;
use conf::cni::{Code, Error};
use ipam::Root;

pub use self::holder::{Holder, Purpose};

/// The lock of one VF, given back when dropped.
#[derive(Debug)]
pub struct VfLock {
    file: File,
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

impl Patience {
    fn limit(self) -> Duration {
        match self {
            Self::None => Duration::ZERO,
            Self::Wait(limit) | Self::WaitUnlessAttaching(limit) => limit,
        }
    }

    fn is_for(self, holder: &Holder) -> bool {
        match self {
            Self::None => false,
            Self::Wait(_) => true,
            Self::WaitUnlessAttaching(_) => !holder.attaches(),
        }
    }
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
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o600);
        let file = match open(&mut options, &path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                ipam::durable::make_directory(&root.vf_locks())
                    .map_err(|error| failed("make the directory of")(error.source))?;
                open(&mut options, &path)
            }
            opened => opened,
        };
        let file = file.map_err(failed("open"))?;
        let file = match file.try_lock() {
            Ok(()) => file,
            Err(TryLockError::Error(source)) => return Err(failed("lock")(source)),
            Err(TryLockError::WouldBlock) if patience == Patience::None => {
                return Err(LockError::Held { vf, holder: Holder::read(&file) });
            }
            Err(TryLockError::WouldBlock) => {
                let deadline = Instant::now() + patience.limit();
                wait::wait(file, &path, deadline, |holder| patience.is_for(holder))
                    .map_err(failed("wait for"))?
                    .map_err(|holder| LockError::Held { vf, holder })?
            }
        };
        Holder { pid: std::process::id(), purpose: Some(purpose) }.write(&file);
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
        Err(TryLockError::WouldBlock) => Ok(Some(Holder::read(&file))),
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

#[cfg(test)]
mod tests;
