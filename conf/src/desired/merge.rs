//! All policies' claims on one PF, merged.
//!
//! 1. The lowest priority number wins; of equal ones the last name. The winner's eSwitchMode,
//!    linkType and externallyManaged hold for the whole PF.
//! 2. Groups are taken from the winner downwards. One that overlaps a group already taken is
//!    dropped as a whole; so is one of the same resource, if its policy's priority is not that of
//!    the group taken: a higher policy redefines the resource. (Equal ones share it.)
//! 3. The PF's number of VFs, and its MTU, is the largest among the winner, its equals in
//!    priority, and every policy with a group that was taken. (An equal that has lost all its VFs
//!    does not count where it asks for more than the PF can have.)
//! 4. A policy of these that asks for the impossible stops the PF: nothing on it is touched. To
//!    leave that policy out instead could take VFs away because of a slip in a number.
//!
//! Downwards, because so a policy loses only to what is in force: one that has itself lost takes
//! nothing from those below it.

use std::collections::BTreeMap;

use super::matching::Claim;
use super::verdict::{Loss, Refusal, Verdict};
use super::{DesiredPf, Pf, VfGroup};
use crate::policy::{EswitchMode, LinkType, Policy};
use crate::{VfRange, Violation};

/// A group that was taken, and whose it is.
struct Taken<'a> {
    policy: &'a Policy,
    range: VfRange,
}

/// What became of one claim.
struct Share<'a> {
    policy: &'a Policy,
    ranges: Vec<VfRange>,
    lost: Vec<Loss>,
}

