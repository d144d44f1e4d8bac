//! Whether the store agrees with itself and with what live network namespaces have.

use std::collections::{BTreeMap, BTreeSet};

use cni::attachment::{Ipam, Record, State};
use conf::PciAddress;
use conf::block::NodeBlock;
use ipam::recover::Sighting;
use ipam::store::Loss;
use ipam::{AttachmentKey, Lease};
use serde::Serialize;

/// What is compared.
#[derive(Debug, Default)]
pub struct Facts {
    /// This node's blocks.
    pub blocks: Vec<NodeBlock>,
    /// All leases.
    pub leases: Vec<Lease>,
    /// The attachments that can be read.
    pub records: BTreeMap<AttachmentKey, Record>,
    /// Why blocks and attachments cannot be read.
    pub unreadable: Vec<String>,
    /// The loss that nobody has dealt with yet.
    pub loss: Option<Loss>,
    /// Who holds which VF.
    pub owners: Vec<(PciAddress, AttachmentKey)>,
    /// The cookies of all live network namespaces.
    pub living: BTreeSet<u64>,
    /// The addresses in them.
    pub seen: Vec<Sighting>,
}

/// Something that does not agree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// One word for it.
    pub reason: &'static str,
    /// What it is about and what is wrong.
    pub message: String,
}

/// Compares them.
pub fn verify(facts: &Facts) -> Vec<Finding> {
    let mut findings = Vec::new();
    findings.extend(facts.leases.iter().filter_map(|lease| dead(lease, facts)));
    findings.extend(facts.blocks.iter().flat_map(|block| strangers(block, facts)));
    findings.extend(facts.blocks.iter().flat_map(|block| doubles(block, facts)));
    findings.extend(facts.owners.iter().filter_map(|(vf, owner)| idle_owner(*vf, owner, facts)));
    findings.extend(facts.records.values().filter_map(|record| incomplete(record, facts)));
    findings.extend(facts.unreadable.iter().map(|why| finding("Unreadable", why.clone())));
    findings.extend(facts.loss.iter().map(|loss| finding("Lost", loss.to_string())));
    findings
}

fn finding(reason: &'static str, message: String) -> Finding {
    Finding { reason, message }
}

/// A lease whose namespace is gone; the daemon gives it back.
fn dead(lease: &Lease, facts: &Facts) -> Option<Finding> {
    let cookie = lease.netns_cookie.filter(|cookie| !facts.living.contains(cookie))?;
    let Lease { address, pool, owner, .. } = lease;
    let message = format!(
        "{address} of {pool} is leased to {owner}, whose network namespace ({cookie}) is gone"
    );
    Some(finding("NoNamespace", message))
}

/// Addresses of the block that containers have and nobody leased.
fn strangers(block: &NodeBlock, facts: &Facts) -> Vec<Finding> {
    let is_leased =
        |sighting: &Sighting| facts.leases.iter().any(|lease| lease.address == sighting.address);
    let strange = in_block(block, facts).filter(|sighting| !is_leased(sighting));
    strange
        .map(|sighting| {
            let Sighting { address, .. } = sighting;
            let message =
                format!("{address} of {} is on {}, leased to nobody", block.pool, place(sighting));
            finding("NoLease", message)
        })
        .collect()
}

/// Addresses of the block that are in more than one place.
fn doubles(block: &NodeBlock, facts: &Facts) -> Vec<Finding> {
    let mut places: BTreeMap<_, BTreeSet<String>> = BTreeMap::new();
    for sighting in in_block(block, facts) {
        places.entry(sighting.address).or_default().insert(place(sighting));
    }
    let doubles = places.into_iter().filter(|(_, places)| places.len() > 1);
    doubles
        .map(|(address, places)| {
            let places = places.into_iter().collect::<Vec<_>>().join(" and ");
            finding("Twice", format!("{address} of {} is on {places}", block.pool))
        })
        .collect()
}

fn in_block<'f>(
    block: &'f NodeBlock,
    facts: &'f Facts,
) -> impl Iterator<Item = &'f Sighting> + use<'f> {
    facts.seen.iter().filter(|sighting| block.range.contains(sighting.address))
}

fn place(sighting: &Sighting) -> String {
    let interface = sighting.ifname.as_ref().map_or("an interface", |ifname| ifname.as_str());
    format!("{interface} in {}", sighting.netns.display())
}

/// A VF whose holder is not recorded; the next ADD of it takes it.
fn idle_owner(vf: PciAddress, owner: &AttachmentKey, facts: &Facts) -> Option<Finding> {
    let is_theirs = facts.records.get(owner).is_some_and(|record| record.vf == vf);
    let message = format!("VF {vf} is held by {owner}, which has no record of it");
    (!is_theirs).then(|| finding("NoRecord", message))
}

/// A record of an attachment that lacks its VF or its address.
fn incomplete(record: &Record, facts: &Facts) -> Option<Finding> {
    if record.state == State::Released {
        return None;
    }
    let Record { key, vf, .. } = record;
    if !facts.owners.iter().any(|(held, owner)| held == vf && owner == key) {
        let message = format!("VF {vf} is recorded for {key}, which does not hold it");
        return Some(finding("NoOwner", message));
    }
    let is_leased = facts.leases.iter().any(|lease| lease.owner == *key);
    let message = format!("{key} got its address from nv-ipam and has no lease");
    (record.ipam == Ipam::Own && !is_leased).then(|| finding("NoLease", message))
}

#[cfg(test)]
mod tests;
