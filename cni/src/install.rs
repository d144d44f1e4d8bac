//! Putting the plugins where a runtime looks for them.
//!
//! One file and a link for each name. Each is made beside its place and renamed into it, so that
//! a runtime which calls a plugin at that moment finds the old one or the new one, never half of
//! one, and never "text file busy".

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{OpenOptionsExt, symlink};
use std::path::{Path, PathBuf};

/// The file.
pub const BINARY: &str = "railhead-cni";

/// The names by which a runtime calls it.
pub const PLUGINS: [&str; 2] = ["sriov", "nv-ipam"];

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
        place(&link, |temporary| symlink(BINARY, temporary))?;
        placed.push(link);
    }
    File::open(directory)
        .and_then(|directory| directory.sync_all())
        .map_err(|source| InstallError { verb: "sync", path: directory.to_owned(), source })?;
    Ok(placed)
}

/// Has `make` make a file beside `path`, and renames it there.
fn place(path: &Path, make: impl Fn(&Path) -> io::Result<()>) -> Result<(), InstallError> {
    let failed = |verb, path: &Path| {
        let path = path.to_owned();
        move |source| InstallError { verb, path, source }
    };
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

    #[test]
    fn binary_and_links_replace_what_was_there() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("sriov"), "upstream's").unwrap();
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
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 3, "nothing is left over");
    }

    #[test]
    fn a_directory_in_the_way_is_named() {
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir(directory.path().join("sriov")).unwrap();
        let error = install(directory.path()).unwrap_err();
        assert_eq!(error.path, directory.path().join("sriov"));
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 2, "nothing is left over");
    }
}
