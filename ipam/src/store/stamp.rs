//! What the file's inode said when we last let go of it.
//!
//! Every write to a file moves its change time, which nobody can set. So when inode and change
//! time are what the last transaction left behind, nobody else has written, and the pages need
//! not be looked at again. The stamp is an economy only: when it is missing or wrong (the last
//! transaction was killed before it wrote it), the file is walked.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;

/// One state of one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stamp(String);

impl Stamp {
    /// As the inode says now. Always of the same length, so that one can be written over another.
    pub(super) fn of(file: &Metadata) -> Self {
        Self(format!(
            "{:016x} {:016x} {:016x} {:08x}\n",
            file.ino(),
            file.len(),
            file.ctime(),
            file.ctime_nsec()
        ))
    }

    /// As it was written down.
    pub(super) fn from_text(text: String) -> Self {
        Self(text)
    }

    pub(super) fn as_text(&self) -> &str {
        &self.0
    }
}
