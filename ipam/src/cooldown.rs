//! How long a freed address rests: `/var/lib/railhead/cooldown.json`.
//!
//! The admin sets it in railhead.yaml, which only the daemon reads; the daemon passes it on to the
//! plugins by this file. Without the file it is [`DEFAULT_COOLDOWN`].

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use conf::settings::DEFAULT_COOLDOWN;
use serde::{Deserialize, Serialize};

use crate::durable::{self, FileError};
use crate::paths::Root;

#[derive(Serialize, Deserialize)]
struct File {
    seconds: u32,
}

/// The cooldown of this node.
pub fn load(root: &Root) -> Result<Duration, FileError> {
    let path = path(root);
    let file = match durable::read_optional(&path)? {
        Some(bytes) => serde_json::from_slice(&bytes)
            .map_err(io::Error::other)
            .map_err(FileError::at("read", &path))?,
        None => File { seconds: DEFAULT_COOLDOWN },
    };
    Ok(Duration::from_secs(file.seconds.into()))
}

/// Sets the cooldown of this node, in seconds; `false`, and nothing written, when it is that.
pub fn save(root: &Root, seconds: u32) -> Result<bool, FileError> {
    let path = path(root);
    let bytes = serde_json::to_vec(&File { seconds })
        .map_err(io::Error::other)
        .map_err(FileError::at("encode", &path))?;
    durable::write_if_changed(&path, &bytes)
}

fn path(root: &Root) -> PathBuf {
    root.state().join("cooldown.json")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn default_until_set() {
        let directory = tempfile::tempdir().unwrap();
        let root = Root::at(directory.path());
        assert_eq!(load(&root).unwrap(), Duration::from_secs(DEFAULT_COOLDOWN.into()));
        assert!(save(&root, 5).unwrap() && !save(&root, 5).unwrap());
        assert_eq!(load(&root).unwrap(), Duration::from_secs(5));
        std::fs::write(root.state().join("cooldown.json"), "{").unwrap();
        assert!(load(&root).unwrap_err().to_string().ends_with("/cooldown.json"));
    }
}
