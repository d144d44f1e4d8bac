//! The configs of the plugins, checked: what a NetworkAttachmentDefinition says and what Multus
//! adds to it.

mod fields;
pub mod log;
pub mod name;
pub mod nv_ipam;
pub mod sriov;

pub use name::PluginName;
