//! Network namespaces.

pub mod owner;
mod search;

use std::fs::File;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use nix::sched::{CloneFlags, setns};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socket};
use nix::sys::stat::fstat;
use nix::sys::statfs::{NSFS_MAGIC, fstatfs};

use super::{Cause, Errno, Error};

pub use search::Living;

/// A network namespace, kept alive by an open file.
#[derive(Debug)]
pub struct Netns {
    file: OwnedFd,
    name: String,
}

impl Netns {
    /// The namespace bound to `path` (`/run/netns/NAME`, `/proc/PID/ns/net`). Anything that is not
    /// a network namespace is EINVAL, a path that leads nowhere ENOENT.
    pub fn open(path: &Path) -> Result<Self, Error> {
        // O_NONBLOCK: whatever lies there, a FIFO for one, must not hold us up.
        let file = opened(path, libc::O_NONBLOCK, check)?;
        Ok(Self { file, name: path.display().to_string() })
    }

    /// The same of a path that anybody may have chosen: nothing there is opened that is not on the
    /// file system of namespaces. To open a watchdog, a tape or a terminal line does something.
    fn open_mount(path: &Path) -> Result<Self, Error> {
        let place = opened(path, libc::O_PATH, on_nsfs)?;
        let opened = Self::open(Path::new(&format!("/proc/self/fd/{}", place.as_raw_fd())));
        opened.map(|netns| Self { name: path.display().to_string(), ..netns })
    }

    /// The calling thread's namespace. A socket tells of it: each part of a path through /proc
    /// costs an inode, which takes ten times as long.
    pub fn current() -> Result<Self, Error> {
        let name = "of this thread".to_owned();
        let socket = socket(AddressFamily::Unix, SockType::Datagram, SockFlag::SOCK_CLOEXEC, None);
        match socket.and_then(|socket| namespace_of(socket.as_fd())) {
            Ok(file) => Ok(Self { file, name }),
            Err(errno) => Err(Error::new("open", format!("network namespace {name}"), errno)),
        }
    }

    /// The number that the kernel never gives to another namespace until the next boot
    /// (`SO_NETNS_COOKIE`); inode numbers are reused.
    pub fn cookie(&self) -> Result<u64, Error> {
        enter(self, || {
            let socket =
                socket(AddressFamily::Unix, SockType::Datagram, SockFlag::SOCK_CLOEXEC, None)
                    .map_err(|errno| self.error("open a socket in", errno))?;
            cookie_of(socket.as_fd())
        })?
    }

    /// Whether both are the same namespace. Both are open, so their inode numbers are theirs.
    pub fn is_same(&self, other: &Self) -> Result<bool, Error> {
        let [own, others] = [self, other].map(|netns| {
            fstat(&netns.file)
                .map(|stat| (stat.st_dev, stat.st_ino))
                .map_err(|errno| netns.error("stat", errno))
        });
        Ok(own? == others?)
    }

    fn error(&self, verb: &'static str, cause: impl Into<Cause>) -> Error {
        Error::new(verb, format!("network namespace {}", self.name), cause)
    }
}

impl AsFd for Netns {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

/// Runs `inside` in `netns`, and comes back, also from a panic. Sockets opened inside go on
/// belonging to `netns`.
///
/// Only the calling thread goes there. A thread of its own would need no way back, and take ten
/// times as long: it is made, scheduled, waited for and unmapped. So the way back is tried before
/// the first step away: a thread that may not enter the namespace where it is stays there.
pub fn enter<T>(netns: &Netns, inside: impl FnOnce() -> T) -> Result<T, Error> {
    let home = Netns::current()?;
    let go = |to: &Netns| setns(to, CloneFlags::CLONE_NEWNET);
    go(&home).map_err(|errno| netns.error("have a way back from", errno))?;
    go(netns).map_err(|errno| netns.error("enter", errno))?;
    let _way_back = WayBack { home };
    Ok(inside())
}

/// Leads the thread home when dropped.
struct WayBack {
    home: Netns,
}

impl Drop for WayBack {
    fn drop(&mut self) {
        if setns(&self.home, CloneFlags::CLONE_NEWNET).is_err() {
            // It was allowed a moment ago, and the namespace is held open. Whatever this is, the
            // host's links must not be looked for in a container: what is recorded is undone by
            // the next verb.
            std::process::abort();
        }
    }
}

/// SIOCGSKNS (include/uapi/linux/sockios.h): opens the namespace that a socket belongs to.
const SIOCGSKNS: u16 = 0x894C;

/// The namespace that a socket belongs to.
fn namespace_of(socket: BorrowedFd<'_>) -> Result<OwnedFd, Errno> {
    #[expect(unsafe_code, reason = "an ioctl that nix does not have")]
    // SAFETY: SIOCGSKNS takes no argument and writes nothing; the descriptor is open.
    let file = unsafe { libc::ioctl(socket.as_raw_fd(), SIOCGSKNS.into()) };
    let file = Errno::result(file)?;
    #[expect(unsafe_code, reason = "the descriptor comes from that ioctl")]
    // SAFETY: it was opened just now, to be closed on exec, and nobody else knows of it.
    Ok(unsafe { OwnedFd::from_raw_fd(file) })
}

/// The cookie of the namespace that a socket belongs to.
pub(super) fn cookie_of(socket: BorrowedFd<'_>) -> Result<u64, Error> {
    let mut cookie = 0u64;
    let mut length = libc::socklen_t::try_from(size_of_val(&cookie)).unwrap_or_default();
    #[expect(unsafe_code, reason = "nix does not have SO_NETNS_COOKIE")]
    // SAFETY: the kernel writes at most `length` octets, the size of `cookie`, and both outlive
    // the call.
    let outcome = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_NETNS_COOKIE,
            (&raw mut cookie).cast(),
            &raw mut length,
        )
    };
    match Errno::result(outcome) {
        Ok(_) => Ok(cookie),
        Err(errno) => Err(Error::new("read", "SO_NETNS_COOKIE", errno)),
    }
}

/// Opens what `check` finds right.
fn opened(
    path: &Path,
    flags: libc::c_int,
    check: impl FnOnce(BorrowedFd<'_>) -> Result<(), Cause>,
) -> Result<OwnedFd, Error> {
    File::options()
        .read(true)
        .custom_flags(flags | libc::O_CLOEXEC)
        .open(path)
        .map_err(Cause::from)
        .and_then(|file| check(file.as_fd()).map(|()| file.into()))
        .map_err(|cause| Error::new("open", format!("network namespace {}", path.display()), cause))
}

/// Whether an open file is a network namespace: on nsfs, and of the right kind.
fn check(file: BorrowedFd<'_>) -> Result<(), Cause> {
    on_nsfs(file)?;
    #[expect(unsafe_code, reason = "an ioctl that nix does not have")]
    // SAFETY: NS_GET_NSTYPE takes no argument and writes nothing; the descriptor is open.
    let kind = unsafe { libc::ioctl(file.as_raw_fd(), libc::NS_GET_NSTYPE) };
    match Errno::result(kind)? {
        libc::CLONE_NEWNET => Ok(()),
        _ => Err(not_one("a namespace, but not a network namespace")),
    }
}

fn on_nsfs(file: BorrowedFd<'_>) -> Result<(), Cause> {
    match fstatfs(file)?.filesystem_type() {
        NSFS_MAGIC => Ok(()),
        _ => Err(not_one("not a namespace")),
    }
}

fn not_one(detail: &str) -> Cause {
    Cause::Errno { errno: Errno::EINVAL, detail: detail.to_owned() }
}
