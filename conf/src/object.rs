//! The envelope of a custom resource: `apiVersion`, `kind`, `metadata`, `spec`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::policy::Policy;
use crate::pool::{CidrPool, IpPool};
use crate::{Violation, Violations};

/// An object's metadata, as far as it matters here.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Metadata {
    /// Its name.
    pub name: String,
    /// Its namespace.
    pub namespace: Option<String>,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Its annotations.
    pub annotations: BTreeMap<String, String>,
    /// The number of its spec's version.
    pub generation: Option<i64>,
}

/// A custom resource that keeps every rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Object {
    /// SriovNetworkNodePolicy.
    Policy(Policy),
    /// IPPool.
    IpPool(IpPool),
    /// CIDRPool.
    CidrPool(CidrPool),
    /// A kind of railhead's API groups that this version does not act on.
    Unhandled {
        /// `GROUP/VERSION`.
        api_version: String,
        /// The kind.
        kind: String,
        /// The object's name.
        name: String,
    },
}

/// What reading one document came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Read {
    /// The kind it claims to be; empty when it claims none.
    pub kind: String,
    /// The name it claims to have; empty when it claims none.
    pub name: String,
    /// The rest of its metadata.
    pub metadata: Metadata,
    /// The object, or every rule that it breaks.
    pub object: Result<Object, Violations>,
    /// What is not wrong but surely not meant: unknown fields, kinds that nothing acts on.
    pub warnings: Vec<Violation>,
}

/// Reads one document. Never panics, whatever comes.
pub fn read(document: Value) -> Read {
    let refused = Violations(vec![Violation::new("kind", document, "is not read yet")]);
    Read {
        kind: String::new(),
        name: String::new(),
        metadata: Metadata::default(),
        object: Err(refused),
        warnings: Vec::new(),
    }
}

/// Reads one document that may be a list of objects (`kind: List`, as `kubectl get -o yaml`
/// prints).
pub fn read_all(document: Value) -> Vec<Read> {
    vec![read(document)]
}
