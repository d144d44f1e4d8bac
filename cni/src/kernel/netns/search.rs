//! Finding namespaces: all that live, or one whose path is gone or leads to another one.
//!
//! A namespace lives as long as something holds it, and is found by what does:
//!
//! ```text
//! a mount, in whatever mount namespace     /proc/PID/task/TID/mountinfo, .../root
//! a thread that is in it                   /proc/PID/task/TID/ns/net
//! an open file of it                       /proc/PID/fd
//! ```
//!
//! One that only a socket keeps alive is not found: the kernel does not show whose a socket is.
//!
//! Any user may make a user namespace, mount what they like where they like in it, and cover it. So
//! a mount that leads nowhere counts only where root alone mounts: in a mount namespace that belongs
//! to the first user namespace. And no path of a mount is opened before it is known to lead to a
//! namespace: opening some devices is an order to them.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs;
use std::ops::ControlFlow;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use nix::sys::stat::fstat;

use super::{Netns, owner};
use crate::kernel::{Cause, Errno, Error, procfs};

/// A namespace that lives.
#[derive(Debug)]
pub struct Living {
    /// The namespace.
    pub netns: Netns,
    /// Its number, which is never given to another one until the next boot.
    pub cookie: u64,
    /// A way to it: of its mount where it has one, else of a process.
    pub path: PathBuf,
}

impl Netns {
    /// The namespace bound to `path`, if it is still the one with this cookie.
    pub fn at(path: &Path, cookie: u64) -> Option<Self> {
        let netns = Self::open(path).ok()?;
        netns.cookie().is_ok_and(|found| found == cookie).then_some(netns)
    }

    /// The namespace with this cookie; `None` when it lives no more.
    ///
    /// Costs a visit to each namespace of the machine: for the case that nothing else leads there.
    pub fn by_cookie(cookie: u64) -> Result<Option<Living>, Error> {
        Self::visit(|netns, path| {
            Ok(match netns.cookie()? == cookie {
                true => ControlFlow::Break(Living { netns, cookie, path: path.to_owned() }),
                false => ControlFlow::Continue(()),
            })
        })
    }

    /// Every namespace that lives.
    ///
    /// # Errors
    /// ENOSYS when this process does not see all others, and whatever else could hide one: then
    /// nothing may be concluded from a namespace that is missing.
    pub fn living() -> Result<Vec<Living>, Error> {
        if !procfs::sees_all()? {
            let detail = "this is not the machine's first PID namespace".to_owned();
            let cause = Cause::Errno { errno: Errno::ENOSYS, detail };
            return Err(Error::new("list", "network namespaces", cause));
        }
        let mut living = Vec::new();
        Self::visit(|netns, path| {
            let cookie = netns.cookie()?;
            living.push(Living { netns, cookie, path: path.to_owned() });
            Ok(ControlFlow::<()>::Continue(()))
        })?;
        Ok(living)
    }

    /// Shows `each` every namespace that lives, once, with a way to it, until it breaks off.
    ///
    /// # Errors
    /// That of `each`. When it did not break off: the first thing that could not be looked at, and
    /// so may be a namespace that was not shown.
    pub fn visit<T>(
        each: impl FnMut(Self, &Path) -> Result<ControlFlow<T>, Error>,
    ) -> Result<Option<T>, Error> {
        let seen = BTreeSet::new();
        let mut search = Search { seen, covered: BTreeMap::new(), unreadable: None, each };
        match search.everywhere()? {
            ControlFlow::Break(value) => Ok(Some(value)),
            ControlFlow::Continue(()) => search.nothing_hidden().map(|()| None),
        }
    }

    fn inode(&self) -> Result<u64, Error> {
        fstat(&self.file).map(|stat| stat.st_ino).map_err(|errno| self.error("stat", errno))
    }
}

struct Search<F> {
    /// Inode numbers of the namespaces that were visited. One that dies meanwhile may pass its
    /// number on, but only to a namespace that was not there when the search began.
    seen: BTreeSet<u64>,
    /// Inode numbers of mounts that lead elsewhere, by the list they stand in: something else is
    /// mounted over them.
    covered: BTreeMap<u64, (PathBuf, Error)>,
    /// The first thing that could not be looked at.
    unreadable: Option<Error>,
    each: F,
}

