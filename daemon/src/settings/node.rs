//! Which node this is, when no API server says so.

use std::collections::BTreeMap;

use conf::NodeName;

/// A node as selectors see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Its name.
    pub name: NodeName,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
}

impl Node {
    /// A node with the labels that kubelet gives every node, and `labels`, which win; of this
    /// program's architecture.
    pub fn new(name: NodeName, labels: BTreeMap<String, String>) -> Self {
        Self::on(std::env::consts::ARCH, name, labels)
    }

    /// The same on a machine of that architecture, as `uname -m` names it.
    pub fn on(machine: &str, name: NodeName, labels: BTreeMap<String, String>) -> Self {
        let arch = match machine {
            "x86_64" => "amd64",
            "aarch64" => "arm64",
            other => other,
        };
        let kubelets = [
            ("kubernetes.io/arch", arch),
            ("kubernetes.io/hostname", name.as_str()),
            ("kubernetes.io/os", "linux"),
        ];
        let mut all: BTreeMap<String, String> =
            kubelets.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        all.extend(labels);
        Self { name, labels: all }
    }
}
