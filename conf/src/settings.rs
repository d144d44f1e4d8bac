//! `railhead.yaml`: what the admin of one node decides.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{Violation, Violations};

/// The settings of one node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Settings {
    /// The node's name in directory mode; `None` for the host name.
    pub node_name: Option<String>,
    /// The node's labels in directory mode.
    pub node_labels: BTreeMap<String, String>,
    /// Which blocks of a pool are this host's in directory mode; `None` when pools cannot be used.
    pub standalone: Option<Standalone>,
    /// The domain of extended resources: `PREFIX/RESOURCE`.
    pub resource_prefix: String,
    /// What may be interrupted.
    pub guard: Guard,
    /// How long a freed address is not given out again, in seconds.
    pub cooldown_seconds: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            node_name: None,
            node_labels: BTreeMap::new(),
            standalone: None,
            resource_prefix: "nvidia.com".to_owned(),
            guard: Guard::default(),
            cooldown_seconds: 30,
        }
    }
}

/// This host among the hosts that share pools with no arbiter between them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standalone {
    /// This host's number, from 0, below `hosts`.
    pub host: u32,
    /// How many hosts share the pools.
    pub hosts: u32,
}

/// Which management NICs may be interrupted all the same.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Guard {
    /// PF names or PCI addresses.
    pub allow: Vec<String>,
}

/// Reads `railhead.yaml`; the second of the pair are warnings (unknown keys).
pub fn read(document: Value) -> Result<(Settings, Vec<Violation>), Violations> {
    serde_json::from_value(document)
        .map(|settings| (settings, Vec::new()))
        .map_err(|e| Violations(vec![Violation::new("", "", e.to_string())]))
}
