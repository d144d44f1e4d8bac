//! Other programs that make VFs, rename them or take them.

use super::{Finding, Machine};
use crate::observe::operator;

const UDEV_RULES: [&str; 3] = ["etc/udev/rules.d", "run/udev/rules.d", "usr/lib/udev/rules.d"];
const NETWORK_FILES: [&str; 3] =
    ["etc/systemd/network", "run/systemd/network", "usr/lib/systemd/network"];

pub(super) fn examine(machine: &Machine) -> Vec<Finding> {
    let mut findings = operator(machine);
    findings.extend(makers(machine));
    findings.extend(renamers(machine));
    findings.extend(grabbers(machine));
    if findings.is_empty() {
        findings.push(Finding::ok("rivals", "nobody else makes, renames or takes VFs"));
    }
    findings
}

/// What the SR-IOV Network Operator left, or its daemon at work.
fn operator(machine: &Machine) -> Vec<Finding> {
    let mut findings = Vec::new();
    let is_daemon = |id: &String| {
        let program = machine.link(&format!("proc/{id}/exe"));
        program.is_some_and(|program| operator::is_daemon(&program))
    };
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

/// Lines that make VFs, by what they contain.
const MAKERS: [(&str, &[&str], &str, &str); 5] = [
    ("a udev rule", &UDEV_RULES, ".rules", "sriov_numvfs"),
    ("systemd-networkd", &NETWORK_FILES, "", "SR-IOVVirtualFunctions="),
    ("NetworkManager", &["etc/NetworkManager/system-connections"], "", "total-vfs="),
    ("netplan", &["etc/netplan"], ".yaml", "virtual-function-count"),
    ("a module's parameter", &["etc/modprobe.d"], ".conf", "max_vfs="),
];

fn makers(machine: &Machine) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (who, directories, suffix, mark) in MAKERS {
        for (path, text) in machine.files(directories, suffix) {
            if lines(&text).any(|line| line.contains(mark)) {
                findings.push(
                    Finding::warning(
                        "vf-makers",
                        format!("{who} makes VFs too: {path} has {mark}"),
                        "railhead counts them as somebody else's, and another number than a \
                         policy's means that they are made anew",
                    )
                    .mend("remove the line, or set externallyManaged in the policy"),
                );
            }
        }
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

/// Network managers that configure every interface they see.
fn grabbers(machine: &Machine) -> Vec<Finding> {
    let mut findings = Vec::new();
    if machine.has("run/NetworkManager") {
        let mut confs =
            machine.files(&["etc/NetworkManager/conf.d", "usr/lib/NetworkManager/conf.d"], ".conf");
        let main = machine.text("etc/NetworkManager/NetworkManager.conf");
        confs.extend(main.map(|text| (String::new(), text)));
        let leaves = ["unmanaged-devices", "no-auto-default=*"];
        let is_told =
            |text: &String| lines(text).any(|line| leaves.iter().any(|key| line.starts_with(key)));
        if !confs.iter().any(|(_, text)| is_told(text)) && !has_rule(machine) {
            findings.push(
                Finding::warning(
                    "network-manager",
                    "NetworkManager runs, and takes VFs for interfaces of the host",
                    "it sets them up, asks for addresses and waits for them at boot",
                )
                .mend(
                    "make install   (10-railhead.rules keeps it from the VFs that railhead makes)",
                ),
            );
        }
    }
    let is_left_out = has_rule(machine) && machine.has("etc/systemd/network/00-railhead.network");
    if machine.has("run/systemd/netif") && !is_left_out {
        for (path, text) in machine.files(&NETWORK_FILES, ".network") {
            let mut matched = lines(&text).skip_while(|line| *line != "[Match]").skip(1);
            let all = matched.by_ref().take_while(|line| !line.starts_with('['));
            let given: Vec<&str> = all.filter(|line| line.contains('=')).collect();
            let wide = ["Name=*", "Name=e*", "Name=en*", "Name=eth*", "Type=ether"];
            let is_wide = !given.is_empty() && given.iter().all(|line| wide.contains(line));
            if is_wide && !lines(&text).any(|line| line == "Unmanaged=yes") {
                findings.push(
                    Finding::warning(
                        "networkd",
                        format!("{path} has systemd-networkd take every interface, VFs too"),
                        "it sets them up, asks for addresses and waits for them at boot",
                    )
                    .mend("make install   (00-railhead.network keeps it from the VFs that railhead makes)"),
                );
            }
        }
    }
    findings
}

/// Whether udev tells network managers which VFs are for containers.
fn has_rule(machine: &Machine) -> bool {
    UDEV_RULES.iter().any(|directory| machine.has(&format!("{directory}/10-railhead.rules")))
}

/// The lines of a text that are no comments.
fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines().map(str::trim).filter(|line| !line.starts_with(['#', ';']))
}
