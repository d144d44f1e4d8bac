//! Addresses: this node's blocks, who holds which address, and the store that remembers it.
//!
//! ```text
//! conf   <-   ipam   <-   cni   <-   daemon   <-   tests
//!             ^ here
//!
//! /var/lib/railhead/blocks/*  -->  nv_ipam::Request  -->  one transaction of the store
//! (written by the daemon)          (reads only)           (/run/railhead/store, under flock)
//! ```
//!
//! What a verb needs lies in files, so that pods never wait for a daemon or a network service.
//! What the kernel forgets at a reboot (leases, attachments, VF owners) is kept in [`store`] on
//! tmpfs; what must outlive one (the blocks of this node) in [`blocks`] on disk.
//!
//! This crate speaks neither netlink nor Kubernetes, and starts no other program.

pub mod clock;
pub mod durable;
pub mod owner;
pub mod paths;
pub mod store;

pub use clock::BootTime;
pub use owner::AttachmentKey;
pub use paths::Root;
pub use store::{ReadTxn, Store, StoreError, WriteTxn};
