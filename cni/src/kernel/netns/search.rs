//! Finding a namespace whose path is gone, or leads to another one.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::Netns;
use crate::kernel::Error;

impl Netns {
    /// The namespace bound to `path`, if it is still the one with this cookie.
    pub fn at(path: &Path, cookie: u64) -> Option<Self> {
        let netns = Self::open(path).ok()?;
        netns.cookie().is_ok_and(|found| found == cookie).then_some(netns)
    }

    /// The namespace with this cookie, among those that have a name in `/run/netns` or a process;
    /// `None` when it is none of them. One that only an open file keeps alive is not found.
    ///
    /// Costs a visit to each namespace of the machine: for the case that nothing else leads there.
    pub fn by_cookie(cookie: u64) -> Result<Option<Self>, Error> {
        for netns in Self::all() {
            if netns.cookie()? == cookie {
                return Ok(Some(netns));
            }
        }
        Ok(None)
    }

    /// Every namespace that has a name in `/run/netns` or a process, once each.
    pub fn all() -> impl Iterator<Item = Self> {
        let named = entries(Path::new("/run/netns"));
        let of_processes = entries(Path::new("/proc"))
            .into_iter()
            .filter(|path| {
                let name = path.file_name().map(|name| name.as_encoded_bytes());
                name.is_some_and(|name| name.iter().all(u8::is_ascii_digit))
            })
            .map(|process| process.join("ns/net"));
        let mut seen = BTreeSet::new();
        named.into_iter().chain(of_processes).filter_map(move |path| {
            // A process or a name that is gone by now is not what is looked for.
            let metadata = fs::metadata(&path).ok()?;
            let new = seen.insert((metadata.dev(), metadata.ino()));
            new.then(|| Self::open(&path).ok()).flatten()
        })
    }
}

fn entries(directory: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(directory) else { return Vec::new() };
    entries.filter_map(|entry| Some(entry.ok()?.path())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_namespace_is_found_by_its_cookie() {
        let own = Netns::current().unwrap();
        let found = Netns::by_cookie(own.cookie().unwrap()).unwrap().unwrap();
        assert!(found.is_same(&own).unwrap());
        assert!(Netns::by_cookie(u64::MAX).unwrap().is_none());
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
}
