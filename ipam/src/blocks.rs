//! The blocks of this node, as files: `/var/lib/railhead/blocks/KIND/POOL.json`.
//!
//! The daemon writes them, the plugins read them; so an ADD needs neither a daemon nor a pool
//! object. They are on disk because a block that is ours must still be ours after a power cut.

use std::io;
use std::path::{Path, PathBuf};

use conf::PoolName;
use conf::block::{NodeBlock, PoolKind, PoolRef};

use crate::durable::{self, FileError};
use crate::paths::Root;

const SUFFIX: &str = ".json";

/// A block that could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum BlockError {
    /// A file operation failed.
    #[error(transparent)]
    File(#[from] FileError),
    /// The file is not the block that its name promises.
    #[error("read {}: not this pool's block: {why}; remove it, the daemon writes it anew", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
}

/// A pool of a listing: its block, or why that cannot be read.
pub type Listed = (PoolRef, Result<NodeBlock, BlockError>);

/// This node's block of `pool`; `None` when it has none.
pub fn load(root: &Root, pool: &PoolRef) -> Result<Option<NodeBlock>, BlockError> {
    let path = path(root, pool);
    let Some(bytes) = durable::read_optional(&path)? else { return Ok(None) };
    let damaged = |why: String| BlockError::Damaged { path: path.clone(), why };
    let block: NodeBlock =
        serde_json::from_slice(&bytes).map_err(|error| damaged(error.to_string()))?;
    if block.pool != *pool {
        return Err(damaged(format!("it is the block of {}", block.pool)));
    }
    Ok(Some(block))
}

/// All blocks of this node, by pool. One that cannot be read does not hide the others.
pub fn list(root: &Root) -> Result<Vec<Listed>, FileError> {
    // Removed since the directory was read: then it is not one of ours any more.
    let listed = |pool: PoolRef| load(root, &pool).transpose().map(|block| (pool, block));
    Ok(pools(root)?.into_iter().filter_map(listed).collect())
}

/// The pools of which this node has a block, readable or not.
pub fn pools(root: &Root) -> Result<Vec<PoolRef>, FileError> {
    let mut pools = Vec::new();
    for kind in [PoolKind::IpPool, PoolKind::CidrPool] {
        let names = names(&directory(root, kind))?;
        pools.extend(names.into_iter().map(|name| PoolRef { kind, name }));
    }
    Ok(pools)
}

/// Writes `block` durably; `false`, and nothing written, when the file says the same already.
pub fn save(root: &Root, block: &NodeBlock) -> Result<bool, FileError> {
    let path = path(root, &block.pool);
    let mut bytes = serde_json::to_vec_pretty(block)
        .map_err(io::Error::other)
        .map_err(FileError::at("encode", &path))?;
    bytes.push(b'\n');
    durable::write_if_changed(&path, &bytes)
}

/// Forgets this node's block of `pool`; `false` when it had none.
pub fn remove(root: &Root, pool: &PoolRef) -> Result<bool, FileError> {
    durable::remove(&path(root, pool))
}

fn directory(root: &Root, kind: PoolKind) -> PathBuf {
    root.blocks().join(kind.to_string())
}

fn path(root: &Root, pool: &PoolRef) -> PathBuf {
    directory(root, pool.kind).join(format!("{}{SUFFIX}", pool.name))
}

/// The pools that have a file in `directory`, sorted. What else lies there is not ours.
fn names(directory: &Path) -> Result<Vec<PoolName>, FileError> {
    let entries = match std::fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(FileError::at("list", directory)(error)),
    };
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry.map_err(FileError::at("list", directory))?;
        let pool = entry.file_name();
        let pool = pool.to_str().and_then(|name| name.strip_suffix(SUFFIX));
        names.extend(pool.and_then(|name| name.parse().ok()));
    }
    names.sort();
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(name: &str) -> NodeBlock {
        let text = format!(
            r#"{{"version": 1, "pool": "ippool/{name}", "index": 0,
                "range": {{"first": "10.0.0.1", "last": "10.0.0.4"}}, "network": "10.0.0.0/24",
                "gateway": null, "default_gateway": false, "routes": [], "exclusions": [],
                "static_range": {{"first": "10.0.0.1", "last": "10.0.0.4"}}}}"#
        );
        serde_json::from_str(&text).unwrap()
    }

    #[test]
    fn what_was_saved_is_loaded_listed_and_removed() {
        let directory = tempfile::tempdir().unwrap();
        let root = Root::at(directory.path());
        let (red, blue) = (block("red"), block("blue"));
        assert!(save(&root, &red).unwrap() && save(&root, &blue).unwrap());
        assert!(!save(&root, &red).unwrap(), "nothing is written that has not changed");
        assert_eq!(load(&root, &red.pool).unwrap().as_ref(), Some(&red));
        let listed: Vec<_> =
            list(&root).unwrap().into_iter().map(|(pool, block)| (pool, block.unwrap())).collect();
        assert_eq!(listed, [(blue.pool.clone(), blue), (red.pool.clone(), red.clone())]);
        assert!(remove(&root, &red.pool).unwrap() && !remove(&root, &red.pool).unwrap());
        assert_eq!(load(&root, &red.pool).unwrap(), None);
    }

    #[test]
    fn no_blocks_is_an_empty_list() {
        let directory = tempfile::tempdir().unwrap();
        assert!(list(&Root::at(directory.path())).unwrap().is_empty());
    }

    #[test]
    fn a_damaged_file_is_named_and_hides_no_other() {
        let directory = tempfile::tempdir().unwrap();
        let root = Root::at(directory.path());
        save(&root, &block("good")).unwrap();
        let kind = root.blocks().join("ippool");
        for (name, content) in [
            ("half.json", r#"{"version": 1, "pool""#.to_owned()),
            ("other.json", serde_json::to_string(&block("good")).unwrap()),
            (".hidden.json", "x".to_owned()),
            ("no-suffix", "x".to_owned()),
        ] {
            std::fs::write(kind.join(name), content).unwrap();
        }
        let listed: Vec<_> = list(&root)
            .unwrap()
            .into_iter()
            .map(|(pool, block)| (pool.to_string(), block.map_err(|error| error.to_string())))
            .collect();
        let pools: Vec<String> = pools(&root).unwrap().iter().map(ToString::to_string).collect();
        assert_eq!(pools, listed.iter().map(|(pool, _)| pool.clone()).collect::<Vec<_>>());
        assert_eq!(listed.len(), 3);
        assert!(listed[0].0 == "ippool/good" && listed[0].1.is_ok());
        let half = listed[1].1.as_ref().unwrap_err();
        assert!(half.contains("/ippool/half.json") && half.contains("remove it"), "{half}");
        assert!(listed[2].1.as_ref().unwrap_err().contains("it is the block of ippool/good"));
    }
}