impl<T, F: FnMut(Netns, &Path) -> Result<ControlFlow<T>, Error>> Search<F> {
    fn everywhere(&mut self) -> Result<ControlFlow<T>, Error> {
        // Our own mounts first: what they say is what a person would write.
        let own = Path::new("/proc/thread-self");
        if let found @ ControlFlow::Break(_) = self.mounts(own, Path::new("/"))? {
            return Ok(found);
        }
        let mut mount_namespaces = BTreeSet::from_iter(self.target(&own.join("ns/mnt")));
        let processes = self.noted(procfs::all());
        for process in &processes {
            for thread in self.noted(procfs::threads(process)) {
                if let found @ ControlFlow::Break(_) =
                    self.thread(&thread, &mut mount_namespaces)?
                {
                    return Ok(found);
                }
            }
        }
        for process in &processes {
            for (link, target) in self.noted(procfs::files(process)) {
                let target = shown(&link, target);
                if let found @ ControlFlow::Break(_) = self.link(&target, &link)? {
                    return Ok(found);
                }
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    /// A thread's namespace, and the mounts of its mount namespace where those are new.
    fn thread(
        &mut self,
        thread: &Path,
        mount_namespaces: &mut BTreeSet<PathBuf>,
    ) -> Result<ControlFlow<T>, Error> {
        let path = thread.join("ns/net");
        if let Some(target) = self.target(&path)
            && let found @ ControlFlow::Break(_) = self.link(&target, &path)?
        {
            return Ok(found);
        }
        let mounts = self.target(&thread.join("ns/mnt"));
        if mounts.is_some_and(|mounts| mount_namespaces.insert(mounts)) {
            return self.mounts(thread, &thread.join("root"));
        }
        Ok(ControlFlow::Continue(()))
    }

    /// The namespaces that are mounted somewhere, in the mount namespace of `thread`, whose root is
    /// at `root`.
    fn mounts(&mut self, thread: &Path, root: &Path) -> Result<ControlFlow<T>, Error> {
        let list = thread.join("mountinfo");
        for (inode, place) in self.noted(read_mounts(&list)) {
            if self.seen.contains(&inode) {
                continue;
            }
            let path = root.join(place.strip_prefix("/").unwrap_or(&place));
            match Netns::open_mount(&path) {
                Ok(netns) => {
                    if let found @ ControlFlow::Break(_) = self.show(netns, &path)? {
                        return Ok(found);
                    }
                }
                Err(error) => {
                    if self.noted(owner::is_first(&thread.join("ns/mnt")).map(Some)) != Some(false)
                    {
                        self.covered.insert(inode, (list.clone(), error));
                    }
                }
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    /// What a link of `/proc` that shows `target` leads to, where that is a network namespace.
    fn link(&mut self, target: &Path, path: &Path) -> Result<ControlFlow<T>, Error> {
        let inode = inode_in(target.as_os_str().as_bytes());
        if inode.is_none_or(|inode| self.seen.contains(&inode)) {
            return Ok(ControlFlow::Continue(()));
        }
        let opened = match Netns::open(path) {
            // The process ended, or closed the file.
            Err(error) if error.is(Errno::ENOENT) || error.is(Errno::ESRCH) => None,
            // On the same file system, but of another kind.
            Err(error) if error.is(Errno::EINVAL) => None,
            opened => self.noted(opened.map(Some)),
        };
        match opened {
            Some(netns) => self.show(netns, path),
            None => Ok(ControlFlow::Continue(())),
        }
    }

    fn show(&mut self, netns: Netns, path: &Path) -> Result<ControlFlow<T>, Error> {
        match self.seen.insert(netns.inode()?) {
            true => (self.each)(netns, path),
            false => Ok(ControlFlow::Continue(())),
        }
    }

    fn target(&mut self, link: &Path) -> Option<PathBuf> {
        self.noted(procfs::target(link))
    }

    /// What was read; nothing, and a note of that, where it could not be.
    fn noted<V: Default>(&mut self, read: Result<V, Error>) -> V {
        read.unwrap_or_else(|error| {
            self.unreadable.get_or_insert(error);
            V::default()
        })
    }

    /// Refuses to have found all when something could not be looked at, or when a mount that is
    /// still there led elsewhere and nothing else led to its namespace.
    fn nothing_hidden(self) -> Result<(), Error> {
        if let Some(error) = self.unreadable {
            return Err(error);
        }
        for (inode, (list, error)) in self.covered {
            let is_there = || -> Result<bool, Error> {
                Ok(read_mounts(&list)?.iter().any(|(listed, _)| *listed == inode))
            };
            if !self.seen.contains(&inode) && is_there()? {
                return Err(error);
            }
        }
        Ok(())
    }
}

/// What the link of an open file would show of a namespace however it was opened: a file that was
/// opened by way of a mount shows that mount's path, and `/` once it is unmounted.
///
/// Only what may be such a file is looked at, since a look at a file of a network file system can
/// hang.
fn shown(link: &Path, target: PathBuf) -> PathBuf {
    let is_mounted = ["/run", "/var/run"].iter().any(|place| target.starts_with(place));
    if !is_mounted && target != Path::new("/") {
        return target;
    }
    match (fs::metadata(link), fs::metadata("/proc/self/ns/net")) {
        (Ok(file), Ok(own)) if file.dev() == own.dev() => {
            PathBuf::from(format!("net:[{}]", file.ino()))
        }
        _ => target,
    }
}

/// The network namespaces in a list of mounts (proc_pid_mountinfo(5)): inode number and place.
fn read_mounts(list: &Path) -> Result<Vec<(u64, PathBuf)>, Error> {
    let text = procfs::read(list)?.unwrap_or_default();
    Ok(text.split(|byte| *byte == b'\n').filter_map(mount).collect())
}

/// `36 35 0:4 net:[4026532287] /run/netns/x rw shared:1 - nsfs nsfs rw`; a path of a real file
/// system begins with `/`.
fn mount(line: &[u8]) -> Option<(u64, PathBuf)> {
    let mut fields = line.split(|byte| *byte == b' ').skip(3);
    let inode = inode_in(fields.next()?)?;
    Some((inode, PathBuf::from(OsStr::from_bytes(&unescaped(fields.next()?)))))
}

/// The inode number in `net:[4026531840]`.
fn inode_in(text: &[u8]) -> Option<u64> {
    let number = text.strip_prefix(b"net:[")?.strip_suffix(b"]")?;
    std::str::from_utf8(number).ok()?.parse().ok()
}

/// Blanks and backslashes stand as three octal digits behind a backslash.
fn unescaped(field: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((first, behind)) = rest.split_first() {
        let octal = behind.get(..3).filter(|_| *first == b'\\');
        let byte = octal
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| u8::from_str_radix(digits, 8).ok());
        out.push(byte.unwrap_or(*first));
        rest = if byte.is_some() { behind.get(3..).unwrap_or_default() } else { behind };
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_namespace_is_found_by_its_cookie() {
        let own = Netns::current().unwrap();
        let found = Netns::by_cookie(own.cookie().unwrap()).unwrap().unwrap();
        assert!(found.netns.is_same(&own).unwrap());
        assert!(Netns::open(&found.path).unwrap().is_same(&own).unwrap());
    }

    #[test]
    fn a_path_that_leads_elsewhere_by_now_is_not_followed() {
        let path = Path::new("/proc/thread-self/ns/net");
        let cookie = Netns::current().unwrap().cookie().unwrap();
        assert!(Netns::at(path, cookie).is_some());
        assert!(Netns::at(path, cookie + 1).is_none());
        assert!(Netns::at(Path::new("/proc/self/ns/mnt"), cookie).is_none());
        assert!(Netns::at(Path::new("/nowhere"), cookie).is_none());
    }

    #[test]
    fn mounts_of_namespaces_are_read_whatever_their_name() {
        let line = |text: &str| mount(text.as_bytes());
        assert_eq!(
            line(r"36 35 0:4 net:[4026532287] /run/netns/a\040b\134c rw shared:1 - nsfs nsfs rw"),
            Some((4026532287, PathBuf::from(r"/run/netns/a b\c")))
        );
        assert_eq!(line("36 35 0:4 mnt:[4026532287] /run/mnt rw - nsfs nsfs rw"), None);
        assert_eq!(line("22 1 254:0 / / rw - ext4 /dev/vda rw"), None);
        assert_eq!(line(""), None);
    }
}
