//! Where objects come from: whole snapshots of all that matters to this node.
//!
//! ```text
//! /etc/railhead/objects/*.yaml --+                  +--> Known    (policy, pool)
//! -f FILE | -f DIRECTORY --------+--> yaml --> conf +--> Problem  (file, line | field, value, rule)
//! -f - (standard input) ---------+                  +--> Notice   (unknown field); Skipped (other kinds)
//! ```
//!
//! A snapshot is level, not edge: whoever reads one knows everything, and an event only means
//! "read again". One bad object hides no other; a file of which nothing can be said, or an object of
//! which nobody can tell which it is, makes the snapshot incomplete ([`Objects::is_complete`]), and then nothing that is missing counts as gone.

pub mod directory;
mod file;
mod last_good;
mod objects;
mod origin;
mod problem;
mod replace;
mod skipped;
mod stored;
mod yaml;

pub(crate) use directory::is_object_file;
pub use directory::{Directory, Files, SourceError};
pub use file::{FILE_LIMIT, FileRefusal, SourceFile};
pub(crate) use last_good::known_version;
pub use last_good::{LastGoodError, load as load_last_good, save as save_last_good};
pub use objects::{Known, ObjectRef, Objects};
pub use origin::Origin;
pub use problem::{Notice, Problem};
pub use replace::{ReplaceError, Replaced, put_back, replace};
pub use skipped::Skipped;
pub use stored::StoredObjects;

pub(crate) use file::read_named;
pub(crate) use last_good::path as last_good_path;
pub(crate) use yaml::documents;

/// A place that objects come from: a directory ([`Directory`]), or an API server's cache.
///
/// Reading never waits: what is there now is what counts, and whoever owns the source says when
/// to look again.
pub trait Inputs {
    /// All objects as they are now, with what is wrong with them.
    ///
    /// An error means that nothing is known at all: the last snapshot stays in force.
    fn read(&self) -> Result<Objects, SourceError>;
}
