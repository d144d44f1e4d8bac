//! Whoever else makes VFs, or sets them up: by a setting of a network manager, of a driver or of
//! udev, and by the commonest of all ways, a number that some script writes into `sriov_numvfs`.
//!
//! A comment is nobody's, nor is a file that another of its name masks. A script is looked into
//! where a unit, a rule or another script starts it.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{NETWORK_FILES, UDEV_RULES};
use crate::doctor::{Finding, Machine};

/// Files that make VFs, and how to tell.
struct Maker {
    who: &'static str,
    /// Directories, the one first whose files mask those of the same name in the others.
    directories: &'static [&'static str],
    /// How their names end.
    suffix: &'static str,
    /// What of a text makes VFs.
    mark: fn(&str) -> Option<&'static str>,
    /// Whether programs that it names are looked into.
    starts: bool,
}

const UNITS: [&str; 7] = [
    "etc/systemd/system",
    "run/systemd/system",
    "run/systemd/transient",
    "run/systemd/generator",
    "usr/local/lib/systemd/system",
    "usr/lib/systemd/system",
    "lib/systemd/system",
];

const SCRIPTS: [&str; 24] = [
    "etc/rc.d",
    "etc/init.d",
    "etc/local.d",
    "etc/network/if-pre-up.d",
    "etc/network/if-up.d",
    "etc/network/if-down.d",
    "etc/network/if-post-down.d",
    "etc/NetworkManager/dispatcher.d",
    "etc/NetworkManager/dispatcher.d/pre-up.d",
    "etc/NetworkManager/dispatcher.d/pre-down.d",
    "etc/NetworkManager/dispatcher.d/no-wait.d",
    "usr/lib/NetworkManager/dispatcher.d",
    "usr/lib/NetworkManager/dispatcher.d/pre-up.d",
    "usr/lib/NetworkManager/dispatcher.d/no-wait.d",
    "etc/networkd-dispatcher/configured.d",
    "etc/networkd-dispatcher/carrier.d",
    "etc/networkd-dispatcher/routable.d",
    "etc/sysconfig/network-scripts",
    "etc/sysconfig/network/scripts",
    "etc/sysconfig/network/if-up.d",
    "etc/libvirt/hooks",
    "etc/cloud/cloud.cfg.d",
    "var/lib/cloud/scripts/per-boot",
    "etc/profile.d",
];

const CRON: [&str; 7] = [
    "etc/cron.d",
    "etc/cron.hourly",
    "etc/cron.daily",
    "etc/cron.weekly",
    "etc/cron.monthly",
    "var/spool/cron/crontabs",
    "var/spool/cron",
];

const TMPFILES: [&str; 5] = [
    "etc/tmpfiles.d",
    "run/tmpfiles.d",
    "usr/local/lib/tmpfiles.d",
    "usr/lib/tmpfiles.d",
    "lib/tmpfiles.d",
];

const MODPROBE: [&str; 5] = [
    "etc/modprobe.d",
    "run/modprobe.d",
    "usr/local/lib/modprobe.d",
    "usr/lib/modprobe.d",
    "lib/modprobe.d",
];

const CONNECTIONS: [&str; 3] = [
    "etc/NetworkManager/system-connections",
    "run/NetworkManager/system-connections",
    "usr/lib/NetworkManager/system-connections",
];

const MAKERS: [Maker; 14] = [
    Maker::of("a udev rule", &UDEV_RULES, ".rules", by_rule).starting(),
    Maker::of("udev", &NETWORK_FILES, ".link", by_networkd),
    Maker::of("systemd-networkd", &NETWORK_FILES, ".network", by_networkd),
    Maker::of("NetworkManager", &CONNECTIONS, "", by_connection),
    Maker::of("an interface's settings", &["etc/sysconfig/network-scripts"], "", by_ifcfg),
    Maker::of("netplan", &["run/netplan", "etc/netplan", "lib/netplan"], ".yaml", by_netplan),
    Maker::of("nmstate", &["etc/nmstate"], ".yml", by_nmstate),
    Maker::of("nmstate", &["etc/nmstate"], ".yaml", by_nmstate),
    Maker::of("a module's parameter", &MODPROBE, ".conf", by_modprobe),
    Maker::of("systemd-tmpfiles", &TMPFILES, ".conf", by_any_line),
    Maker::of("sysfsutils", &["etc/sysfs.d"], ".conf", by_any_line),
    Maker::of("a unit", &UNITS, ".service", by_unit).starting(),
    Maker::of("a script", &SCRIPTS, "", by_script).starting(),
    Maker::of("cron", &CRON, "", by_script).starting(),
];

