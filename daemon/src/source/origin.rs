//! Where an object stands, for messages.

use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use conf::printable::Printable;

/// The place of one document. `Display` is what editors and terminals make clickable:
/// `/etc/railhead/objects/nics.yaml:14`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Origin {
    /// The file; `-` for standard input.
    pub file: PathBuf,
    /// Which document of the file, from 1, empty ones not counted.
    pub document: usize,
    /// The line on which the document begins, from 1.
    pub line: u64,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", Printable(self.file.display()), self.line)
    }
}
