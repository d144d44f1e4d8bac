//! What railhead knows without looking at anything: types that cannot be wrong, the specs of the
//! custom resources with their rules, the CNI wire formats, and the fold of many policies into
//! one node's desired state.
//!
//! ```text
//! conf   <-   ipam   <-   cni   <-   daemon   <-   tests
//! ^ here
//! ```
//!
//! Nothing here does I/O, reads the clock or the environment: bytes and values come in, values
//! and [`Violation`]s go out. Text is parsed once, at the edge; past this crate no `String` is a
//! MAC, a PCI address, a VLAN or an interface name.

pub mod address;
pub mod block;
pub mod chain;
pub mod cni;
pub mod desired;
mod document;
pub mod name;
pub mod net;
pub mod node_state;
pub mod object;
pub mod pci;
pub mod plugin;
pub mod policy;
pub mod pool;
pub mod printable;
pub mod settings;
mod spelling;
pub mod vf;
mod violation;

pub use address::AddressRange;
pub use name::{BootId, ContainerId, IfName, NetworkName, NodeName, PoolName, ResourceName};
pub use net::{Guid, Mac, Mtu, VlanId, VlanProto, VlanQos};
pub use pci::{DriverName, PciAddress, PciId};
pub use vf::{LinkState, OnOff, ResetOnRelease, VfIndex, VfRange};
pub use violation::{Violation, Violations};

/// A text that is not what it should be: says which rule it breaks.
///
/// The value itself is not part of the message; whoever reports it names the field and the value
/// (see [`Violation`]).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{rule}")]
pub struct ParseError {
    /// The rule, as the end of a sentence: "must be …".
    pub rule: String,
}

impl ParseError {
    /// An error that states `rule`.
    pub fn new(rule: impl Into<String>) -> Self {
        Self { rule: rule.into() }
    }
}

/// Gives a text newtype `FromStr`-based serde: it is a string in JSON and YAML.
macro_rules! serde_by_text {
    ($type:ty) => {
        impl serde::Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }
        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}
pub(crate) use serde_by_text;
