//! The real binary, called as a runtime calls it, where no VF is needed: the protocol, refusals,
//! and `nv-ipam`.
//!
//! Each test has its own thread with its own network and mount namespace, and fresh file systems
//! on `/run`, `/var/lib` and `/etc/railhead` (see [`bed`]), so that plain `cargo test` is enough
//! and nothing of the machine is touched. Needs root.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test tells by panicking")]

mod bed;
mod install;
mod leftovers;
mod nv_ipam;
mod protocol;
mod readiness;
mod sriov;
