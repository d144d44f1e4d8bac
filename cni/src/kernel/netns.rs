//! Network namespaces.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use super::Error;

/// A network namespace, kept alive by an open file.
#[derive(Debug)]
pub struct Netns {
    file: OwnedFd,
}

impl Netns {
    /// The namespace bound to `path` (`/run/netns/NAME`, `/proc/PID/ns/net`).
    pub fn open(path: &Path) -> Result<Self, Error> {
        let _ = path;
        todo!()
    }

    /// The calling thread's namespace.
    pub fn current() -> Result<Self, Error> {
        todo!()
    }

    /// The namespace of a process.
    pub fn of_process(pid: u32) -> Result<Self, Error> {
        let _ = pid;
        todo!()
    }

    /// The number that the kernel never gives to another namespace until the next boot
    /// (`SO_NETNS_COOKIE`); inode numbers are reused.
    pub fn cookie(&self) -> Result<u64, Error> {
        todo!()
    }

    /// Whether both are the same namespace.
    pub fn is_same(&self, other: &Self) -> Result<bool, Error> {
        let _ = other;
        todo!()
    }
}

impl AsFd for Netns {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

/// Runs `inside` in `netns`; the calling thread never leaves its own namespace.
pub fn enter<T: Send>(netns: &Netns, inside: impl FnOnce() -> T + Send) -> Result<T, Error> {
    let _ = (netns, inside);
    todo!()
}
