//! Who holds a lock, as its file tells.

use std::fmt;
use std::fs::File;
use std::os::unix::fs::FileExt;

use ipam::AttachmentKey;
use serde::{Deserialize, Serialize};

/// Who holds a lock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// Its process id, in its own PID namespace.
    pub pid: u32,
    /// What it is doing; absent when it has only just begun.
    pub purpose: Option<Purpose>,
}

/// What a lock is held for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// To attach the VF.
    Attach(AttachmentKey),
    /// To give the VF back.
    Release(AttachmentKey),
    /// A step of the daemon, in its own words.
    Step(String),
}

impl fmt::Display for Purpose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Attach(key) => write!(f, "ADD of {key}"),
            Self::Release(key) => write!(f, "DEL of {key}"),
            Self::Step(step) => f.write_str(step),
        }
    }
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.purpose {
            Some(purpose) => write!(f, "process {} ({purpose})", self.pid),
            None => f.write_str("another process"),
        }
    }
}

impl Holder {
    /// Whether it is the daemon, or `railhead apply`, at a step of a plan.
    pub fn does_a_step(&self) -> bool {
        matches!(self.purpose, Some(Purpose::Step(_)))
    }

    /// Whether the VF will be in use when this one lets go.
    pub(super) fn attaches(&self) -> bool {
        matches!(self.purpose, Some(Purpose::Attach(_)))
    }

    /// Says in the file who has its lock.
    pub(super) fn write(&self, file: &File) {
        // Only messages depend on it: a full /run must not keep anybody from a lock.
        if let Ok(text) = serde_json::to_vec(self) {
            file.set_len(0).ok();
            file.write_all_at(&text, 0).ok();
        }
    }

    /// Reads who has the lock. What stands in the file is nobody's word: it may be anything.
    pub(super) fn read(file: &File) -> Self {
        let mut text = [0; LONGEST];
        let length = file.read_at(&mut text, 0).unwrap_or_default();
        let written = text.get(..length).unwrap_or_default();
        serde_json::from_slice(written).unwrap_or(Self { pid: 0, purpose: None })
    }
}

/// More than a holder takes: a key has at most some 300 octets, a step a few hundred.
const LONGEST: usize = 4096;
