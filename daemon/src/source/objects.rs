//! All objects of one snapshot.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use conf::block::{PoolKind, PoolRef};
use conf::object::{self, Object};
use conf::policy::Policy;
use conf::printable::Printable;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{FileRefusal, Notice, Origin, Problem, Skipped, SourceFile, yaml};
use crate::claims::Pool;

/// An object by kind and name. Namespaces do not count: a node has none.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ObjectRef {
    /// Its kind; empty when it claims none.
    pub kind: String,
    /// Its name; empty when it claims none.
    pub name: String,
}

impl ObjectRef {
    /// A policy.
    pub fn policy(name: &str) -> Self {
        Self { kind: "SriovNetworkNodePolicy".to_owned(), name: name.to_owned() }
    }

    /// A pool.
    pub fn pool(pool: &PoolRef) -> Self {
        let kind = match pool.kind {
            PoolKind::IpPool => "IPPool",
            PoolKind::CidrPool => "CIDRPool",
        };
        Self { kind: kind.to_owned(), name: pool.name.to_string() }
    }

    /// The pool that it is; `None` when it is none, or its name is none that a pool can have.
    pub fn to_pool(&self) -> Option<PoolRef> {
        Some(PoolRef { kind: self.kind.parse().ok()?, name: self.name.parse().ok()? })
    }
}

impl fmt::Display for ObjectRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.kind.as_str(), self.name.as_str()) {
            ("", "") => f.write_str("document"),
            ("", name) => write!(f, "object {}", Printable(name)),
            (kind, "") => write!(f, "{} without a name", Printable(kind)),
            (kind, name) => write!(f, "{} {}", Printable(kind), Printable(name)),
        }
    }
}

/// An object that keeps every rule.
#[derive(Debug, Clone, PartialEq)]
pub struct Known {
    /// Which one.
    pub at: ObjectRef,
    /// Where it stands.
    pub origin: Origin,
    /// The number of its spec's version, where the source counts.
    pub generation: Option<i64>,
    /// The object.
    pub object: Object,
    /// Whether this is an older version, kept because the present one cannot be used.
    pub kept: bool,
}

/// A snapshot: what is there, and what is wrong with it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Objects {
    /// What keeps every rule, in the order of the files.
    pub known: Vec<Known>,
    /// What did not become an object.
    pub problems: Vec<Problem>,
    /// What is surely not meant.
    pub notices: Vec<Notice>,
    /// What is none of railhead's business, or not yet.
    pub skipped: Skipped,
}

impl Objects {
    /// The objects of `files`, in order; of two with one kind and name the first counts.
    pub fn of_files(files: &[SourceFile]) -> Self {
        let mut objects = Self::default();
        let mut first = BTreeMap::new();
        for file in files {
            match yaml::documents(&file.content) {
                Ok(documents) => {
                    for (at, document) in documents.into_iter().enumerate() {
                        let origin = Origin {
                            file: file.path.clone(),
                            document: at + 1,
                            line: document.line,
                        };
                        objects.add(&origin, document.value, &mut first);
                    }
                }
                Err(why) => objects.refuse(file, why),
            }
        }
        objects
    }

    /// The policies.
    pub fn policies(&self) -> impl Iterator<Item = &Policy> {
        self.known.iter().filter_map(|known| match &known.object {
            Object::Policy(policy) => Some(policy),
            _ => None,
        })
    }

    /// The pools of both kinds.
    pub fn pools(&self) -> impl Iterator<Item = Pool> {
        self.known.iter().filter_map(|known| match &known.object {
            Object::IpPool(pool) => Some(Pool::Ip(pool.clone())),
            Object::CidrPool(pool) => Some(Pool::Cidr(pool.clone())),
            _ => None,
        })
    }

    /// The version of an object's spec, where the source counts.
    pub fn generation(&self, at: &ObjectRef) -> Option<i64> {
        self.known.iter().find(|known| known.at == *at)?.generation
    }

    /// Whether every file could be read.
    pub fn is_readable(&self) -> bool {
        !self.problems.iter().any(|problem| matches!(problem, Problem::File { .. }))
    }

    /// Whether of everything that is there it is known which object it is: if not, one that is
    /// missing may well be there.
    pub fn is_complete(&self) -> bool {
        !self.problems.iter().any(Problem::hides_an_object)
    }

    /// This snapshot with older versions, from `last`, of what cannot be used now: of an object
    /// that is invalid, and of every missing one while the snapshot is incomplete.
    ///
    /// So a typo stops nothing that works, and least of all takes VFs away.
    pub fn keeping(mut self, last: &Self) -> Self {
        let incomplete = !self.is_complete();
        let present: BTreeSet<ObjectRef> =
            self.known.iter().map(|known| known.at.clone()).collect();
        let invalid: BTreeSet<ObjectRef> =
            self.problems.iter().filter_map(|problem| problem.object().cloned()).collect();
        let wanted = |known: &&Known| {
            !present.contains(&known.at) && (incomplete || invalid.contains(&known.at))
        };
        let kept = last.known.iter().filter(wanted).cloned();
        self.known.extend(kept.map(|known| Known { kept: true, ..known }));
        self
    }

    /// Adds what a document says; lists are unrolled.
    fn add(&mut self, origin: &Origin, document: Value, first: &mut BTreeMap<ObjectRef, Origin>) {
        for read in object::read_all(document) {
            let at = ObjectRef { kind: read.kind, name: read.name };
            self.notices.extend(read.warnings.into_iter().map(|what| Notice {
                origin: origin.clone(),
                object: at.clone(),
                what,
            }));
            if let Ok(Object::Skipped { is_known }) = read.object {
                self.skipped.add(at.kind, is_known);
                continue;
            }
            if let Some(first) = first.get(&at) {
                self.problems.push(Problem::Duplicate {
                    origin: origin.clone(),
                    object: at,
                    first: first.clone(),
                });
                continue;
            }
            if !at.name.is_empty() {
                first.insert(at.clone(), origin.clone());
            }
            match read.object {
                Ok(object) => self.known.push(Known {
                    at,
                    origin: origin.clone(),
                    generation: read.generation,
                    object,
                    kept: false,
                }),
                Err(violations) => self.problems.push(Problem::Object {
                    origin: origin.clone(),
                    object: at,
                    violations,
                }),
            }
        }
    }

    fn refuse(&mut self, file: &SourceFile, why: FileRefusal) {
        self.problems.push(Problem::File { file: file.path.clone(), why });
    }
}

#[cfg(test)]
mod tests;
