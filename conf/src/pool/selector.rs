//! Kubernetes' NodeSelector (`core/v1`): terms of which one must match, each made of requirements
//! that must all match.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::violation::quoted;
use crate::{ParseError, Violation, Violations};

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

/// A selector as it is written.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase", expecting = "an object")]
pub(crate) struct NodeSelectorSpec {
    node_selector_terms: Vec<TermSpec>,
}

/// One of `nodeSelectorTerms`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase", expecting = "an object")]
pub(crate) struct TermSpec {
    match_expressions: Vec<RequirementSpec>,
    match_fields: Vec<RequirementSpec>,
}

/// One of `matchExpressions` or `matchFields`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, expecting = "an object")]
pub(crate) struct RequirementSpec {
    key: String,
    operator: String,
    values: Vec<String>,
}

/// Checks `spec.nodeSelector`. A selector that is there must have terms: one without could mean
/// every node or none.
pub(super) fn check(
    spec: Option<&NodeSelectorSpec>,
    broken: &mut Violations,
) -> Option<NodeSelector> {
    const AT: &str = "spec.nodeSelector.nodeSelectorTerms";
    let spec = spec?;
    broken.require(
        !spec.node_selector_terms.is_empty(),
        AT,
        "",
        "must hold a term; leave nodeSelector out to select every node",
    );
    let term = |(at, term): (usize, &TermSpec)| Term {
        labels: each(
            &format!("{AT}[{at}].matchExpressions"),
            &term.match_expressions,
            label,
            broken,
        ),
        name: each(&format!("{AT}[{at}].matchFields"), &term.match_fields, name, broken),
    };
    Some(NodeSelector { terms: spec.node_selector_terms.iter().enumerate().map(term).collect() })
}

/// What `read` makes of each requirement of the list at `path`.
fn each<T>(
    path: &str,
    specs: &[RequirementSpec],
    read: impl Fn(&RequirementSpec) -> Result<T, (&'static str, String, ParseError)>,
    broken: &mut Violations,
) -> Vec<T> {
    let mut out = Vec::with_capacity(specs.len());
    for (at, spec) in specs.iter().enumerate() {
        match read(spec) {
            Ok(requirement) => out.push(requirement),
            Err((field, value, error)) => {
                broken.push(Violation::new(format!("{path}[{at}].{field}"), value, error.rule));
            }
        }
    }
    out
}

/// One of `matchExpressions`, or the field of it that is wrong, its value, and the rule.
fn label(spec: &RequirementSpec) -> Result<Requirement, (&'static str, String, ParseError)> {
    let wrong =
        |field, value: &str, rule: &str| Err((field, value.to_owned(), ParseError::new(rule)));
    let values = || spec.values.clone();
    let listed =
        format!("[{}]", spec.values.iter().map(|v| quoted(v)).collect::<Vec<_>>().join(","));
    if !crate::name::is_label_key(&spec.key) {
        return wrong("key", &quoted(&spec.key), "must be a label's key, like kubernetes.io/os");
    }
    let number = || match spec.values.as_slice() {
        [one] => one.parse::<i64>().ok(),
        _ => None,
    };
    let operator = match spec.operator.as_str() {
        "In" | "NotIn" if spec.values.is_empty() => {
            return wrong("values", "", "must hold a value for In and NotIn");
        }
        "Exists" | "DoesNotExist" if !spec.values.is_empty() => {
            return wrong("values", &listed, "must be empty for Exists and DoesNotExist");
        }
        "In" => Operator::In(values()),
        "NotIn" => Operator::NotIn(values()),
        "Exists" => Operator::Exists,
        "DoesNotExist" => Operator::DoesNotExist,
        "Gt" | "Lt" => match number() {
            None => return wrong("values", &listed, "must be one whole number for Gt and Lt"),
            Some(bound) if spec.operator == "Gt" => Operator::Gt(bound),
            Some(bound) => Operator::Lt(bound),
        },
        other => {
            let rule = "must be In, NotIn, Exists, DoesNotExist, Gt or Lt";
            return wrong("operator", &quoted(other), rule);
        }
    };
    Ok(Requirement { key: spec.key.clone(), operator })
}

/// One of `matchFields`: Kubernetes knows a node's name only.
fn name(spec: &RequirementSpec) -> Result<NameRequirement, (&'static str, String, ParseError)> {
    let wrong = |field, value: &str, rule: &str| Err((field, quoted(value), ParseError::new(rule)));
    if spec.key != "metadata.name" {
        return wrong("key", &spec.key, "must be metadata.name");
    }
    match (spec.operator.as_str(), spec.values.as_slice()) {
        ("In", [name]) => Ok(NameRequirement::Is(name.clone())),
        ("NotIn", [name]) => Ok(NameRequirement::IsNot(name.clone())),
        ("In" | "NotIn", values) => wrong("values", &values.join(","), "must be one name"),
        (other, _) => wrong("operator", other, "must be In or NotIn"),
    }
}

#[cfg(test)]
mod tests;
