//! Everything about a VF that an attachment may change, seen from outside, field by field.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::Value;

use super::host::{Vf, link_name, read};
use super::program::run;

/// A VF's fields by name: `pf.…` what its PF says, `netdev.…` what its network interface says, `pci.…` its function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VfState(BTreeMap<String, String>);

/// What changes by itself. An interface that was never up has no qdisc yet, and one that was keeps the default; one whose
/// driver was bound anew has another index. An address is tentative for a second.
const RESTLESS: &[&str] =
    &["stats", "stats64", "operstate", "link_state_actual", "qdisc", "ifindex", "tentative"];

impl VfState {
    /// The state of a VF now.
    #[track_caller]
    pub fn of(vf: &Vf) -> Self {
        let mut state = Self(BTreeMap::new());
        state.add("pf", &vf.info());
        if let Some(netdev) = vf.netdev() {
            let mut shown = run(&format!("ip -j -d addr show dev {netdev}")).ok().json()[0].take();
            let addresses = shown["addr_info"].take();
            state.add("netdev", &shown);
            for (number, address) in addresses.as_array().into_iter().flatten().enumerate() {
                state.add(&format!("address.{number}"), address);
            }
        }
        let function = format!("/sys/bus/pci/devices/{}", vf.address);
        let driver = link_name(&format!("{function}/driver")).unwrap_or_default();
        state.0.insert("pci.driver".to_owned(), driver);
        let forced = read(&format!("{function}/driver_override"));
        state.0.insert("pci.driver_override".to_owned(), forced);
        state
    }

    /// One field; empty when there is none.
    pub fn field(&self, name: &str) -> &str {
        self.0.get(name).map_or("", String::as_str)
    }

    /// The same without one field.
    #[must_use]
    pub fn without(mut self, name: &str) -> Self {
        self.0.remove(name);
        self
    }

    fn add(&mut self, prefix: &str, value: &Value) {
        match value {
            Value::Object(fields) => {
                for (name, value) in fields {
                    // Carrier and the like follow operstate.
                    if RESTLESS.contains(&name.as_str()) {
                        continue;
                    }
                    self.add(&format!("{prefix}.{name}"), value);
                }
            }
            Value::Array(items) => {
                let mut items: Vec<String> = items.iter().map(Value::to_string).collect();
                items.sort();
                items.retain(|item| !["\"NO-CARRIER\"", "\"LOWER_UP\""].contains(&item.as_str()));
                self.0.insert(prefix.to_owned(), items.join(" "));
            }
            value => {
                self.0.insert(prefix.to_owned(), value.to_string());
            }
        }
    }
}

/// Panics when a field differs, naming each that does.
#[track_caller]
pub fn assert_unchanged(before: &VfState, after: &VfState) {
    let names: std::collections::BTreeSet<&String> =
        before.0.keys().chain(after.0.keys()).collect();
    let changed: Vec<String> = names
        .into_iter()
        .filter(|name| before.0.get(*name) != after.0.get(*name))
        .map(|name| format!("{name}: {:?} -> {:?}", before.field(name), after.field(name)))
        .collect();
    assert!(changed.is_empty(), "the VF has changed:\n{}", changed.join("\n"));
}

impl fmt::Display for VfState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|(name, value)| writeln!(f, "{name} = {value}"))
    }
}
