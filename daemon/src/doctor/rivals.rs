//! Other programs that make VFs, rename them or take them.

use super::{Finding, Machine};
use crate::observe::operator;

mod makers;
mod networks;

/// Where udev reads rules; a file masks those of its name further on.
const UDEV_RULES: [&str; 5] = [
    "etc/udev/rules.d",
    "run/udev/rules.d",
    "usr/local/lib/udev/rules.d",
    "usr/lib/udev/rules.d",
    "lib/udev/rules.d",
];

/// Where systemd-networkd and udev read `.network` and `.link` files, the same way.
const NETWORK_FILES: [&str; 5] = [
    "etc/systemd/network",
    "run/systemd/network",
    "usr/local/lib/systemd/network",
    "usr/lib/systemd/network",
    "lib/systemd/network",
];

pub(super) fn examine(machine: &Machine) -> Vec<Finding> {
    let mut findings = operator(machine);
    findings.extend(makers::examine(machine));
    findings.extend(renamers(machine));
    findings.extend(networks::examine(machine));
    if findings.is_empty() {
        findings.push(Finding::ok("rivals", "nobody else makes, renames or takes VFs"));
    }
    findings
}

/// What the SR-IOV Network Operator left, or its daemon at work.
fn operator(machine: &Machine) -> Vec<Finding> {
    let mut findings = Vec::new();
    let is_daemon = |id: &String| operator::is_daemon(&machine.path(&format!("proc/{id}")));
    let is_number = |name: &String| name.bytes().all(|octet| octet.is_ascii_digit());
    if let Some(id) = machine.names("proc").into_iter().filter(is_number).find(is_daemon) {
        findings.push(
            Finding::error(
                "sriov-network-operator",
                format!("the SR-IOV Network Operator's daemon runs (process {id})"),
                "two that shape the same NICs undo each other; railhead keeps out of its way",
            )
            .mend("keep its pods off this node (configDaemonNodeSelector), or disable railhead")
            .mend("sudo systemctl disable --now railhead railhead-boot"),
        );
    }
    let units = machine.files(&["etc/systemd/system"], ".service");
    let units = units.iter().filter(|(path, _)| path.contains("/sriov-config"));
    let rules = machine.files(&["etc/udev/rules.d"], ".rules");
    let rules = rules.iter().filter(|(path, _)| {
        ["/10-nm-disable-", "/10-pf-name-", "/20-switchdev-"].iter().any(|name| path.contains(name))
    });
    let mut left: Vec<String> = units.chain(rules).map(|(path, _)| path.clone()).collect();
    let modprobe = "etc/modprobe.d/sriov_network_operator_modules_config.conf";
    if machine.has(modprobe) {
        left.push(format!("/{modprobe}"));
    }
    if !left.is_empty() {
        findings.push(
            Finding::warning(
                "sriov-network-operator-files",
                format!("the SR-IOV Network Operator left {}", left.join(" ")),
                "they act on VFs at boot and when they appear, and nobody keeps them true",
            )
            .mend("once you do not go back to it:")
            .mend(format!("sudo rm {} && sudo systemctl daemon-reload", left.join(" "))),
        );
    }
    findings
}

/// Rules that give names to network interfaces without saying which one.
fn renamers(machine: &Machine) -> Vec<Finding> {
    let local = machine.files(&["etc/udev/rules.d", "run/udev/rules.d"], ".rules");
    let is_any = |line: &str| {
        let names = line.contains("NAME=\"") && line.contains("net");
        let one = ["ATTR{address}==", "KERNELS==", "ID_PATH", "dev_port", "phys_port_name"];
        names && !one.iter().any(|key| line.contains(key))
    };
    let findings = local.iter().filter(|(_, text)| lines(text).any(is_any)).map(|(path, _)| {
        Finding::warning(
            "vf-names",
            format!("{path} renames network interfaces, whichever they are"),
            "a VF that comes back from a container is renamed while railhead gives it its name",
        )
        .mend("say which: ATTR{address}==\"…\" or KERNELS==\"0000:01:00.0\"")
    });
    findings.collect()
}

/// The lines of a text that are no comments.
fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines().map(str::trim).filter(|line| !line.starts_with(['#', ';']))
}