/// Merges `claims`, the winner's first, into what `pf` should be; `None` without claims.
pub(super) fn merge(
    pf: &Pf,
    claims: &[Claim<'_>],
) -> Option<(DesiredPf, BTreeMap<String, Verdict>)> {
    let winner = claims.first()?.policy;
    let mut taken = Vec::new();
    let shares: Vec<_> = claims.iter().map(|claim| share(claim, winner, pf, &mut taken)).collect();
    let shaping: Vec<_> = shares.iter().filter(|share| shapes(share, winner, pf)).collect();

    let refused: Vec<_> = shaping.iter().flat_map(|share| refusals(share, winner, pf)).collect();
    let verdicts =
        shares.iter().map(|share| (share.policy.name.clone(), verdict(share, &refused))).collect();
    taken.sort_by_key(|group| group.range);
    let desired = DesiredPf {
        num_vfs: shaping.iter().map(|share| share.policy.num_vfs).max().unwrap_or_default(),
        mtu: shaping.iter().filter_map(|share| share.policy.mtu).max(),
        externally_managed: winner.externally_managed,
        eswitch_mode: winner.eswitch_mode,
        link_type: winner.link_type,
        groups: taken.iter().map(group).collect(),
        policies: shaping.iter().map(|share| share.policy.name.clone()).collect(),
        refused,
    };
    Some((desired, verdicts))
}

/// Takes of a claim what nobody above has, and says what is lost.
fn share<'a>(claim: &Claim<'a>, winner: &Policy, pf: &Pf, taken: &mut Vec<Taken<'a>>) -> Share<'a> {
    let policy = claim.policy;
    let (mut ranges, mut lost) = (Vec::new(), Vec::new());
    // One policy's ranges are disjoint and do not compete with each other.
    let above = taken.len();
    for range in &claim.ranges {
        let rivals = taken.iter().take(above);
        match rivals.filter_map(|rival| Some((rival, conflict(policy, *range, rival)?))).next() {
            Some((rival, conflict)) => lost.push(Loss {
                wish: format!("VFs {range}"),
                to: rival.policy.name.clone(),
                why: format!("{conflict}; {}", precedence(rival.policy, policy)),
            }),
            None => ranges.push(*range),
        }
    }
    taken.extend(ranges.iter().map(|range| Taken { policy, range: *range }));
    if !ranges.is_empty() {
        lost.extend(overridden(policy, winner, pf));
    }
    Share { policy, ranges, lost }
}

/// Why `range` of `policy` cannot be had beside a group of a policy above it.
fn conflict(policy: &Policy, range: VfRange, rival: &Taken<'_>) -> Option<String> {
    if range.overlaps(rival.range) {
        return Some(format!("its VFs {} overlap", rival.range));
    }
    let redefined =
        policy.resource == rival.policy.resource && policy.priority != rival.policy.priority;
    redefined.then(|| format!("it redefines resource {}", policy.resource))
}

/// Why `above` wins.
pub(super) fn precedence(above: &Policy, below: &Policy) -> String {
    if above.priority == below.priority {
        format!("equal priority {}, the last name wins", above.priority)
    } else {
        format!("priority {} beats {}", above.priority, below.priority)
    }
}

/// What `policy` wishes for the whole PF and the winner decides otherwise.
fn overridden(policy: &Policy, winner: &Policy, pf: &Pf) -> Vec<Loss> {
    let lost = |differs: bool, wish: String| {
        differs.then(|| Loss {
            wish,
            to: winner.name.clone(),
            why: format!("it holds for the whole PF; {}", precedence(winner, policy)),
        })
    };
    let link_type = policy.link_type.filter(|_| lost_link_type(policy, winner, pf));
    [
        lost(
            policy.eswitch_mode != winner.eswitch_mode,
            format!("eSwitchMode {}", policy.eswitch_mode),
        ),
        link_type.and_then(|link_type| lost(true, format!("linkType {link_type}"))),
        lost(
            policy.externally_managed != winner.externally_managed,
            format!("externallyManaged {}", policy.externally_managed),
        ),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Whether `policy` asks for a link type that the PF does not have and the winner does not want.
fn lost_link_type(policy: &Policy, winner: &Policy, pf: &Pf) -> bool {
    policy
        .link_type
        .is_some_and(|asked| winner.link_type != Some(asked) && pf.link_type != Some(asked))
}

/// Whether the policy counts for the PF as a whole.
fn shapes(share: &Share<'_>, winner: &Policy, pf: &Pf) -> bool {
    // A policy that has lost all its VFs must not stop the PF by asking for too many.
    let equal = share.policy.priority == winner.priority && share.policy.num_vfs <= pf.total_vfs;
    share.policy.name == winner.name || equal || !share.ranges.is_empty()
}

/// What a policy that shapes the PF asks in vain.
fn refusals(share: &Share<'_>, winner: &Policy, pf: &Pf) -> Vec<Refusal> {
    let policy = share.policy;
    let name = || policy.name.clone();
    let unsupported =
        |field: Violation| Refusal::Unsupported { policy: name(), pf: pf.label(), field };
    let mut out = Vec::new();
    if policy.num_vfs > pf.total_vfs {
        let (wanted, limit) = (policy.num_vfs, pf.total_vfs);
        out.push(Refusal::TooManyVfs { policy: name(), pf: pf.label(), wanted, limit });
    }
    // Where the winner decides otherwise the wish is lost and not refused; what depends on
    // switchdev (vdpaType, bridge) goes with it.
    let decides = policy.eswitch_mode == winner.eswitch_mode
        && !lost_link_type(policy, winner, pf)
        && !share.ranges.is_empty();
    if decides {
        out.extend(policy.unsupported.iter().cloned().map(unsupported));
    }
    if decides {
        out.extend(modes(policy, pf).map(unsupported));
    }
    out
}

/// What the PF is set to and `policy` does not reckon with.
fn modes(policy: &Policy, pf: &Pf) -> impl Iterator<Item = Violation> {
    let link_type = match (policy.link_type, pf.link_type) {
        (Some(LinkType::Ethernet), Some(LinkType::InfiniBand)) => Some(Violation::new(
            "spec.linkType",
            "\"eth\"",
            "differs from the PF's, which is ib; changing it is not supported yet",
        )),
        (None, Some(LinkType::InfiniBand)) => Some(Violation::new(
            "spec.linkType",
            "",
            "none is given and the PF's is ib, where a VF is of no use without GUIDs, which are \
             not supported yet; leave this PF out of nicSelector",
        )),
        _ => None,
    };
    let is_legacy = policy.eswitch_mode == EswitchMode::Legacy;
    let eswitch_mode = (is_legacy && pf.switchdev).then(|| {
        Violation::new(
            "spec.eSwitchMode",
            "",
            format!(
                "legacy is asked for, as where none is given, and the PF is in switchdev mode, \
                 where frames of VFs end in representors that nobody bridges; changing it is not \
                 supported yet: `devlink dev eswitch set pci/{} mode legacy`",
                pf.address
            ),
        )
    });
    link_type.into_iter().chain(eswitch_mode)
}

fn verdict(share: &Share<'_>, refused: &[Refusal]) -> Verdict {
    let own: Vec<_> =
        refused.iter().filter(|refusal| refusal.policy() == share.policy.name).cloned().collect();
    let (ranges, lost) = (share.ranges.clone(), share.lost.clone());
    if !own.is_empty() {
        Verdict::Refused { refusals: own }
    } else if ranges.is_empty() {
        Verdict::Lost { lost }
    } else if !refused.is_empty() {
        Verdict::HeldBack { by: refused.to_vec() }
    } else if lost.is_empty() {
        Verdict::Applied { ranges }
    } else {
        Verdict::PartlyLost { ranges, lost }
    }
}

fn group(taken: &Taken<'_>) -> VfGroup {
    let policy = taken.policy;
    VfGroup {
        policy: policy.name.clone(),
        resource: policy.resource.clone(),
        range: taken.range,
        device_type: policy.device_type,
        mtu: policy.mtu,
        is_rdma: policy.is_rdma,
        need_vhost_net: policy.need_vhost_net,
        exclude_topology: policy.exclude_topology,
        vdpa_type: policy.vdpa_type,
    }
}
