//! The directory form of [`Report`]: `/var/lib/railhead/objects/SriovNetworkNodeState-NODE.json`.

use std::path::PathBuf;

use conf::NodeName;
use conf::node_state::{Condition, NodeState};
use ipam::Root;
use ipam::durable::{self, FileError};

use super::{Report, ReportError};

/// The directory of results.
#[derive(Debug, Clone)]
pub struct Directory {
    path: PathBuf,
}

impl Directory {
    /// The results under `root`.
    pub fn new(root: &Root) -> Self {
        Self { path: root.state().join("objects") }
    }

    /// The state of `node` that was published last; `None` when there is none that can be read.
    pub fn published(&self, node: &NodeName) -> Result<Option<NodeState>, FileError> {
        let bytes = durable::read_optional(&self.file(node))?;
        Ok(bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok()))
    }

    fn file(&self, node: &NodeName) -> PathBuf {
        self.path.join(format!("SriovNetworkNodeState-{node}.json"))
    }
}

impl Report for Directory {
    fn publish(&self, state: &NodeState) -> Result<bool, ReportError> {
        let name = &state.metadata.name;
        let node: NodeName =
            name.parse().map_err(|_rule| ReportError::Name { name: name.clone() })?;
        let mut state = state.clone();
        if let Some(before) = self.published(&node)? {
            keep_times(&mut state.status.conditions, &before.status.conditions);
        }
        let path = self.file(&node);
        let mut bytes = serde_json::to_vec_pretty(&state)
            .map_err(std::io::Error::other)
            .map_err(FileError::at("encode", &path))?;
        bytes.push(b'\n');
        Ok(durable::write_if_changed(&path, &bytes)?)
    }
}

/// A condition's time is when its status last changed, not when it was last looked at.
fn keep_times(conditions: &mut [Condition], before: &[Condition]) {
    for condition in conditions {
        let same =
            |old: &&Condition| old.r#type == condition.r#type && old.status == condition.status;
        if let Some(old) = before.iter().find(same) {
            condition.last_transition_time.clone_from(&old.last_transition_time);
        }
    }
}

#[cfg(test)]
mod tests;
