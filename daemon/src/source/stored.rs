//! Objects as they are kept on disk: what keeps every rule, by kind and name.

use std::collections::BTreeMap;

use conf::object::Object;
use conf::policy::Policy;
use conf::pool::{CidrPool, IpPool};
use serde::{Deserialize, Serialize};

use super::{Known, ObjectRef, Objects, Origin};

/// A set of objects that files can hold. Equal are two that say the same, wherever it stands.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct StoredObjects(Vec<StoredObject>);

/// One object.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct StoredObject {
    at: ObjectRef,
    origin: Origin,
    #[serde(skip_serializing_if = "Option::is_none")]
    generation: Option<i64>,
    #[serde(flatten)]
    spec: Spec,
}

/// What an object says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Spec {
    Policy(Policy),
    IpPool(IpPool),
    CidrPool(CidrPool),
}

impl StoredObjects {
    /// What is kept of a snapshot. By kind and name: in which order files were read is no change.
    pub fn of(objects: &Objects) -> Self {
        let sorted: BTreeMap<&ObjectRef, &Known> =
            objects.known.iter().map(|known| (&known.at, known)).collect();
        Self(sorted.into_values().filter_map(StoredObject::of).collect())
    }

    /// The snapshot that has these objects.
    pub fn into_objects(self) -> Objects {
        let known = self.0.into_iter().map(|stored| Known {
            at: stored.at,
            origin: stored.origin,
            generation: stored.generation,
            object: match stored.spec {
                Spec::Policy(policy) => Object::Policy(policy),
                Spec::IpPool(pool) => Object::IpPool(pool),
                Spec::CidrPool(pool) => Object::CidrPool(pool),
            },
            kept: true,
        });
        Objects { known: known.collect(), ..Objects::default() }
    }
}

impl PartialEq for StoredObjects {
    fn eq(&self, other: &Self) -> bool {
        let says = |stored: &Self| -> Vec<_> {
            stored.0.iter().map(|object| (object.at.clone(), object.spec.clone())).collect()
        };
        says(self) == says(other)
    }
}

impl StoredObject {
    /// What is kept of `known`: nothing when it is of a kind that is not acted upon.
    fn of(known: &Known) -> Option<Self> {
        let spec = match &known.object {
            Object::Policy(policy) => Spec::Policy(policy.clone()),
            Object::IpPool(pool) => Spec::IpPool(pool.clone()),
            Object::CidrPool(pool) => Spec::CidrPool(pool.clone()),
            Object::Skipped { .. } => return None,
        };
        Some(Self {
            at: known.at.clone(),
            origin: known.origin.clone(),
            generation: known.generation,
            spec,
        })
    }
}
