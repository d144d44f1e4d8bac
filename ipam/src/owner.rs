//! Who holds something: one interface of one container.

use std::fmt;

use conf::{ContainerId, IfName};
use serde::{Deserialize, Serialize};

/// An attachment, as CNI names it: the container and the interface's name inside it.
///
/// A runtime does not add the same interface twice without a DEL between, so this identifies what
/// a later DEL gives back, whatever its config says by then.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct AttachmentKey {
    /// `CNI_CONTAINERID`.
    pub container: ContainerId,
    /// `CNI_IFNAME`.
    pub ifname: IfName,
}

impl fmt::Display for AttachmentKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "interface {} of container {}", self.ifname, self.container)
    }
}
