//! Kubernetes' NodeSelector (`core/v1`): terms of which one must match, each made of requirements
//! that must all match.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

/// Which nodes: one of the terms must match.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeSelector {
    /// At least one.
    pub terms: Vec<Term>,
}

/// Requirements that must all match; a term without any matches no node.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Term {
    /// On the node's labels.
    pub labels: Vec<Requirement>,
    /// On the node's name (`matchFields`, which knows `metadata.name` only).
    pub name: Vec<NameRequirement>,
}

/// One requirement on a label.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Requirement {
    /// The label's key.
    pub key: String,
    /// What its value must be.
    pub operator: Operator,
}

/// What a label's value must be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Operator {
    /// One of these.
    In(Vec<String>),
    /// None of these; a node without the label matches.
    NotIn(Vec<String>),
    /// Anything, but there.
    Exists,
    /// Not there.
    DoesNotExist,
    /// A whole number above this.
    Gt(i64),
    /// A whole number below this.
    Lt(i64),
}

/// What the node's name must or must not be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum NameRequirement {
    /// This.
    Is(String),
    /// Anything but this.
    IsNot(String),
}

impl NodeSelector {
    /// Whether the node with this name and these labels is meant.
    pub fn matches(&self, node_name: &str, labels: &BTreeMap<String, String>) -> bool {
        self.terms.iter().any(|term| term.matches(node_name, labels))
    }
}

impl Term {
    fn matches(&self, node_name: &str, labels: &BTreeMap<String, String>) -> bool {
        let empty = self.labels.is_empty() && self.name.is_empty();
        !empty
            && self.labels.iter().all(|requirement| requirement.matches(labels))
            && self.name.iter().all(|requirement| match requirement {
                NameRequirement::Is(name) => name == node_name,
                NameRequirement::IsNot(name) => name != node_name,
            })
    }
}

impl Requirement {
    fn matches(&self, labels: &BTreeMap<String, String>) -> bool {
        let value = labels.get(&self.key);
        let number = || value.and_then(|value| value.parse::<i64>().ok());
        match &self.operator {
            Operator::In(values) => value.is_some_and(|value| values.contains(value)),
            Operator::NotIn(values) => value.is_none_or(|value| !values.contains(value)),
            Operator::Exists => value.is_some(),
            Operator::DoesNotExist => value.is_none(),
            Operator::Gt(bound) => number().is_some_and(|number| number > *bound),
            Operator::Lt(bound) => number().is_some_and(|number| number < *bound),
        }
    }
}

impl fmt::Display for Operator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::In(values) => write!(f, "In {}", values.join(",")),
            Self::NotIn(values) => write!(f, "NotIn {}", values.join(",")),
            Self::Exists => f.write_str("Exists"),
            Self::DoesNotExist => f.write_str("DoesNotExist"),
            Self::Gt(bound) => write!(f, "Gt {bound}"),
            Self::Lt(bound) => write!(f, "Lt {bound}"),
        }
    }
}
