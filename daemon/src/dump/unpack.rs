//! Lays a dump's files out in a directory, whoever wrote the dump.
//!
//! Directories and files first, while there is no link that could lead anywhere; then the links,
//! each in a directory that is a real one. A link goes up at most to the root, then only down: so
//! whatever is reached through any number of them stays below the root.

use std::fs::{DirBuilder, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, symlink};
use std::path::{Component, Path, PathBuf};

use conf::printable::Printable;
use ipam::durable::FileError;

use super::Tree;

/// A dump has that many files, directories and links at most: more than 64 PFs with all VFs.
const MOST: usize = 200_000;

/// A path has that many components at most.
const DEEPEST: usize = 16;

/// Where a dump has files. Above all not in the store: a database is not to be opened that a
/// stranger wrote.
const PLACES: [&str; 6] = [
    "sys/",
    "etc/railhead/",
    "etc/sriov-operator/pci/",
    "tmp/sno-initial-node-state.json",
    "run/railhead/journal/",
    "var/lib/railhead/",
];

/// Why a dump's files were not laid out.
#[derive(Debug, thiserror::Error)]
pub enum UnpackError {
    /// It has too many.
    #[error("it has {count} files, {MOST} are the limit")]
    TooMany {
        /// How many.
        count: usize,
    },
    /// A path is none that a dump has.
    #[error("{}: no dump has a file there", Printable(path))]
    Path {
        /// The path.
        path: String,
    },
    /// A link could lead out.
    #[error("{}: the link to {} could lead out of the dump", Printable(path), Printable(target))]
    Link {
        /// The link.
        path: String,
        /// What it leads to.
        target: String,
    },
    /// A file operation failed.
    #[error(transparent)]
    File(#[from] FileError),
}

/// Lays `tree` out below `root`, which is empty.
pub(super) fn unpack(tree: &Tree, root: &Path) -> Result<(), UnpackError> {
    let count = tree.directories.len() + tree.files.len() + tree.links.len();
    if count > MOST {
        return Err(UnpackError::TooMany { count });
    }
    for path in &tree.directories {
        make(root, &checked(path)?)?;
    }
    for path in tree.files.keys().chain(tree.links.keys()) {
        make(root, checked(path)?.parent().unwrap_or(Path::new("")))?;
    }
    for (path, text) in &tree.files {
        let path = root.join(checked(path)?);
        let mut options = OpenOptions::new();
        options.write(true).create_new(true).mode(0o600);
        options
            .open(&path)
            .and_then(|mut file| file.write_all(text.as_bytes()))
            .map_err(FileError::at("write", &path))?;
    }
    for (path, target) in &tree.links {
        let link = checked(path)?;
        if !stays_inside(&link, target) {
            return Err(UnpackError::Link { path: path.clone(), target: target.clone() });
        }
        let link = root.join(link);
        symlink(target, &link).map_err(FileError::at("make the link", &link))?;
    }
    // A machine without NICs is a captured one too.
    make(root, Path::new("sys/bus/pci/devices"))
}

fn make(root: &Path, path: &Path) -> Result<(), UnpackError> {
    let path = root.join(path);
    let made = DirBuilder::new().recursive(true).mode(0o700).create(&path);
    Ok(made.map_err(FileError::at("make directory", &path))?)
}

/// A path below the root, in one of the places that a dump has files in.
fn checked(path: &str) -> Result<PathBuf, UnpackError> {
    let refused = || UnpackError::Path { path: path.to_owned() };
    let names = Path::new(path).components();
    let is_plain =
        path.split('/').all(|name| !matches!(name, "" | "." | "..")) && !path.contains('\0');
    let is_known = PLACES.iter().any(|place| match place.strip_suffix('/') {
        Some(_) => path.starts_with(place),
        None => path == *place,
    });
    if is_plain && is_known && names.count() <= DEEPEST {
        Ok(PathBuf::from(path))
    } else {
        Err(refused())
    }
}

/// Whether what `link` leads to is below the root, through whatever other links.
fn stays_inside(link: &Path, target: &str) -> bool {
    let depth = link.components().count().saturating_sub(1);
    let components: Vec<_> = Path::new(target).components().collect();
    let ups = components.iter().take_while(|component| **component == Component::ParentDir).count();
    let downs = components.iter().skip(ups);
    ups <= depth
        && components.len() <= 2 * DEEPEST
        && downs.clone().count() > 0
        && downs.into_iter().all(|component| matches!(component, Component::Normal(_)))
}
