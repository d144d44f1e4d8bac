//! Which PFs of the node a policy is for, and when none, why.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::verdict::NoMatch;
use super::{Node, Other, Pf};
use crate::document::nearest;
use crate::policy::{NicSelector, Policy};
use crate::{PciId, VfRange};

/// What a policy wants of one PF.
#[derive(Debug, Clone)]
pub(super) struct Claim<'a> {
    pub(super) policy: &'a Policy,
    /// The VFs, in order, disjoint.
    pub(super) ranges: Vec<VfRange>,
}

/// Why `policy` is not for `node`, whatever its PFs.
pub(super) fn unfit(policy: &Policy, node: &Node) -> Option<NoMatch> {
    let label =
        policy.node_selector.iter().find(|(key, value)| node.labels.get(*key) != Some(*value));
    if let Some((key, value)) = label {
        let here = node.labels.get(key).cloned();
        return Some(NoMatch::OtherNode { label: format!("{key}={value}"), here });
    }
    (policy.num_vfs == 0).then_some(NoMatch::NoVfs)
}

/// What `policy` wants of `pf`; `None` when it is not for it.
pub(super) fn claim<'a>(policy: &'a Policy, pf: &Pf) -> Option<Claim<'a>> {
    let nic = &policy.nic;
    let meant = criteria(nic).into_iter().all(|criterion| criterion.met(nic, pf));
    meant.then(|| Claim { policy, ranges: ranges(policy, pf) })
}

/// The VFs of `pf` that `policy` means: all ranges that its name or an altname is given with,
/// or every VF. Ranges that overlap become one.
fn ranges(policy: &Policy, pf: &Pf) -> Vec<VfRange> {
    let whole = VfRange::whole(policy.num_vfs);
    let entries = policy.nic.pf_names.iter().filter(|entry| is_named(pf, &entry.name));
    let mut wanted: Vec<VfRange> = entries.filter_map(|entry| entry.range.or(whole)).collect();
    if policy.nic.pf_names.is_empty() {
        wanted.extend(whole);
    }
    wanted.sort();
    let mut out: Vec<VfRange> = Vec::with_capacity(wanted.len());
    for range in wanted {
        match out.last_mut().filter(|before| before.overlaps(range)) {
            Some(before) => *before = before.span(range),
            None => out.push(range),
        }
    }
    out
}

/// One part of a NIC selector.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Criterion {
    Vendor,
    Device,
    RootDevices,
    PfNames,
    NetFilter,
}

/// The parts that `nic` has.
fn criteria(nic: &NicSelector) -> Vec<Criterion> {
    [
        (Criterion::Vendor, nic.vendor.is_some()),
        (Criterion::Device, nic.device.is_some()),
        (Criterion::RootDevices, !nic.root_devices.is_empty()),
        (Criterion::PfNames, !nic.pf_names.is_empty()),
        (Criterion::NetFilter, nic.net_filter.is_some()),
    ]
    .into_iter()
    .filter_map(|(criterion, given)| given.then_some(criterion))
    .collect()
}

impl Criterion {
    fn met(self, nic: &NicSelector, pf: &Pf) -> bool {
        match self {
            Self::Vendor => nic.vendor == Some(pf.vendor),
            Self::Device => nic.device == Some(pf.device),
            Self::RootDevices => nic.root_devices.contains(&pf.address),
            Self::PfNames => nic.pf_names.iter().any(|entry| is_named(pf, &entry.name)),
            // Only the metadata of an OpenStack or AWS machine says what a NIC is attached to.
            Self::NetFilter => false,
        }
    }

    /// `vendor 8086`.
    fn wish(self, nic: &NicSelector) -> String {
        match self {
            Self::Vendor => format!("vendor {}", list(nic.vendor.iter())),
            Self::Device => format!("deviceID {}", list(nic.device.iter())),
            Self::RootDevices => format!("rootDevices {}", list(nic.root_devices.iter())),
            Self::PfNames => {
                format!("pfNames {}", list(nic.pf_names.iter().map(|entry| &entry.name)))
            }
            Self::NetFilter => format!("netFilter {}", list(nic.net_filter.iter())),
        }
    }

