//! What a pool says, and what containers on its nodes get of it: from the object that an admin
//! writes to the result that a container runtime reads. docs/ipam.md has the table.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test tells by panicking")]

mod bed;
mod dealing;
mod specs;
