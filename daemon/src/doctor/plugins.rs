//! The plugins where a container runtime looks for them.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use cni::install::{BINARY, PLUGINS};

use super::{Finding, Machine};

/// Where they are unless a runtime says otherwise.
const USUAL: &str = "opt/cni/bin";

/// Where runtimes say where they look, and by which keys.
const CONFIGS: [(&str, &str); 5] = [
    ("containerd", "etc/containerd/config.toml"),
    ("k3s's containerd", "var/lib/rancher/k3s/agent/etc/containerd/config.toml"),
    ("rke2's containerd", "var/lib/rancher/rke2/agent/etc/containerd/config.toml"),
    ("CRI-O", "etc/crio/crio.conf"),
    ("CRI-O", "etc/crio/crio.conf.d/10-crio.conf"),
];

pub(super) fn examine(machine: &Machine) -> Vec<Finding> {
    let directories = directories(machine);
    let mut findings: Vec<Finding> =
        directories.iter().flat_map(|(who, at)| directory(machine, who, at)).collect();
    if !machine.has(&format!("{USUAL}/{BINARY}"))
        && !directories.iter().any(|(_, at)| machine.has(&format!("{at}/{BINARY}")))
    {
        findings.push(
            Finding::error("plugins", format!("/{USUAL} has no {BINARY}"), "no pod gets a VF")
                .mend(format!("sudo {BINARY} install /{USUAL}")),
        );
    } else if findings.is_empty() {
        let version = env!("CARGO_PKG_VERSION");
        findings.push(Finding::ok("plugins", format!("{}, {version}", PLUGINS.join(", "))));
    }
    findings
}

/// The directories in which runtimes look, and who.
pub(super) fn directories(machine: &Machine) -> Vec<(String, String)> {
    let mut directories = vec![("Multus, containerd".to_owned(), USUAL.to_owned())];
    for (who, path) in CONFIGS {
        let text = machine.text(path).unwrap_or_default();
        for line in text.lines().map(str::trim) {
            let keys = ["bin_dir", "bin_dirs", "plugin_dirs"];
            let Some((key, value)) = line.split_once('=') else { continue };
            if !keys.contains(&key.trim()) {
                continue;
            }
            for at in value.split(['"', '\'']).filter(|part| part.starts_with('/')) {
                let at = at.trim_matches('/').to_owned();
                if !directories.iter().any(|(_, known)| *known == at) {
                    directories.push((format!("{who} (/{path})"), at));
                }
            }
        }
    }
    directories
}

fn directory(machine: &Machine, who: &str, at: &str) -> Vec<Finding> {
    let binary = format!("{at}/{BINARY}");
    if !machine.has(&binary) {
        if at == USUAL || !machine.has(at) {
            return Vec::new();
        }
        return vec![
            Finding::warning(
                "plugin-directory",
                format!("{who} looks in /{at}, which has no {BINARY}"),
                "that is fine when Multus calls the plugins from another directory, else no pod \
                 gets a VF",
            )
            .mend(format!("sudo {BINARY} install /{at}")),
        ];
    }
    let mut findings: Vec<Finding> = usable(machine, &binary, at).into_iter().collect();
    for plugin in PLUGINS {
        let path = machine.path(&format!("{at}/{plugin}"));
        let target = fs::read_link(&path).ok();
        if target.as_deref().and_then(Path::file_name) == Some(BINARY.as_ref()) {
            continue;
        }
        let (what, why) = if path.exists() {
            (
                format!("/{at}/{plugin} is another program"),
                "pods that name it do not get railhead's",
            )
        } else {
            (format!("/{at}/{plugin} is missing"), "pods that name it do not start")
        };
        findings.push(Finding::error("plugin-links", what, why).mend(install(at)));
    }
    findings
}

/// Whether the binary can be run here, and is of our version.
fn usable(machine: &Machine, binary: &str, at: &str) -> Option<Finding> {
    let path = machine.path(binary);
    let finding =
        |what: String, why| Some(Finding::error("plugin-binary", what, why).mend(install(at)));
    let mode = fs::metadata(&path).ok()?.permissions().mode();
    if mode & 0o111 == 0 {
        return finding(format!("/{binary} is not executable"), "no pod gets a VF");
    }
    let content = fs::read(&path).ok()?;
    if machine_of(&content) != Some(ELF_MACHINE) {
        let what = format!("/{binary} is no program for this processor");
        return finding(what, "no pod gets a VF");
    }
    let ours = env!("CARGO_PKG_VERSION");
    match version_in(&content) {
        Some(version) if version == ours => None,
        Some(version) => finding(
            format!("/{binary} is of version {version}, this is {ours}"),
            "they work together for one upgrade, not for ever",
        ),
        None => finding(format!("/{binary} says no version"), "it may be anybody's"),
    }
}

fn install(at: &str) -> String {
    format!("sudo {BINARY} install /{at}   (the one that was built or packaged with this railhead)")
}

/// `e_machine` of this processor (include/uapi/linux/elf-em.h).
const ELF_MACHINE: u16 = if cfg!(target_arch = "aarch64") { 183 } else { 62 };

/// For which processor a program is; `None` when it is none.
fn machine_of(content: &[u8]) -> Option<u16> {
    let header = content.get(..20)?;
    let machine = header.get(18..20)?.try_into().ok()?;
    header.starts_with(b"\x7fELF").then(|| u16::from_le_bytes(machine))
}

/// The version that a plugin's binary prints for `--version`, found in it without running it.
fn version_in(content: &[u8]) -> Option<String> {
    let mark = format!("{BINARY} ").into_bytes();
    let after = content
        .windows(mark.len())
        .enumerate()
        .filter(|(_, window)| *window == mark.as_slice())
        .filter_map(|(at, _)| content.get(at + mark.len()..));
    let version = |rest: &[u8]| {
        let is_part = |octet: &&u8| octet.is_ascii_alphanumeric() || b".-+".contains(octet);
        let version: Vec<u8> = rest.iter().take_while(is_part).copied().collect();
        version.first()?.is_ascii_digit().then(|| String::from_utf8(version).ok())?
    };
    after.into_iter().find_map(version)
}
