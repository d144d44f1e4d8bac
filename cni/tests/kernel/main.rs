//! The kernel verbs against the kernel that runs the tests: veths, bridges and namespaces.
//!
//! Each test has its own thread, network namespace and mount namespace (see [`bed`]), so that
//! plain `cargo test` is enough and nothing of the machine is touched. Needs root.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test tells by panicking")]

mod addresses;
mod announcements;
mod bed;
mod dumps;
mod links;
mod moves;
mod namespaces;
mod nexthops;
mod routes;
mod sysctls;
mod usage;
mod vfs;
mod waiting;
