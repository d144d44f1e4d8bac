//! Which PFs a boot waits for.
//!
//! Those that were shaped when the node was last reported, as far as a policy still asks: by where
//! they were and how they were called. So nobody waits at every boot for a name that this host
//! never had (one policy serves many hosts), nor twice for a card that was taken out. Where there
//! is no report, nothing is known but what policies name.

use std::collections::BTreeSet;

use conf::PciAddress;
use conf::desired::{self, NoMatch};
use conf::node_state::{NodeState, WantedInterface};
use ipam::durable::FileError;

use crate::host::Host;
use crate::report::Directory;
use crate::situation::{Written, node};
use crate::snapshot::{Pf, Snapshot};

/// The PFs to wait for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Expected(Vec<ExpectedPf>);

/// A PF to wait for; at least one of address and name is given.
#[derive(Debug, Clone, PartialEq, Eq)]
struct ExpectedPf {
    address: Option<PciAddress>,
    name: Option<String>,
    policies: Vec<String>,
}

/// What of it is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Arrived(Vec<Found>);

/// What was found of an expected PF.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Found {
    /// It is there.
    There,
    /// It is where it was, and its name is another for good.
    Renamed {
        /// The name that it has now.
        to: String,
    },
    /// It is not there, or it is and its name is not settled.
    Missing,
}

/// What people are told of it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Told {
    /// PFs that did not come.
    pub(super) missing: Vec<String>,
    /// PFs that came back under other names.
    pub(super) renamed: Vec<String>,
}

impl Expected {
    /// What is expected on this host.
    pub(super) fn of(host: &Host, written: &Written) -> Result<Self, FileError> {
        let node = &written.loaded.node;
        Ok(match Directory::new(host.root()).published(&node.name)? {
            Some(state) => Self::by_report(&state, written),
            None => Self::by_policies(written),
        })
    }

    fn by_report(state: &NodeState, written: &Written) -> Self {
        let policies: BTreeSet<&str> =
            written.objects.policies().map(|policy| policy.name.as_str()).collect();
        let interfaces = state.spec.interfaces.iter();
        Self(interfaces.filter_map(|pf| ExpectedPf::reported(pf, &policies)).collect())
    }

    /// The names and addresses that policies for this node give.
    pub(super) fn by_policies(written: &Written) -> Self {
        let policies: Vec<_> = written.objects.policies().cloned().collect();
        let node = node(&written.loaded.node, &Snapshot::default());
        let verdicts = desired::fold(&policies, &node).policies;
        let is_meant = |name: &str| {
            let no_match = verdicts.get(name).and_then(|outcome| outcome.no_match.as_ref());
            matches!(no_match, Some(NoMatch::NoPf { .. }))
        };
        let mut expected: Vec<ExpectedPf> = Vec::new();
        for policy in policies.iter().filter(|policy| is_meant(&policy.name)) {
            let addresses = policy.nic.root_devices.iter().map(|at| (Some(*at), None));
            let names = policy.nic.pf_names.iter().map(|pf| (None, Some(pf.name.clone())));
            for (address, name) in addresses.chain(names) {
                let same = |pf: &&mut ExpectedPf| pf.address == address && pf.name == name;
                match expected.iter_mut().find(same) {
                    Some(pf) => pf.policies.push(policy.name.clone()),
                    None => expected.push(ExpectedPf {
                        address,
                        name,
                        policies: vec![policy.name.clone()],
                    }),
                }
            }
        }
        Self(expected)
    }

    /// What of it is in `snapshot`; `is_settled` says whether the netdev with that index keeps its
    /// name.
    pub(super) fn arrived(&self, snapshot: &Snapshot, is_settled: impl Fn(u32) -> bool) -> Arrived {
        Arrived(self.0.iter().map(|pf| pf.found(snapshot, &is_settled)).collect())
    }

    /// What people are told of `arrived`.
    pub(super) fn told(&self, arrived: &Arrived) -> Told {
        let mut told = Told::default();
        for (pf, found) in self.0.iter().zip(&arrived.0) {
            match found {
                Found::There => {}
                Found::Missing => told.missing.push(pf.missing()),
                Found::Renamed { to } => told.renamed.push(pf.renamed(to)),
            }
        }
        told
    }
}

impl Arrived {
    /// Whether nothing is missing.
    pub(super) fn is_all(&self) -> bool {
        !self.0.contains(&Found::Missing)
    }
}

impl ExpectedPf {
    fn reported(pf: &WantedInterface, policies: &BTreeSet<&str>) -> Option<Self> {
        let asking: BTreeSet<&str> =
            pf.vf_groups.iter().map(|group| group.policy_name.as_str()).collect();
        let policies: Vec<String> =
            asking.intersection(policies).map(|name| (*name).to_owned()).collect();
        let address = pf.pci_address.parse().ok()?;
        let name = Some(pf.name.clone()).filter(|name| !name.is_empty());
        (!policies.is_empty()).then_some(Self { address: Some(address), name, policies })
    }

    fn found(&self, snapshot: &Snapshot, is_settled: &impl Fn(u32) -> bool) -> Found {
        let settled = |pf: &Pf| pf.netdev.as_ref().is_some_and(|netdev| is_settled(netdev.index));
        let at = self.address.and_then(|address| snapshot.pfs.get(&address));
        let Some(name) = &self.name else {
            // By address alone: a PF that has a netdev has settled, one that makes none has a
            // driver.
            let is_there = at.is_some_and(|pf| settled(pf) || pf.driver.is_some());
            return if is_there { Found::There } else { Found::Missing };
        };
        let mut named = snapshot.pfs.values().filter(|pf| pf.names().any(|own| own == name));
        if named.any(settled) {
            return Found::There;
        }
        match at.filter(|pf| settled(pf)).and_then(|pf| pf.netdev.as_ref()) {
            Some(netdev) => Found::Renamed { to: netdev.name.to_string() },
            None => Found::Missing,
        }
    }

    fn label(&self) -> String {
        match (&self.name, self.address) {
            (Some(name), Some(address)) => format!("{name} ({address})"),
            (Some(name), None) => name.clone(),
            (None, Some(address)) => address.to_string(),
            (None, None) => String::new(),
        }
    }

    fn asks(&self) -> String {
        format!(
            "{} {}",
            if self.policies.len() == 1 { "policy" } else { "policies" },
            self.policies.join(", ")
        )
    }

    fn missing(&self) -> String {
        format!(
            "{} did not appear in time, and {} asked for it: the daemon takes it up when it comes",
            self.label(),
            self.asks()
        )
    }

    fn renamed(&self, to: &str) -> String {
        let (label, asks) = (self.label(), self.asks());
        let name = self.name.as_deref().unwrap_or_default();
        format!(
            "{label} is called {to} since this boot, and {asks} shaped it: where pfNames says \
             {name}, write {to}, or rootDevices instead, or give it the old name as well: ip link \
             property add dev {to} altname {name}"
        )
    }
}

#[cfg(test)]
mod tests;
