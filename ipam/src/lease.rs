//! Leases: which attachment holds which address of which pool.
//!
//! ```text
//! pool       one small number for each pool, and the cursor of its round robin
//! record     the lease itself, and the index from owner to leases
//! runs       addresses that are not free, as ranges: leased or cooling
//! cooling    addresses that were given back and rest for a while, oldest first
//! search     the next free address of a block
//! ```
//!
//! An address is in a run exactly when it is leased or cooling; all of these are kept in step
//! within one transaction. As neighbouring runs are merged, a full block is one record, and the
//! next free address is found in a number of look-ups that does not depend on how many are taken.

pub(crate) mod cooling;
pub(crate) mod pool;
mod record;
pub(crate) mod runs;
pub(crate) mod search;

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;

use conf::NetworkName;
use conf::block::PoolRef;
use serde::{Deserialize, Serialize};

use crate::clock::BootTime;
use crate::owner::AttachmentKey;

pub use cooling::Cooling;

/// One address that is given out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    /// The pool it comes from.
    pub pool: PoolRef,
    /// The address.
    pub address: IpAddr,
    /// Who holds it.
    #[serde(flatten)]
    pub owner: AttachmentKey,
    /// The CNI network it was asked for by, which is what GC goes by.
    pub network: NetworkName,
    /// The pod, as far as the runtime told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod: Option<PodRef>,
    /// When it was given out.
    pub granted_at: BootTime,
    /// The cookie of the container's network namespace (`SO_NETNS_COOKIE`): never reused while
    /// the machine runs, so a lease whose namespace is gone can be told from one whose path was
    /// taken over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub netns_cookie: Option<u64>,
    /// `CNI_NETNS`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub netns: Option<PathBuf>,
    /// It was made again from what stood on an interface after a store was lost
    /// ([`crate::recover`]): container and network are not known.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub recovered: bool,
}

/// A pod, in the runtime's words (CNI_ARGS). For people: nothing is decided by it, since not
/// every caller has pods and a static pod's UID is not the one that the API server knows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PodRef {
    /// `K8S_POD_NAMESPACE`.
    pub namespace: String,
    /// `K8S_POD_NAME`.
    pub name: String,
    /// `K8S_POD_UID`; empty when not told.
    #[serde(default)]
    pub uid: String,
}

/// `NAMESPACE/NAME`.
impl fmt::Display for PodRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

#[cfg(test)]
pub(crate) mod tests;