/// The same in files that stand alone.
const FILES: [(&str, &str); 10] = [
    ("sysfsutils", "etc/sysfs.conf"),
    ("a script", "etc/rc.local"),
    ("a script", "etc/init.d/boot.local"),
    ("a script", "sbin/ifup-local"),
    ("ifupdown", "etc/network/interfaces"),
    ("ifupdown", "etc/network/interfaces.d"),
    ("cron", "etc/crontab"),
    ("cron", "etc/anacrontab"),
    ("cloud-init", "etc/cloud/cloud.cfg"),
    ("tuned", "etc/tuned"),
];

impl Maker {
    const fn of(
        who: &'static str,
        directories: &'static [&'static str],
        suffix: &'static str,
        mark: fn(&str) -> Option<&'static str>,
    ) -> Self {
        Self { who, directories, suffix, mark, starts: false }
    }

    const fn starting(mut self) -> Self {
        self.starts = true;
        self
    }
}

pub(super) fn examine(machine: &Machine) -> Vec<Finding> {
    let mut found = Found::default();
    for maker in MAKERS {
        for (path, text) in machine.in_force(maker.directories, maker.suffix) {
            found.look(machine, &maker, &path, &text);
        }
    }
    for (who, path) in FILES {
        let maker = Maker::of(who, &[], "", by_script).starting();
        for (path, text) in machine.at_or_below(path) {
            found.look(machine, &maker, &path, &text);
        }
    }
    // A driver that is built in has its parameters there.
    let line = machine.text("proc/cmdline").unwrap_or_default();
    if let Some(word) =
        line.split_whitespace().find(|word| is_parameter(word) && word.contains('.'))
    {
        found.tell("a module's parameter", "/proc/cmdline", word);
    }
    found.findings
}

#[derive(Default)]
struct Found {
    findings: Vec<Finding>,
    paths: BTreeSet<String>,
}

impl Found {
    fn look(&mut self, machine: &Machine, maker: &Maker, path: &str, text: &str) {
        if let Some(mark) = (maker.mark)(text) {
            self.tell(maker.who, path, mark);
        } else if maker.starts {
            for program in programs(text) {
                let text = machine.script(program).unwrap_or_default();
                if let Some(mark) = by_script(&text) {
                    self.tell(&format!("{} ({path})", maker.who), program, mark);
                }
            }
        }
    }

    fn tell(&mut self, who: &str, path: &str, mark: &str) {
        if !self.paths.insert(path.to_owned()) {
            return;
        }
        self.findings.push(
            Finding::warning(
                "vf-makers",
                format!("{who} makes VFs too: {path} has {mark}"),
                "railhead counts them as somebody else's, and another number than a policy's means \
                 that they are made anew",
            )
            .mend("remove the line, or set externallyManaged in the policy"),
        );
    }
}

/// The file that makes VFs of whatever PF.
const NUMVFS: &str = "sriov_numvfs";

fn by_any_line(text: &str) -> Option<&'static str> {
    super::lines(text).any(|line| line.contains(NUMVFS)).then_some(NUMVFS)
}

fn by_script(text: &str) -> Option<&'static str> {
    let lines = super::lines(text).map(without_comment);
    lines.into_iter().any(|line| line.contains(NUMVFS) && !only_reads(line)).then_some(NUMVFS)
}

/// Of a unit only what it executes.
fn by_unit(text: &str) -> Option<&'static str> {
    let joined = text.replace("\\\n", " ");
    let mut lines = super::lines(&joined).filter(|line| line.starts_with("Exec"));
    lines.any(|line| line.contains(NUMVFS) && !only_reads(line)).then_some(NUMVFS)
}

/// Of a rule only what is no condition.
fn by_rule(text: &str) -> Option<&'static str> {
    let joined = text.replace("\\\n", " ");
    let acts = |line: &str| {
        line.split(',').any(|part| {
            let is_condition = part.contains("==") || part.contains("!=");
            part.contains(NUMVFS) && !is_condition
                || part.contains(NUMVFS) && part.trim_start().starts_with("RUN")
        })
    };
    super::lines(&joined).any(acts).then_some(NUMVFS)
}

