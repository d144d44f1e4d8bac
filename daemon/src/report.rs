//! What this node tells others: its SriovNetworkNodeState.
//!
//! ```text
//! Snapshot, Desired, how each PF fared, Standing of pools, Problems --> state::build --> Report
//!                                                          (directory | API server) <------+
//! ```

use conf::node_state::NodeState;
use ipam::durable::FileError;

mod conditions;
pub mod directory;
mod state;
mod time;

pub use conditions::ConditionType;
pub use directory::Directory;
pub use state::{Facts, PfFate, build};
pub use time::Timestamp;

/// Makes this node's state known: to whoever reads a directory, or to an API server.
pub trait Report {
    /// Publishes `state`; `false`, and nothing written, when that is what was published last.
    ///
    /// Times of conditions whose status did not change stay what they were.
    fn publish(&self, state: &NodeState) -> Result<bool, ReportError>;
}

/// A state that could not be published.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// A file operation failed.
    #[error(transparent)]
    File(#[from] FileError),
    /// The state has no name that a file can have.
    #[error("report the state of node {name:?}: not a node's name")]
    Name {
        /// The name.
        name: String,
    },
}
