//! Network managers that configure every interface they see.

use super::{NETWORK_FILES, UDEV_RULES, lines};
use crate::doctor::{Finding, Machine};

/// Keeps systemd-networkd from VFs for containers.
const OURS: &str = "00-railhead.network";

const WHY: &str = "it sets them up, asks for addresses and waits for them at boot";

pub(super) fn examine(machine: &Machine) -> Vec<Finding> {
    network_manager(machine).into_iter().chain(networkd(machine)).collect()
}

fn network_manager(machine: &Machine) -> Option<Finding> {
    if !machine.has("run/NetworkManager") {
        return None;
    }
    let directories =
        ["etc/NetworkManager/conf.d", "run/NetworkManager/conf.d", "usr/lib/NetworkManager/conf.d"];
    let mut confs = machine.in_force(&directories, ".conf");
    let main = machine.text("etc/NetworkManager/NetworkManager.conf");
    confs.extend(main.map(|text| (String::new(), text)));
    let leaves = ["unmanaged-devices", "no-auto-default=*"];
    let is_told =
        |text: &String| lines(text).any(|line| leaves.iter().any(|key| line.starts_with(key)));
    if confs.iter().any(|(_, text)| is_told(text)) || has_rule(machine) {
        return None;
    }
    let what = "NetworkManager runs, and takes VFs for interfaces of the host";
    Some(
        Finding::warning("network-manager", what, WHY)
            .mend("make install   (10-railhead.rules keeps it from the VFs that railhead makes)"),
    )
}

fn networkd(machine: &Machine) -> Vec<Finding> {
    if !machine.has("run/systemd/netif") {
        return Vec::new();
    }
    let files = machine.in_force(&NETWORK_FILES, ".network");
    let ours = files.iter().find(|(path, _)| name(path) == OURS);
    let is_ours_good = ours.is_some_and(|(_, text)| is_unmanaged(text)) && has_rule(machine);
    let takes = files.iter().filter(|(path, text)| {
        // The first file that matches an interface is the one that counts.
        let is_first = !is_ours_good || name(path) < OURS;
        is_first && name(path) != OURS && matches_all(text) && !is_unmanaged(text)
    });
    takes
        .map(|(path, _)| {
            let what = format!("{path} has systemd-networkd take every interface, VFs too");
            let finding = Finding::warning("networkd", what, WHY);
            match ours {
                _ if is_ours_good => finding.mend(format!(
                    "give it a name that comes after {OURS}, which keeps systemd-networkd from the \
                     VFs that railhead makes"
                )),
                Some((masking, text)) if !is_unmanaged(text) => finding.mend(format!(
                    "sudo rm {masking}   (it stands in the place of railhead's, which keeps \
                     systemd-networkd from the VFs that railhead makes)"
                )),
                _ => finding.mend(
                    "make install   (00-railhead.network keeps it from the VFs that railhead makes)",
                ),
            }
        })
        .collect()
}

fn name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

fn is_unmanaged(text: &str) -> bool {
    lines(text).any(|line| matches!(line, "Unmanaged=yes" | "Unmanaged=true" | "Unmanaged=1"))
}

/// Whether a file is for interfaces by whatever names VFs have.
fn matches_all(text: &str) -> bool {
    let mut matched = lines(text).skip_while(|line| *line != "[Match]").skip(1);
    let all = matched.by_ref().take_while(|line| !line.starts_with('['));
    let given: Vec<(&str, &str)> = all.filter_map(|line| line.split_once('=')).collect();
    let is_wide = |(key, values): &(&str, &str)| {
        let mut values = values.split_whitespace();
        match key.trim() {
            "Name" => values.any(|name| WIDE.contains(&name)),
            "Type" => values.any(|kind| kind == "ether"),
            _ => false,
        }
    };
    !given.is_empty() && given.iter().all(is_wide)
}

/// Names that VFs have as well.
const WIDE: [&str; 7] = ["*", "e*", "en*", "eth*", "enp*", "ens*", "en*v*"];

/// Whether udev tells network managers which VFs are for containers.
fn has_rule(machine: &Machine) -> bool {
    let rules = machine.in_force(&UDEV_RULES, "10-railhead.rules");
    rules.iter().any(|(_, text)| !text.is_empty())
}