    /// What may be meant instead of what none of these PFs meets.
    fn hint<'a>(self, nic: &NicSelector, pfs: impl Iterator<Item = &'a Pf> + Clone) -> String {
        match self {
            Self::Device => {
                let of_vfs = pfs.filter(|pf| nic.device == Some(pf.vf_device));
                let Some(device) = nic.device else { return String::new() };
                match list(of_vfs.map(|pf| pf.device)) {
                    none if none.is_empty() => none,
                    of_pfs => format!("{device} is the id of their VFs, the PF's is {of_pfs}"),
                }
            }
            Self::PfNames => renamed(nic, pfs).join("; "),
            Self::Vendor | Self::RootDevices | Self::NetFilter => String::new(),
        }
    }

    /// What these PFs have instead.
    fn offer<'a>(self, pfs: impl Iterator<Item = &'a Pf>) -> String {
        match self {
            Self::Vendor => list(pfs.map(|pf| pf.vendor)),
            Self::Device => list(pfs.map(|pf| pf.device)),
            Self::RootDevices => list(pfs.map(|pf| pf.address)),
            Self::PfNames => list(pfs.flat_map(names)),
            Self::NetFilter => String::new(),
        }
    }
}

/// All names of a PF.
fn names(pf: &Pf) -> impl Iterator<Item = &str> {
    pf.name.iter().map(|name| name.as_str()).chain(pf.altnames.iter().map(String::as_str))
}

/// One part of a selector that a PF does not meet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Miss {
    /// What is asked for: `vendor 15b3`.
    pub wish: String,
    /// What the PF has instead: `8086`; empty for nothing.
    pub here: String,
    /// What may be meant instead; empty where nobody can tell.
    pub hint: String,
}

impl fmt::Display for Miss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let here = if self.here.is_empty() { "nothing" } else { &self.here };
        write!(f, "{} is asked for and it has {here}", self.wish)?;
        if self.hint.is_empty() { Ok(()) } else { write!(f, " ({})", self.hint) }
    }
}

/// What keeps `pf` from being one that `policy` selects; empty when it is one.
pub fn misses(policy: &Policy, pf: &Pf) -> Vec<Miss> {
    let nic = &policy.nic;
    let unmet = criteria(nic).into_iter().filter(|criterion| !criterion.met(nic, pf));
    let here = std::slice::from_ref(pf);
    unmet
        .map(|criterion| Miss {
            wish: criterion.wish(nic),
            here: criterion.offer(here.iter()),
            hint: criterion.hint(nic, here.iter()),
        })
        .collect()
}

/// Why `policy`, which is for this node, matches none of its PFs.
pub(super) fn no_pf(policy: &Policy, node: &Node) -> NoMatch {
    let nic = &policy.nic;
    let criteria = criteria(nic);
    let unmet = criteria.iter().find(|criterion| !node.pfs.iter().any(|pf| criterion.met(nic, pf)));
    let others = others(nic, node);
    let why = match unmet {
        _ if !others.is_empty() => others.join("; "),
        _ if node.pfs.is_empty() => "this node has no SR-IOV capable PF".to_owned(),
        Some(Criterion::NetFilter) => {
            format!("{} is for NICs of OpenStack and AWS machines", Criterion::NetFilter.wish(nic))
        }
        Some(criterion) => {
            let here = match criterion.offer(node.pfs.iter()) {
                // PFs without a netdev have no name.
                none if none.is_empty() => "none".to_owned(),
                offer => offer,
            };
            let hint = match criterion.hint(nic, node.pfs.iter()) {
                none if none.is_empty() => none,
                hint => format!("; {hint}"),
            };
            format!("no PF here has {} (they have {here}){hint}", criterion.wish(nic))
        }
        None => {
            let wishes: Vec<_> = criteria.iter().map(|criterion| criterion.wish(nic)).collect();
            format!("no PF here has all of {}{}", wishes.join(" and "), closest(policy, node))
        }
    };
    NoMatch::NoPf { why }
}

/// What else is here of what `nic` selects, a sentence each, and which of its names nothing has.
fn others(nic: &NicSelector, node: &Node) -> Vec<String> {
    let mut sentences = named(nic, node);
    if !sentences.is_empty() {
        let absent = unmatched(nic, node);
        if !absent.is_empty() {
            sentences.push(format!("this host has no {}", absent.join(", ")));
        }
        return sentences;
    }
    if !nic.pf_names.is_empty() || !nic.root_devices.is_empty() {
        return sentences;
    }
    let has = |wanted: Option<PciId>, here: Option<PciId>| wanted.is_none() || wanted == here;
    let of_kind = node.others.iter().filter(|other| {
        has(nic.vendor, other.vendor) && has(nic.device, other.device) && other.vendor.is_some()
    });
    of_kind.map(|other| other.told.clone()).collect()
}

