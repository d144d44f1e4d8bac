//! The configs of the plugins, checked: what a NetworkAttachmentDefinition says and what Multus
//! adds to it.

pub mod sriov;
