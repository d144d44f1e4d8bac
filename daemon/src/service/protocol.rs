//! What goes over the daemon's socket: JSON, one value a line. A client asks once; the daemon
//! answers with any number of lines and closes. A client that closes its end before that is gone.

use serde::{Deserialize, Serialize};

use crate::apply::Event;
use crate::reconcile::Outcome;

/// The longest line that is read from a client.
pub const LONGEST: u64 = 64 << 10;

/// What a client asks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "verb", rename_all = "camelCase")]
pub enum Request {
    /// Bring the host to what is written by now, and tell of it. Ends with [`Reply::Outcome`].
    Apply,
    /// Tell how the daemon is. Ends with [`Reply::Status`].
    Status,
}

/// What the daemon answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Reply {
    /// Something happened in a pass.
    Progress(Event),
    /// A pass that began after the request is at its end.
    Outcome(Outcome),
    /// How the daemon is.
    Status(DaemonStatus),
    /// The request was not understood, or the pass could not be made.
    Error(String),
}

/// How a daemon is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DaemonStatus {
    /// Its process.
    pub pid: u32,
    /// Its version.
    pub version: String,
    /// What it does at the moment.
    pub activity: Activity,
    /// How many passes it has made.
    pub passes: u64,
    /// What the last of them came to.
    pub last: Option<Outcome>,
}

/// What a daemon does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Activity {
    /// Waits for something to happen.
    Idle,
    /// Makes a pass.
    Working,
}
