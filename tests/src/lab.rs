//! The host's side: builds the guest, boots it, listens to it.

pub mod build;
mod console;
mod cpio;
pub mod image;
mod kernel;
pub mod machine;
pub mod place;
pub mod suite;
mod wreck;
