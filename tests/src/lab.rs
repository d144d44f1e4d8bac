//! The host's side: builds the guest, boots it, listens to it.
#![expect(clippy::print_stdout, reason = "reports to the person who runs the tests")]

pub mod build;
mod console;
mod cpio;
pub mod image;
mod kernel;
pub mod machine;
pub mod place;
mod session;
pub mod suite;
pub mod theatre;
mod wreck;
