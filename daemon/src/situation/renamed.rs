//! PFs that a policy would still ask for, were they called what they were called when it did.
//!
//! A kernel upgrade, or another udev rule, renames `ens1f0` to `ens1f0np0`, and a policy that
//! names the first matches nothing any more. Nobody meant to take its VFs away.

use std::collections::BTreeMap;

use conf::PciAddress;
use conf::desired::{self, Desired, Node};
use conf::policy::Policy;

use crate::journal::Ownership;
use crate::snapshot::{Pf, Snapshot};

/// The PFs that nothing is undone on, and why: of `desired` no policy asks for them, and it would
/// by a name that is in the journal.
pub(super) fn held(
    policies: &[Policy],
    node: &Node,
    desired: &Desired,
    ownership: &Ownership,
    snapshot: &Snapshot,
) -> BTreeMap<PciAddress, String> {
    let unwished = node.pfs.iter().filter(|pf| !desired.pfs.contains_key(&pf.address));
    let ours: Vec<(&desired::Pf, &[String])> = unwished
        .filter_map(|pf| Some((pf, ownership.get(&pf.address)?.names.as_slice())))
        .collect();
    let before = Node {
        name: node.name.clone(),
        labels: node.labels.clone(),
        pfs: ours.iter().map(|(pf, names)| called(pf, names)).collect(),
        others: Vec::new(),
    };
    let wished = desired::fold(policies, &before).pfs;
    ours.into_iter()
        .filter_map(|(pf, names)| {
            let policy = wished.get(&pf.address)?.policies.first().map_or("", String::as_str);
            let now = snapshot.pfs.get(&pf.address)?;
            Some((pf.address, why(policy, names, now)))
        })
        .collect()
}

/// `pf`, called `names` as well.
fn called(pf: &desired::Pf, names: &[String]) -> desired::Pf {
    let mut pf = pf.clone();
    pf.altnames.extend_from_slice(names);
    pf
}

fn why(policy: &str, names: &[String], now: &Pf) -> String {
    let before = names.first().map_or("", String::as_str);
    match now.no_netdev() {
        None => {
            let name = now.label();
            format!(
                "policy {policy} asked for it as {before}, and now it is called {name}; change \
                 the policy, or give it that name too: ip link property add dev {name} altname \
                 {before}"
            )
        }
        Some(lacking) => format!("policy {policy} asked for it as {before}, and now it {lacking}"),
    }
}
