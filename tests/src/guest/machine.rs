//! The whole machine's state, so far as a test could leave something behind in it.

use std::collections::BTreeMap;
use std::fs;

use super::debian;
use super::host::{FORWARDING, link_name, pci_functions, read};
use super::program::Program;

/// A line for each thing: a link, a PCI function, a namespace, a process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Machine(BTreeMap<String, String>);

impl Machine {
    /// The state now.
    pub(super) fn now() -> Self {
        let mut things = BTreeMap::new();
        links(&mut things);
        functions(&mut things);
        namespaces(&mut things);
        things.extend(FORWARDING.map(|file| (file.to_owned(), read(file))));
        // Where others start and end processes as they like, nothing follows from them.
        if !debian::is_here() {
            processes(&mut things);
        }
        Self(things)
    }

    /// What differs from an earlier state, a line each.
    pub(super) fn since(&self, before: &Self) -> Vec<String> {
        let mut lines = Vec::new();
        for (thing, state) in &self.0 {
            match before.0.get(thing) {
                None => lines.push(format!("{thing} is left: {state}")),
                Some(old) if old != state => {
                    lines.push(format!("{thing} has changed: {old} -> {state}"));
                }
                Some(_) => {}
            }
        }
        let gone = before.0.keys().filter(|thing| !self.0.contains_key(*thing));
        lines.extend(gone.map(|thing| format!("{thing} is gone")));
        lines
    }
}

fn links(things: &mut BTreeMap<String, String>) {
    let links = Program::new("ip -j -d addr").quiet().run().ok().json();
    for link in links.as_array().into_iter().flatten() {
        let mut flags: Vec<&str> =
            link["flags"].as_array().into_iter().flatten().filter_map(|f| f.as_str()).collect();
        flags.retain(|flag| !["NO-CARRIER", "LOWER_UP"].contains(flag));
        let addresses: Vec<String> = link["addr_info"]
            .as_array()
            .into_iter()
            .flatten()
            .filter(|address| address["scope"] != "link")
            .map(|address| address["local"].to_string())
            .collect();
        let state = format!(
            "mtu {} address {} altnames {} promiscuity {} flags {} addresses {addresses:?}",
            link["mtu"],
            link["address"],
            link["altnames"],
            link["promiscuity"],
            flags.join(",")
        );
        things.insert(format!("link {}", link["ifname"]), state);
    }
}

fn functions(things: &mut BTreeMap<String, String>) {
    for address in pci_functions() {
        let function = format!("/sys/bus/pci/devices/{address}");
        let driver = link_name(&format!("{function}/driver")).unwrap_or_default();
        let mut state = format!("driver {driver:?}");
        for attribute in ["driver_override", "sriov_numvfs", "sriov_drivers_autoprobe"] {
            if let Ok(value) = fs::read_to_string(format!("{function}/{attribute}")) {
                state.push_str(&format!(" {attribute} {}", value.trim()));
            }
        }
        things.insert(format!("PCI function {address}"), state);
    }
}

/// Named namespaces, and those that only a process holds.
fn namespaces(things: &mut BTreeMap<String, String>) {
    for entry in fs::read_dir("/run/netns").into_iter().flatten().flatten() {
        things.insert(format!("namespace {}", entry.file_name().to_string_lossy()), String::new());
    }
}

/// All processes but kernel threads, which have no command line, and this one with init.
fn processes(things: &mut BTreeMap<String, String>) {
    for entry in fs::read_dir("/proc").expect("list processes").flatten() {
        let Ok(id) = entry.file_name().to_string_lossy().parse::<u32>() else { continue };
        let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        if !line.is_empty() && id != 1 && id != std::process::id() {
            let line = String::from_utf8_lossy(&line).replace('\0', " ");
            things.insert(format!("process {id}"), line.trim_end().to_owned());
        }
    }
}
