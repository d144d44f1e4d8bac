//! Putting the plugins where a runtime looks for them, and taking them away.
//!
//! One file and a link for each name. Each is made beside its place and renamed into it, so that
//! a runtime which calls a plugin at that moment finds the old one or the new one, never half of
//! one, and never "text file busy". A plugin of that name which is not ours is kept beside it, and
//! put back when ours goes.

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{OpenOptionsExt, symlink};
use std::path::{Path, PathBuf};

use ipam::{Root, Store, StoreError};
use serde::de::IgnoredAny;

/// The file.
pub const BINARY: &str = "railhead-cni";

/// The names by which a runtime calls it.
pub const PLUGINS: [&str; 2] = ["sriov", "nv-ipam"];

/// What is added to the name of somebody else's plugin while ours has its place.
const KEPT: &str = ".before-railhead";

/// An installation that failed.
#[derive(Debug, thiserror::Error)]
#[error("{verb} {}", path.display())]
pub struct InstallError {
    /// What was tried.
    pub verb: &'static str,
    /// On which path.
    pub path: PathBuf,
    /// Why it failed.
    pub source: io::Error,
}

/// Installs the running binary in `directory`, over what is there, and names what was placed.
///
/// # Errors
/// Names the file. What was placed before stays, and is whole.
pub fn install(directory: &Path) -> Result<Vec<PathBuf>, InstallError> {
    let binary = directory.join(BINARY);
    place(&binary, copy_of_self)?;
    let mut placed = vec![binary];
    for plugin in PLUGINS {
        let link = directory.join(plugin);
        keep(&link)?;
        place(&link, |temporary| symlink(BINARY, temporary))?;
        placed.push(link);
    }
    sync(directory)?;
    Ok(placed)
}

/// Takes away what [`install`] placed in `directory`, and puts back what was there before it; names
/// what is gone. A link that leads elsewhere is somebody else's by now, and stays.
///
/// # Errors
/// Names the file. What is left can be taken away by another try.
pub fn uninstall(directory: &Path) -> Result<Vec<PathBuf>, InstallError> {
    let mut gone = Vec::new();
    for plugin in PLUGINS {
        let link = directory.join(plugin);
        let kept = kept(&link);
        if !is_ours(&link) {
            continue;
        }
        match fs::rename(&kept, &link) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                fs::remove_file(&link).map_err(failed("remove", &link))?;
            }
            Err(source) => return Err(failed("put back", &kept)(source)),
        }
        gone.push(link);
    }
    let binary = directory.join(BINARY);
    match fs::remove_file(&binary) {
        Ok(()) => gone.push(binary),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(source) => return Err(failed("remove", &binary)(source)),
    }
    if !gone.is_empty() {
        sync(directory)?;
    }
    Ok(gone)
}

/// How many containers will call the plugins to give back what they hold.
///
/// # Errors
/// When the store cannot be read: nobody knows then.
pub fn users(root: &Root) -> Result<usize, StoreError> {
    let Some(store) = Store::existing(root) else { return Ok(0) };
    store.read(|txn| {
        let attached = txn.attachments::<IgnoredAny>()?.into_iter().map(|(key, _)| key.container);
        let leased = txn.leases()?.into_iter().map(|lease| lease.owner.container);
        Ok(attached.chain(leased).collect::<BTreeSet<_>>().len())
    })
}

/// Gives somebody else's plugin a second name, before ours takes the first.
fn keep(path: &Path) -> Result<(), InstallError> {
    if is_ours(path) {
        return Ok(());
    }
    let kept = kept(path);
    match place(&kept, |temporary| fs::hard_link(path, temporary)) {
        Ok(()) => Ok(()),
        Err(error) if error.source.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(failed("keep", path)(error.source)),
    }
}

fn kept(plugin: &Path) -> PathBuf {
    let mut name = plugin.file_name().unwrap_or_default().to_owned();
    name.push(KEPT);
    plugin.with_file_name(name)
}

fn is_ours(link: &Path) -> bool {
    fs::read_link(link).is_ok_and(|target| target == Path::new(BINARY))
}

fn sync(directory: &Path) -> Result<(), InstallError> {
    let synced = File::open(directory).and_then(|directory| directory.sync_all());
    synced.map_err(failed("sync", directory))
}

