//! What runs inside the virtual machine: the tests and their vocabulary.
//!
//! A test is a plain function that panics when something is not as it should be. It may do to the machine what
//! it likes, so long as it is as it was found at the end: no VFs, no namespaces, no processes, every link and PCI
//! function as before. The runner compares after each test and calls what is left behind a failure; it clears
//! railhead's own directories (`/run/railhead`, `/var/lib/railhead`, `/etc/railhead`) itself.
//!
//! To add a test, write the function in a module of [`tests`] and name it in that module's `TESTS`.
#![expect(
    clippy::expect_used,
    clippy::panic,
    reason = "a panic is how a test fails, and each runs under catch_unwind"
)]

pub(crate) mod bench;
mod bpf;
pub mod cni;
pub mod debian;
mod demo;
mod disk;
pub mod hand;
pub mod host;
pub mod init;
mod machine;
mod netlink;
mod packet;
pub mod pod;
pub mod program;
pub mod railhead;
mod runner;
mod stage;
pub mod tests;
pub mod trace;
mod transcript;
pub mod user;
pub mod vf_state;
pub mod wait;

/// A test: its name, which is `MODULE::FUNCTION`, and the function.
pub type Test = (&'static str, fn());
