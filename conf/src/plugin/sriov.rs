//! The config of the `sriov` plugin.