fn failed(verb: &'static str, path: &Path) -> impl FnOnce(io::Error) -> InstallError {
    let path = path.to_owned();
    move |source| InstallError { verb, path, source }
}

/// Has `make` make a file beside `path`, and renames it there.
fn place(path: &Path, make: impl Fn(&Path) -> io::Result<()>) -> Result<(), InstallError> {
    let mut name = std::ffi::OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(format!(".{}", std::process::id()));
    let temporary = path.with_file_name(name);
    // Left behind by a process of the same number that was killed.
    match fs::remove_file(&temporary) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => {
            return Err(failed("remove", &temporary)(source));
        }
        _ => {}
    }
    let placed = make(&temporary)
        .map_err(failed("make", &temporary))
        .and_then(|()| fs::rename(&temporary, path).map_err(failed("replace", path)));
    if placed.is_err() {
        // The failure above is the one to tell.
        fs::remove_file(&temporary).ok();
    }
    placed
}

fn copy_of_self(to: &Path) -> io::Result<()> {
    let mut own = File::open("/proc/self/exe")?;
    let mut copy = OpenOptions::new().write(true).create_new(true).mode(0o755).open(to)?;
    io::copy(&mut own, &mut copy)?;
    copy.sync_all()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn names(directory: &Path) -> Vec<String> {
        let entries = fs::read_dir(directory).unwrap();
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn binary_and_links_replace_what_was_there() {
        let directory = tempfile::tempdir().unwrap();
        for _again in 0..2 {
            let placed = install(directory.path()).unwrap();
            assert_eq!(placed.len(), 3);
        }
        let binary = directory.path().join(BINARY);
        assert_eq!(fs::metadata(&binary).unwrap().permissions().mode() & 0o777, 0o755);
        for plugin in PLUGINS {
            let link = fs::read_link(directory.path().join(plugin)).unwrap();
            assert_eq!(link, Path::new(BINARY));
        }
        assert_eq!(names(directory.path()), ["nv-ipam", BINARY, "sriov"], "nothing is left over");
        assert_eq!(uninstall(directory.path()).unwrap().len(), 3);
        assert_eq!(names(directory.path()), [""; 0]);
        assert_eq!(uninstall(directory.path()).unwrap().len(), 0);
    }

    /// A binary, and what another package has made a link.
    #[test]
    fn what_somebody_else_put_there_comes_back() {
        let directory = tempfile::tempdir().unwrap();
        let (sriov, nv_ipam) = (directory.path().join("sriov"), directory.path().join("nv-ipam"));
        fs::write(&sriov, "upstream's").unwrap();
        symlink("/opt/upstream/nv-ipam", &nv_ipam).unwrap();
        fs::write(directory.path().join("bridge"), "of no concern").unwrap();
        for _again in 0..2 {
            install(directory.path()).unwrap();
        }
        assert_eq!(fs::read_link(&sriov).unwrap(), Path::new(BINARY));
        uninstall(directory.path()).unwrap();
        assert_eq!(fs::read_to_string(&sriov).unwrap(), "upstream's");
        assert_eq!(fs::read_link(&nv_ipam).unwrap(), Path::new("/opt/upstream/nv-ipam"));
        assert_eq!(names(directory.path()), ["bridge", "nv-ipam", "sriov"]);
    }

    #[test]
    fn what_somebody_else_put_there_since_stays() {
        let directory = tempfile::tempdir().unwrap();
        install(directory.path()).unwrap();
        let sriov = directory.path().join("sriov");
        fs::remove_file(&sriov).unwrap();
        fs::write(&sriov, "upstream's").unwrap();
        uninstall(directory.path()).unwrap();
        assert_eq!(names(directory.path()), ["sriov"]);
        assert_eq!(fs::read_to_string(&sriov).unwrap(), "upstream's");
    }

    #[test]
    fn a_directory_in_the_way_is_named() {
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir(directory.path().join("sriov")).unwrap();
        let error = install(directory.path()).unwrap_err();
        assert_eq!(error.path, directory.path().join("sriov"));
        assert_eq!(names(directory.path()), [BINARY, "sriov"], "nothing is left over");
    }
}
