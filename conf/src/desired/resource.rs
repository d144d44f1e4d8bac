//! What holds for a resource on the whole node, whichever PFs its VFs are on.
//!
//! A scheduler sees one resource: whether the NUMA node of its devices counts is one setting. The
//! highest policy that gives VFs of it decides; another is told that its wish is lost.

use std::collections::BTreeMap;

use super::merge::precedence;
use super::verdict::{Loss, Verdict};
use super::{Desired, VfGroup};
use crate::ResourceName;
use crate::policy::Policy;

/// Makes all groups of one resource agree; `ranked` has the highest policy first.
pub(super) fn agree(ranked: &[&Policy], desired: &mut Desired) {
    let mut deciding: BTreeMap<&ResourceName, &Policy> = BTreeMap::new();
    for policy in ranked {
        let gives = |group: &VfGroup| group.policy == policy.name;
        if desired.pfs.values().any(|pf| pf.groups.iter().any(gives)) {
            deciding.entry(&policy.resource).or_insert(policy);
        }
    }
    for (address, pf) in &mut desired.pfs {
        for group in &mut pf.groups {
            let Some(above) = deciding.get(&group.resource) else { continue };
            let below = ranked.iter().find(|policy| policy.name == group.policy);
            let Some(below) = below.filter(|_| group.exclude_topology != above.exclude_topology)
            else {
                continue;
            };
            let loss = Loss {
                wish: format!("excludeTopology {}", group.exclude_topology),
                to: above.name.clone(),
                why: format!(
                    "it holds for all of resource {}; {}",
                    group.resource,
                    precedence(above, below)
                ),
            };
            group.exclude_topology = above.exclude_topology;
            let outcome = desired.policies.entry(group.policy.clone()).or_default();
            if let Some(verdict) = outcome.pfs.get_mut(address) {
                verdict.lose(loss);
            }
        }
    }
}

impl Verdict {
    /// Adds a wish that is lost to what is in force all the same; once, however many groups of the
    /// policy are concerned.
    fn lose(&mut self, loss: Loss) {
        match self {
            Self::Applied { ranges } => {
                *self = Self::PartlyLost { ranges: std::mem::take(ranges), lost: vec![loss] };
            }
            Self::PartlyLost { lost, .. } if !lost.contains(&loss) => lost.push(loss),
            _ => {}
        }
    }
}
