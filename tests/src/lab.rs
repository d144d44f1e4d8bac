//! The host's side: builds the guest, boots it, listens to it.
#![expect(clippy::print_stdout, reason = "reports to the person who runs the tests")]

pub mod bench;
pub mod build;
mod console;
mod cpio;
mod disk;
pub mod image;
mod kernel;
pub mod machine;
pub mod place;
mod qmp;
mod rig;
mod session;
pub mod suite;
pub mod theatre;
mod wreck;
