//! Who else may write where root reads what to do: files, the directories that they are in, and
//! wherever links lead.
//!
//! A path is only as safe as all that it leads through: whoever may write to one of the directories
//! puts another file there. So each is followed name by name, link by link.

use std::collections::{BTreeMap, VecDeque};
use std::ffi::OsString;
use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};

use cni::install::{BINARY, PLUGINS};

use super::{Finding, Level, Machine, plugins};
use crate::host::Host;

/// Directories of which all counts, and what their own mode must not allow.
const TREES: [(&str, u32); 5] = [
    ("etc/railhead", OTHERS_WRITE),
    ("var/lib/railhead", OTHERS_ANYTHING),
    ("run/railhead", OTHERS_ANYTHING),
    ("etc/cni", OTHERS_WRITE),
    ("var/lib/rancher/k3s/agent/etc/cni", OTHERS_WRITE),
];

/// Where a program, a unit, a rule or a network file of railhead's may be, and how it is called.
const FILES: [(&[&str], &[&str]); 5] = [
    (&["usr/bin", "usr/local/bin", "usr/sbin", "usr/local/sbin"], &["railhead", BINARY]),
    (
        &[
            "etc/systemd/system",
            "run/systemd/system",
            "usr/local/lib/systemd/system",
            "usr/lib/systemd/system",
            "lib/systemd/system",
        ],
        &[
            "railhead.service",
            "railhead.service.d",
            "railhead-boot.service",
            "railhead-boot.service.d",
        ],
    ),
    (&["etc/udev/rules.d", "run/udev/rules.d", "usr/lib/udev/rules.d"], &["10-railhead.rules"]),
    (&["etc/systemd/network", "usr/lib/systemd/network"], &["00-railhead.network"]),
    (&["etc/tmpfiles.d", "usr/lib/tmpfiles.d"], &["railhead.conf"]),
];

const OTHERS_WRITE: u32 = 0o022;
const OTHERS_ANYTHING: u32 = 0o077;
/// What a directory on the way must not allow. Groups are let be there: on many systems `/usr/local`
/// is a group's.
const ANYBODY_WRITES: u32 = 0o002;
/// Only who owns a file there may replace it.
const STICKY: u32 = 0o1000;

/// Links that a path leads through at most, as in the kernel.
const LINKS: usize = 40;

/// How many files are looked at.
const ENTRIES: usize = 20_000;

/// How many findings are told one by one.
const TOLD: usize = 8;

pub(super) fn examine(host: &Host, machine: &Machine) -> Vec<Finding> {
    let mut look = Look::new(host, machine);
    for (tree, forbidden) in TREES {
        look.tree(Path::new(tree), forbidden, Level::Error);
    }
    for (directories, names) in FILES {
        for directory in directories {
            for name in names {
                look.tree(&Path::new(directory).join(name), OTHERS_WRITE, Level::Error);
            }
        }
    }
    for (_, directory) in plugins::directories(machine) {
        for ours in [BINARY].iter().chain(&PLUGINS) {
            look.tree(&Path::new(&directory).join(ours), OTHERS_WRITE, Level::Error);
        }
        // Other plugins run as root too, but are not railhead's.
        look.tree(Path::new(&directory), OTHERS_WRITE, Level::Warning);
    }
    look.findings()
}

/// What is wrong with one file.
struct Wrong {
    /// By which path it was come to, where that is another one.
    by: Option<PathBuf>,
    level: Level,
    mode: u32,
    forbidden: u32,
    owner: Option<u32>,
}

struct Look<'a> {
    machine: &'a Machine,
    owners: Vec<u32>,
    walked: BTreeMap<PathBuf, u32>,
    wrong: BTreeMap<PathBuf, Wrong>,
}

impl<'a> Look<'a> {
    fn new(host: &Host, machine: &'a Machine) -> Self {
        let mut owners = vec![0];
        if !host.is_live() {
            // Whoever has the copy of a machine.
            owners.push(nix::unistd::geteuid().as_raw());
        }
        Self { machine, owners, walked: BTreeMap::new(), wrong: BTreeMap::new() }
    }

    /// Looks at a file, or a directory and all that is in it.
    fn tree(&mut self, path: &Path, forbidden: u32, level: Level) {
        let Some((real, metadata)) = self.follow(path, level) else { return };
        let known = self.walked.get(&real).copied().unwrap_or_default();
        if (self.walked.contains_key(&real) && known & forbidden == forbidden)
            || self.walked.len() >= ENTRIES
        {
            return;
        }
        self.walked.insert(real.clone(), known | forbidden);
        self.judge(&real, path, &metadata, forbidden, level);
        if !metadata.is_dir() {
            return;
        }
        let entries = fs::read_dir(self.at(&real)).into_iter().flatten().flatten();
        let mut names: Vec<OsString> = entries.map(|entry| entry.file_name()).collect();
        names.sort();
        for name in names {
            self.tree(&real.join(name), OTHERS_WRITE, level);
        }
    }