/// What `nic` gives by name or address and is no PF, a sentence each.
pub(super) fn named(nic: &NicSelector, node: &Node) -> Vec<String> {
    let named = node.others.iter().filter(|other| is_other(nic, other));
    named.map(|other| other.told.clone()).collect()
}

fn is_other(nic: &NicSelector, other: &Other) -> bool {
    let by_name = other
        .name
        .as_ref()
        .is_some_and(|name| nic.pf_names.iter().any(|entry| entry.name.as_str() == name.as_str()));
    by_name || other.address.is_some_and(|address| nic.root_devices.contains(&address))
}

/// The PF that misses least: `; closest is ens1f0: …`.
fn closest(policy: &Policy, node: &Node) -> String {
    let missed = node.pfs.iter().map(|pf| (pf, misses(policy, pf)));
    let Some((pf, misses)) = missed.min_by_key(|(pf, misses)| (misses.len(), pf.address)) else {
        return String::new();
    };
    let misses: Vec<_> = misses.iter().map(ToString::to_string).collect();
    format!("; closest is {}: {}", pf.label(), misses.join(", "))
}

/// The PF names and addresses that `nic` gives and nothing of `node` has.
pub(super) fn unmatched(nic: &NicSelector, node: &Node) -> Vec<String> {
    let is_other = |name: &str| {
        node.others.iter().any(|other| other.name.as_ref().is_some_and(|own| own.as_str() == name))
    };
    let absent_name = |name: &str| !node.pfs.iter().any(|pf| is_named(pf, name));
    let names = nic.pf_names.iter().map(|entry| &entry.name).filter(|name| absent_name(name));
    let names = names.filter(|name| !is_other(name)).cloned();
    let addresses = nic
        .root_devices
        .iter()
        .filter(|address| !node.pfs.iter().any(|pf| pf.address == **address))
        .filter(|address| !node.others.iter().any(|other| other.address == Some(**address)))
        .map(ToString::to_string);
    names.chain(addresses).collect::<BTreeSet<_>>().into_iter().collect()
}

/// What PFs may be called now that `nic` names and none of `pfs` is, a sentence each.
pub(super) fn renamed<'a>(
    nic: &NicSelector,
    pfs: impl Iterator<Item = &'a Pf> + Clone,
) -> Vec<String> {
    let absent =
        nic.pf_names.iter().filter(|entry| !pfs.clone().any(|pf| is_named(pf, &entry.name)));
    absent
        .filter_map(|entry| {
            let wanted = &entry.name;
            if let Some(now) = pfs.clone().flat_map(names).find(|name| is_same_port(wanted, name)) {
                return Some(format!("{wanted} may be called {now} now"));
            }
            // Another number is another port, however alike it is spelled.
            let same_numbers =
                pfs.clone().flat_map(names).filter(|name| is_same_number(wanted, name));
            let nearest = nearest(wanted, same_numbers)?;
            Some(format!("{nearest} comes nearest to {wanted}"))
        })
        .collect::<BTreeSet<_>>()
        .into_iter()
        .collect()
}

/// Whether two names differ in nothing but the port that newer kernels and drivers add: `ens1f0`
/// and `ens1f0np0`.
fn is_same_port(one: &str, two: &str) -> bool {
    let (short, long) = if one.len() < two.len() { (one, two) } else { (two, one) };
    let port = long.strip_prefix(short).and_then(|rest| rest.strip_prefix("np"));
    port.is_some_and(|port| !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()))
}

fn is_same_number(one: &str, two: &str) -> bool {
    fn numbers(name: &str) -> impl Iterator<Item = &str> {
        name.split(|c: char| !c.is_ascii_digit()).filter(|number| !number.is_empty())
    }
    numbers(one).eq(numbers(two))
}

fn is_named(pf: &Pf, name: &str) -> bool {
    names(pf).any(|own| own == name)
}

/// The distinct items in order, as people list them: `8086, 15b3`.
fn list(items: impl Iterator<Item = impl ToString>) -> String {
    let items: BTreeSet<_> = items.map(|item| item.to_string()).collect();
    items.into_iter().collect::<Vec<_>>().join(", ")
}
