//! The journal's files: one per PF, replaced whole.
//!
//! On tmpfs, so a rename is all that atomicity against SIGKILL takes; no fsync.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use conf::PciAddress;
use serde::Deserialize;

use super::{Entry, Ownership, VERSION};

/// More than any entry of ours is long; what is longer is not ours.
const LONGEST: u64 = 1 << 20;

/// The journal's directory.
#[derive(Debug, Clone)]
pub struct Journal {
    directory: PathBuf,
}

/// A journal file that could not be written or removed.
#[derive(Debug, thiserror::Error)]
#[error("{verb} the journal of {pf} ({})", path.display())]
pub struct JournalError {
    verb: &'static str,
    pf: PciAddress,
    path: PathBuf,
    source: io::Error,
}

/// A file that is no entry of ours. It was set aside; what it said is unknown, so that nothing on
/// its PF counts as ours any more.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the journal file {} is damaged ({why}): set aside as {}; \
         what is on its PF now counts as somebody else's", path.display(), aside.display())]
pub struct Damaged {
    /// The file.
    pub path: PathBuf,
    /// Where it is now.
    pub aside: PathBuf,
    /// What is wrong with it.
    pub why: String,
}

/// What the journal says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Read {
    /// Its entries.
    pub ownership: Ownership,
    /// Files that are damaged.
    pub damaged: Vec<Damaged>,
    /// PFs whose entry a newer railhead wrote in a format of its own, and why they are left alone.
    pub newer: BTreeMap<PciAddress, String>,
}

/// Why a file is no entry.
enum NoEntry {
    Damaged(String),
    /// It is of that format.
    Newer(u32),
}

impl Journal {
    /// The journal in `directory`, which need not be there yet.
    pub fn at(directory: impl Into<PathBuf>) -> Self {
        Self { directory: directory.into() }
    }

    /// Reads all entries. Only [`Journal::set_aside`] touches what is damaged.
    pub fn read(&self) -> Result<Read, io::Error> {
        let mut read = Read::default();
        let files = match fs::read_dir(&self.directory) {
            Ok(files) => files,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(read),
            Err(error) => return Err(error),
        };
        for file in files {
            let path = file?.path();
            let Some(name) = path.file_name().and_then(|name| name.to_str()) else { continue };
            let Some(stem) = name.strip_suffix(".json").filter(|stem| !stem.starts_with('.'))
            else {
                continue;
            };
            let why = match stem.parse::<PciAddress>() {
                Ok(pf) => match parse(&path) {
                    Ok(entry) => {
                        read.ownership.insert(pf, entry);
                        continue;
                    }
                    Err(NoEntry::Newer(format)) => {
                        read.newer.insert(pf, newer(&path, format));
                        continue;
                    }
                    Err(NoEntry::Damaged(why)) => why,
                },
                Err(error) => error.to_string(),
            };
            let aside = path.with_extension("json.damaged");
            read.damaged.push(Damaged { path, aside, why });
        }
        Ok(read)
    }

    /// Renames a damaged file, so that it is told of once and can be looked at.
    pub fn set_aside(&self, damaged: &Damaged) -> Result<(), io::Error> {
        fs::rename(&damaged.path, &damaged.aside)
    }

    /// Writes the entry of one PF.
    pub fn write(&self, pf: PciAddress, entry: &Entry) -> Result<(), JournalError> {
        let path = self.path(pf);
        self.replace(&path, pf, entry).map_err(|source| JournalError {
            verb: "write",
            pf,
            path,
            source,
        })
    }

    fn replace(&self, path: &Path, pf: PciAddress, entry: &Entry) -> io::Result<()> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.directory)?;
        let temporary = self.directory.join(format!(".{pf}.new"));
        // Whole, in one write: it stands before every step.
        let mut bytes = serde_json::to_vec_pretty(entry)?;
        bytes.push(b'\n');
        let mut file = fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&temporary)?;
        file.write_all(&bytes)?;
        fs::rename(&temporary, path)
    }

    /// Removes the entry of one PF.
    pub fn remove(&self, pf: PciAddress) -> Result<(), JournalError> {
        let path = self.path(pf);
        match fs::remove_file(&path) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => {
                Err(JournalError { verb: "remove", pf, path, source })
            }
            _ => Ok(()),
        }
    }

    fn path(&self, pf: PciAddress) -> PathBuf {
        self.directory.join(format!("{pf}.json"))
    }
}

fn newer(path: &Path, format: u32) -> String {
    format!(
        "a newer railhead wrote {} in format {format}, and this one reads {VERSION}: install that \
         one again, or undo with it what policies asked for before going back",
        path.display()
    )
}

fn parse(path: &Path) -> Result<Entry, NoEntry> {
    let told = |error: io::Error| NoEntry::Damaged(error.to_string());
    // Not through a symlink, and nothing that is not a plain file: whatever it is, it is not ours.
    let metadata = fs::symlink_metadata(path).map_err(told)?;
    if !metadata.is_file() {
        return Err(NoEntry::Damaged("it is not a plain file".to_owned()));
    }
    if metadata.len() > LONGEST {
        return Err(NoEntry::Damaged(format!("it has {} bytes", metadata.len())));
    }
    let bytes = fs::read(path).map_err(told)?;
    let damaged = |error: serde_json::Error| NoEntry::Damaged(error.to_string());
    // Before all else, which another format may have changed.
    let Stamp { version } = serde_json::from_slice(&bytes).map_err(damaged)?;
    match version {
        VERSION => serde_json::from_slice(&bytes).map_err(damaged),
        format if format > VERSION => Err(NoEntry::Newer(format)),
        format => Err(NoEntry::Damaged(format!("there is no format {format}"))),
    }
}

/// What every format begins with.
#[derive(Deserialize)]
struct Stamp {
    version: u32,
}