fn by_networkd(text: &str) -> Option<&'static str> {
    begins_a_line(text, &["SR-IOVVirtualFunctions", "[SR-IOV]"])
}

fn by_connection(text: &str) -> Option<&'static str> {
    begins_a_line(text, &["total-vfs", "[sriov]"])
}

fn by_ifcfg(text: &str) -> Option<&'static str> {
    begins_a_line(text, &["SRIOV_TOTAL_VFS"])
}

/// The first of `marks` that a line begins with.
fn begins_a_line(text: &str, marks: &[&'static str]) -> Option<&'static str> {
    let has = |mark: &str| super::lines(text).any(|line| line.starts_with(mark));
    marks.iter().copied().find(|mark| has(mark))
}

fn by_nmstate(text: &str) -> Option<&'static str> {
    let mark = "total-vfs";
    super::lines(text).any(|line| line.contains(mark)).then_some(mark)
}

/// netplan makes as many VFs as it is told, else as many as name the PF as their `link`.
fn by_netplan(text: &str) -> Option<&'static str> {
    let mark = "virtual-function-count";
    if super::lines(text).any(|line| line.contains(mark)) {
        return Some(mark);
    }
    let read: Value = serde_saphyr::from_str(text).ok()?;
    let ethernets = read.get("network")?.get("ethernets")?.as_object()?;
    ethernets.values().any(|one| one.get("link").is_some()).then_some("link:")
}

fn by_modprobe(text: &str) -> Option<&'static str> {
    let is_written = |line: &str| line.contains(NUMVFS) && !only_reads(line);
    let has = |mark: &str| {
        super::lines(text).any(|line| {
            let mut words = line.split_whitespace();
            words.next() == Some("options") && words.any(|word| word.starts_with(mark))
        })
    };
    let parameter = PARAMETERS.into_iter().find(|parameter| has(parameter));
    parameter.or_else(|| super::lines(text).any(is_written).then_some(NUMVFS))
}

/// By which older drivers make VFs when they are loaded.
const PARAMETERS: [&str; 2] = ["max_vfs=", "num_vfs="];

fn is_parameter(word: &str) -> bool {
    PARAMETERS.iter().any(|parameter| word.contains(parameter))
}

/// Whether a command only looks at the file that it names.
fn only_reads(line: &str) -> bool {
    let mut line = line.to_owned();
    for harmless in ["/dev/null", ">&1", ">&2", "->", "=>"] {
        line = line.replace(harmless, "");
    }
    let line = line.replace("2>", "").replace("> ;", ";");
    let reads = ["cat ", "grep ", "$(<", "test ", "[ ", "[[ ", "ls "];
    let writes = [">", "tee", "sysfs_write", " dd "];
    reads.iter().any(|verb| line.contains(verb)) && !writes.iter().any(|verb| line.contains(verb))
}

/// A line without the comment at its end.
fn without_comment(line: &str) -> &str {
    let is_outside = |at: usize| {
        let before = line.get(..at).unwrap_or_default();
        ['"', '\''].iter().all(|quote| before.matches(*quote).count() % 2 == 0)
    };
    let mut comments = line.match_indices(" #").map(|(at, _)| at);
    comments.find(|at| is_outside(*at)).and_then(|at| line.get(..at)).unwrap_or(line)
}

/// Where programs of administrators are.
const PROGRAMS: [&str; 8] =
    ["/etc/", "/usr/", "/opt/", "/root/", "/home/", "/srv/", "/var/lib/", "/sbin/"];

/// The paths that a text names and that may be scripts.
fn programs(text: &str) -> impl Iterator<Item = &str> {
    let words = super::lines(text).map(without_comment).flat_map(|line| {
        line.split(|c: char| c.is_whitespace() || ['"', '\'', '=', ';', '(', ')'].contains(&c))
    });
    words
        .map(|word| word.trim_start_matches(['-', '@', '+', '!', ':']))
        .filter(|word| PROGRAMS.iter().any(|place| word.starts_with(place)))
}

#[cfg(test)]
mod tests;
