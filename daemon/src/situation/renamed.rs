//! PFs that a policy would still ask for, were they called what they were called when it did.
//!
//! A kernel upgrade, or another udev rule, renames `ens1f0` to `ens1f0np0`, and a policy that
//! names the first matches nothing any more. Nobody meant to take its VFs away.

use std::collections::BTreeMap;

use conf::PciAddress;
use conf::desired::{self, Desired, Node};
use conf::policy::Policy;

use crate::journal::Ownership;

/// The PFs that nothing is undone on, and why: of `desired` no policy asks for them, and it would
/// by a name that is in the journal.
pub(super) fn held(
    policies: &[Policy],
    node: &Node,
    desired: &Desired,
    ownership: &Ownership,
) -> BTreeMap<PciAddress, String> {
    let unwished = |pf: &desired::Pf| !desired.pfs.contains_key(&pf.address);
    let mut before = node.clone();
    before.pfs.retain(unwished);
    for pf in &mut before.pfs {
        let names = ownership.get(&pf.address).map_or(&[][..], |entry| &entry.names);
        pf.altnames.extend(names.iter().cloned());
    }
    let wished = desired::fold(policies, &before).pfs;
    let named = before.pfs.iter().filter_map(|pf| Some((pf, wished.get(&pf.address)?)));
    named
        .map(|(pf, wished)| {
            let policy = wished.policies.first().map_or("", String::as_str);
            let names = ownership.get(&pf.address).map_or(&[][..], |entry| &entry.names);
            (pf.address, why(policy, names, pf))
        })
        .collect()
}

fn why(policy: &str, names: &[String], pf: &desired::Pf) -> String {
    let before = names.first().map_or("", String::as_str);
    match &pf.name {
        Some(name) => format!(
            "policy {policy} asked for it as {before}, and now it is called {name}; change the \
             policy, or give it that name too: ip link property add dev {name} altname {before}"
        ),
        None => format!(
            "policy {policy} asked for it as {before}, and now it has no network interface of any \
             name; bind its driver"
        ),
    }
}
