//! What is kept of a run that failed: `target/lab/wrecks/TIME-NAME/`.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};

use super::place;

/// So many are kept; older ones make room.
const KEPT: usize = 20;

/// Makes the directory for the wreck of that test.
pub(super) fn make(test: &str) -> Result<PathBuf> {
    let wrecks = place::lab().join("wrecks");
    fs::create_dir_all(&wrecks).with_context(|| format!("make {}", wrecks.display()))?;
    make_room(&wrecks)?;
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let name: String =
        test.chars().map(|c| if c.is_ascii_alphanumeric() || c == '_' { c } else { '-' }).collect();
    let wreck = wrecks.join(format!("{seconds}-{name}"));
    fs::create_dir_all(&wreck).with_context(|| format!("make {}", wreck.display()))?;
    Ok(wreck)
}

/// Names begin with the time, so the first in order are the oldest.
fn make_room(wrecks: &Path) -> Result<()> {
    let mut known: Vec<PathBuf> = fs::read_dir(wrecks)
        .with_context(|| format!("read {}", wrecks.display()))?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .collect();
    known.sort();
    let surplus = (known.len() + 1).saturating_sub(KEPT);
    for wreck in known.iter().take(surplus) {
        fs::remove_dir_all(wreck).with_context(|| format!("remove {}", wreck.display()))?;
    }
    Ok(())
}
