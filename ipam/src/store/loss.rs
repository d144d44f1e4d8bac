//! The memory of a store that was lost.

use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::{ReadTxn, Store, StoreError, WriteTxn, key};
use crate::clock::BootTime;

/// A store that was set aside, remembered in the one that took its place.
///
/// Containers that were attached before may still run. Until the loss is accepted
/// ([`WriteTxn::accept_loss`]) or made good ([`WriteTxn::recover`]), no address is given out, since
/// nobody knows which are in use; everything else works.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Loss {
    /// What was wrong with it.
    pub damage: String,
    /// Where its file was moved to; `None` when there was no file left.
    pub aside: Option<PathBuf>,
    /// When it was met; `None` when an older railhead met it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub met_at: Option<BootTime>,
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the store of leases and attachments was damaged ({})", self.damage)?;
        if let Some(aside) = &self.aside {
            write!(f, " and set aside as {}", aside.display())?;
        }
        f.write_str(
            "; no address is given out until those in use are read back from the network \
             namespaces, which the next ADD or the daemon does, or until you have deleted the pods \
             that held one and run `railhead ipam accept-loss`",
        )
    }
}

impl ReadTxn<'_> {
    /// The loss that nobody has dealt with yet.
    pub fn loss(&self) -> Result<Option<Loss>, StoreError> {
        self.json(&key::loss(), || "the record of a loss".to_owned())
    }
}

impl WriteTxn<'_> {
    /// Forgets the loss: addresses are given out again.
    ///
    /// Only right when no container that was attached before is left.
    pub fn accept_loss(&mut self) -> Result<Option<Loss>, StoreError> {
        let loss = self.loss()?;
        self.delete(&key::loss())?;
        Ok(loss)
    }
}

impl Store {
    /// The loss that nobody has dealt with yet, in a transaction of its own, which also meets the
    /// damage that nobody has met yet.
    pub fn loss(&self) -> Result<Option<Loss>, StoreError> {
        self.write(|txn| txn.loss())
    }
}
