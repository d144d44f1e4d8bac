//! What is wrong with what was read.

use std::fmt;
use std::path::PathBuf;

use conf::object::is_handled;
use conf::printable::Printable;
use conf::{Violation, Violations};

use super::{FileRefusal, ObjectRef, Origin};

/// Something that did not become an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Problem {
    /// Nothing can be said about what a file holds.
    File {
        /// The file; `-` for standard input.
        file: PathBuf,
        /// Why not.
        why: FileRefusal,
    },
    /// A document breaks rules.
    Object {
        /// Where it stands.
        origin: Origin,
        /// What it claims to be.
        object: ObjectRef,
        /// Every rule it breaks.
        violations: Violations,
    },
    /// An object of this kind and name was there already; the first counts.
    Duplicate {
        /// Where the second stands.
        origin: Origin,
        /// Which object.
        object: ObjectRef,
        /// Where the first stands.
        first: Origin,
    },
}

impl Problem {
    /// One word for conditions and metrics.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::File { why, .. } => why.reason(),
            Self::Object { .. } => "Invalid",
            Self::Duplicate { .. } => "Duplicate",
        }
    }

    /// The object that it is about; `None` when that cannot be known.
    pub fn object(&self) -> Option<&ObjectRef> {
        match self {
            Self::File { .. } => None,
            Self::Object { object, .. } | Self::Duplicate { object, .. } => Some(object),
        }
    }

    /// Whether an object is there of which nobody can tell which one: in a file that cannot be
    /// read, without a name, or of a kind that is misspelt.
    pub fn hides_an_object(&self) -> bool {
        match self {
            Self::File { .. } => true,
            Self::Object { object, .. } => match is_handled(&object.kind) {
                Some(handled) => handled && object.name.is_empty(),
                None => true,
            },
            Self::Duplicate { .. } => false,
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { file, why } => {
                write!(f, "{}{why}", Printable(file.display()))
            }
            Self::Object { origin, object, violations } => {
                write!(f, "{origin}: {object}: {}", Printable(violations))
            }
            Self::Duplicate { origin, object, first } => {
                write!(f, "{origin}: {object} is defined already at {first}; remove one of the two")
            }
        }
    }
}

impl std::error::Error for Problem {}

/// Something that is surely not meant, but keeps nothing from working.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// Where.
    pub origin: Origin,
    /// In which object.
    pub object: ObjectRef,
    /// What: an unknown field.
    pub what: Violation,
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}: {}", self.origin, self.object, Printable(&self.what))
    }
}
