//! `apply -f`: puts one set of objects in the place of another, in one instant.
//!
//! ```text
//! /etc/railhead/.objects.next     built and synced      --+
//!                                                         +-- exchanged (RENAME_EXCHANGE)
//! /etc/railhead/objects           the set in force      --+
//! /etc/railhead/objects.previous  the set before, until the next time
//! ```
//!
//! A reader, and whoever comes after a power cut, sees the old set or the new one, never some of
//! both. What in the directory is no object file (notes, a `.git`) moves along.

use std::io;
use std::path::PathBuf;

use ipam::Root;
use ipam::durable::FileError;

use super::{Files, Problem, SourceError, StoredObjects};

mod place;

use place::Place;

/// What became of the set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Replaced {
    /// It is another now.
    Changed,
    /// It was the same already; nothing was written.
    Same,
}

/// Why the set in force is the old one still.
#[derive(Debug, thiserror::Error)]
pub enum ReplaceError {
    /// A file of the new set cannot be read or is no YAML: nobody knows what it holds.
    #[error("{0}")]
    Unusable(Box<Problem>),
    /// The set in force cannot be read.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The directory is a link to somewhere else.
    #[error(
        "{} is a symbolic link: its objects are not railhead's to replace; change them where they \
         are and run `railhead apply` without -f",
        path.display()
    )]
    Link {
        /// The link.
        path: PathBuf,
    },
    /// Somebody else replaces the set right now.
    #[error("another `railhead apply -f` is at work on {}; try again", path.display())]
    Busy {
        /// The directory above.
        path: PathBuf,
    },
    /// The file system cannot exchange two directories.
    #[error(
        "exchange {} with a new directory: put the objects there yourself and run \
         `railhead apply` without -f",
        path.display()
    )]
    NoExchange {
        /// The directory of objects.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// A file operation failed.
    #[error(transparent)]
    File(#[from] FileError),
}

/// Puts `files` in the place of all objects in `/etc/railhead/objects`.
///
/// Objects that break rules are stored too: they are reported until they are mended, and what was
/// in force under their name stays. A file that is no YAML refuses the whole set.
pub fn replace(root: &Root, files: &Files) -> Result<Replaced, ReplaceError> {
    let objects = files.objects();
    let unusable = objects.problems.iter().find(|problem| problem.object().is_none());
    if let Some(problem) = unusable {
        return Err(ReplaceError::Unusable(Box::new(problem.clone())));
    }
    let place = Place::lock(root)?;
    if place.holds(&files.files)? {
        return Ok(Replaced::Same);
    }
    if let Err(error) = place.build(&files.files).and_then(|()| place.exchange()) {
        place.discard();
        return Err(error);
    }
    place.put_away()?;
    Ok(Replaced::Changed)
}

/// Puts the set that was replaced last in force again, and the present one away in its place, when
/// it says the same as `before`; `false`, and nothing changed, when it does not.
pub fn put_back(root: &Root, before: &StoredObjects) -> Result<bool, ReplaceError> {
    let place = Place::lock(root)?;
    let previous = place.read_previous()?;
    if !previous.problems.is_empty() || StoredObjects::of(&previous) != *before {
        return Ok(false);
    }
    place.swap_with_previous()?;
    Ok(true)
}

#[cfg(test)]
mod tests;
