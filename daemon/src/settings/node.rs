//! Which node this is, when no API server says so.

use std::collections::BTreeMap;
use std::fmt;

use conf::ParseError;

/// A node's name: an RFC 1123 subdomain, as the API server demands; so it can be a file's name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct NodeName(String);

impl NodeName {
    /// `name`, if it is one.
    pub fn new(name: &str) -> Result<Self, ParseError> {
        let word = |part: &str| {
            let inner = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
            let bytes = part.as_bytes();
            bytes.iter().all(|byte| inner(byte) || *byte == b'-')
                && bytes.first().is_some_and(inner)
                && bytes.last().is_some_and(inner)
        };
        if name.len() <= 253 && name.split('.').all(word) {
            Ok(Self(name.to_owned()))
        } else {
            Err(ParseError::new(
                "must be 1 to 253 lower-case letters, digits, '-' and '.', each part between dots \
                 beginning and ending with a letter or digit",
            ))
        }
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for NodeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A node as selectors see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Its name.
    pub name: NodeName,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
}

impl Node {
    /// A node with the labels that kubelet gives every node, and `labels`, which win.
    pub fn new(name: NodeName, labels: BTreeMap<String, String>) -> Self {
        let arch = match std::env::consts::ARCH {
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
