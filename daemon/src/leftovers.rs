//! Records that outlive their attachment: its VF is free, but its IPAM plugin cannot be told, or
//! nobody can read what is recorded. Nothing else fails by them, so they have to be named.

use std::fmt;

use cni::attachment::{FORMAT, Record, State};
use conf::{ContainerId, IfName};
use ipam::StoreError;
use serde::Serialize;

use crate::chain::Chain;
use crate::host::Host;

/// A record that outlives its attachment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Leftover {
    /// The container.
    pub container: ContainerId,
    /// The interface's name in it.
    pub interface: IfName,
    /// Why the record stays.
    pub why: String,
    /// The command that drops it.
    pub clear: String,
}

/// All of them.
///
/// # Errors
/// The store cannot be read.
pub fn all(host: &Host) -> Result<Vec<Leftover>, StoreError> {
    let Some(store) = host.store() else { return Ok(Vec::new()) };
    let records = store.read(|txn| txn.attachments::<Record>())?;
    let leftovers = records.into_iter().filter_map(|(key, record)| {
        let (why, force) = match record {
            Ok(record) if !record.is_readable() => (
                format!("a newer railhead recorded it (format {}, not {FORMAT})", record.format),
                true,
            ),
            Ok(Record { state: State::Released, ipam, .. }) => {
                let ipam = ipam.plugin();
                (format!("its VF is free, but {ipam} has yet to be told by its DEL"), false)
            }
            Ok(_) => return None,
            Err(error) => (Chain(&error).to_string(), true),
        };
        let (container, interface) = (key.container, key.ifname);
        let force = if force { " --force" } else { "" };
        let clear = format!("railhead attachments drop {container} {interface}{force}");
        Some(Leftover { container, interface, why, clear })
    });
    Ok(leftovers.collect())
}

impl fmt::Display for Leftover {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { container, interface, why, .. } = self;
        write!(f, "a record is left of interface {interface} of container {container}: {why}")
    }
}
