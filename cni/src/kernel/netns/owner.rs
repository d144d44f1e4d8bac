//! To which users a namespace belongs.

use std::fs::File;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::path::Path;

use nix::sys::stat::fstat;

use crate::kernel::{Cause, Errno, Error};

/// The first user namespace (`PROC_USER_INIT_INO`, include/uapi/linux/nsfs.h). Whoever may do
/// something in it may do it on the machine.
pub const FIRST: u64 = 4_026_531_837;

/// Whether the namespace at `link` (`/proc/PID/ns/mnt`) belongs to the first user namespace. One
/// whose thread is gone may have.
pub(super) fn is_first(link: &Path) -> Result<bool, Error> {
    let failed = |cause: Cause| Error::new("ask for the owner of", link.display(), cause);
    let namespace = match File::open(link).map_err(Cause::from) {
        Ok(namespace) => namespace,
        Err(Cause::Errno { errno: Errno::ENOENT | Errno::ESRCH, .. }) => return Ok(true),
        Err(cause) => return Err(failed(cause)),
    };
    let users = users_of(&namespace).map_err(|errno| failed(errno.into()))?;
    let stat = fstat(&users).map_err(|errno| failed(errno.into()))?;
    Ok(stat.st_ino == FIRST)
}

fn users_of(namespace: &File) -> Result<OwnedFd, Errno> {
    #[expect(unsafe_code, reason = "an ioctl that nix does not have")]
    // SAFETY: NS_GET_USERNS takes no argument and writes nothing; the descriptor is open.
    let users = unsafe { libc::ioctl(namespace.as_raw_fd(), libc::NS_GET_USERNS) };
    let users = Errno::result(users)?;
    #[expect(unsafe_code, reason = "the descriptor comes from that ioctl")]
    // SAFETY: it was opened just now, to be closed on exec, and nobody else knows of it.
    Ok(unsafe { OwnedFd::from_raw_fd(users) })
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader};
    use std::process::{Command, Stdio};

    use super::*;

    /// What is mounted and covered in a namespace that any user can make counts for nothing.
    #[test]
    fn a_mount_namespace_that_a_user_made_is_not_roots() {
        assert!(is_first(Path::new("/proc/self/ns/mnt")).unwrap());
        let mut user = Command::new("unshare")
            .args(["--user", "--mount", "sh", "-c", "echo ready; cat"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(user.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let link = format!("/proc/{}/ns/mnt", user.id());
        let is_roots = is_first(Path::new(&link));
        drop(user.stdin.take());
        user.wait().unwrap();
        assert!(!is_roots.unwrap());
        assert!(is_first(Path::new(&link)).unwrap(), "one that is gone may have been");
    }
}