    /// Where a path leads, without links, and what is there. Judges all directories on the way.
    fn follow(&mut self, path: &Path, level: Level) -> Option<(PathBuf, Metadata)> {
        let mut left: VecDeque<OsString> = names(path).collect();
        let (mut real, mut links) = (PathBuf::new(), 0);
        while let Some(name) = left.pop_front() {
            if name == ".." {
                real.pop();
                continue;
            }
            if let Ok(metadata) = fs::symlink_metadata(self.at(&real))
                && real != Path::new("")
                && metadata.mode() & STICKY == 0
            {
                self.judge(&real, path, &metadata, ANYBODY_WRITES, level);
            }
            let next = real.join(&name);
            if let Ok(target) = fs::read_link(self.at(&next)) {
                links += 1;
                if links > LINKS {
                    return None;
                }
                if target.is_absolute() {
                    real = PathBuf::new();
                }
                for name in names(&target).collect::<Vec<_>>().into_iter().rev() {
                    left.push_front(name);
                }
            } else {
                real = next;
            }
        }
        let metadata = fs::symlink_metadata(self.at(&real)).ok()?;
        Some((real, metadata))
    }

    fn judge(
        &mut self,
        real: &Path,
        asked: &Path,
        metadata: &Metadata,
        forbidden: u32,
        level: Level,
    ) {
        let mode = metadata.mode() & 0o7777;
        let owner = Some(metadata.uid()).filter(|owner| !self.owners.contains(owner));
        if mode & forbidden == 0 && owner.is_none() {
            return;
        }
        let is_below = asked.starts_with(real);
        let by = (!is_below && asked != real).then(|| asked.to_owned());
        let wrong = self.wrong.entry(real.to_owned()).or_insert(Wrong {
            by,
            level,
            mode,
            forbidden,
            owner,
        });
        wrong.forbidden |= forbidden;
        wrong.level = wrong.level.max(level);
    }

    fn at(&self, path: &Path) -> PathBuf {
        self.machine.root().join(path)
    }

    fn findings(self) -> Vec<Finding> {
        let check = "permissions";
        if self.wrong.is_empty() {
            return vec![Finding::ok(check, "only root writes what root reads")];
        }
        let all = self.wrong.iter().flat_map(|(path, wrong)| wrong.findings(path));
        let mut all: Vec<Finding> = all.collect();
        all.sort_by_key(|finding| std::cmp::Reverse(finding.level));
        if all.len() > TOLD {
            let more = all.len() - TOLD;
            let level = all.get(TOLD).map_or(Level::Warning, |finding| finding.level);
            all.truncate(TOLD);
            let what = format!("{more} more like these");
            let why = "they are told once these are mended";
            all.push(Finding { level, ..Finding::warning(check, what, why) });
        }
        all
    }
}

impl Wrong {
    fn findings(&self, path: &Path) -> impl Iterator<Item = Finding> {
        let path = shown(path);
        let by = self.by.as_deref().map(|by| format!(", by {},", shown(by))).unwrap_or_default();
        let word = in_shell(&path);
        let mode = self.mode;
        let finding = |what: String, why| Finding {
            level: self.level,
            ..Finding::warning("permissions", what, why)
        };
        let mode = (mode & self.forbidden != 0).then(|| {
            let why = "others could tell railhead, which is root, what to do, or see what pods use";
            finding(format!("{path}{by} has mode {mode:04o}"), why)
                .mend(format!("sudo chmod {:04o} {word}", mode & !self.forbidden))
        });
        let owner = self.owner.map(|owner| {
            let why = "that user could tell railhead, which is root, what to do";
            finding(format!("{path}{by} belongs to user {owner}"), why)
                .mend(format!("sudo chown root: {word}"))
        });
        owner.into_iter().chain(mode)
    }
}

/// The names that a path consists of, `..` among them.
fn names(path: &Path) -> impl Iterator<Item = OsString> {
    path.components().filter_map(|component| match component {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some("..".into()),
        _ => None,
    })
}

fn shown(path: &Path) -> String {
    format!("/{}", path.display())
}

/// A path as one word of a command: whoever owns a file has chosen its name.
fn in_shell(path: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._-+:@,".contains(c);
    if path.chars().all(is_plain) {
        return path.to_owned();
    }
    format!("'{}'", path.replace('\'', r"'\''"))
}
