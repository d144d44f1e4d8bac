//! The real binary on captured machines: what it prints, how it ends, and that it touches nothing.
#![expect(clippy::unwrap_used, reason = "a test fails by a panic")]

mod discover;
mod doctor;
mod dump;
mod exit_codes;
mod explain;
mod families;
mod groups;
mod leftovers;
mod machine;
mod names;
mod not_root;
mod opens;
mod others;
mod permissions;
mod plan;
mod rivals;
mod silent;
mod status;
mod switchdev;
mod terminal;
mod validate;
mod virtio;
