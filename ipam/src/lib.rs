//! Addresses: this node's blocks, who holds which address, and the store that remembers it.
//!
//! ```text
//! conf   <-   ipam   <-   cni   <-   daemon   <-   tests
//!             ^ here
//!
//! block: pool, index -> NodeBlock      (pure; used by the daemon)
//! claim: pool, node  -> index          (pure; an arbiter decides between nodes)
//!           |
//! blocks: /var/lib/railhead/blocks/*   (written by the daemon, read by the plugins)
//!           |
//! nv_ipam::Request  ->  allocate  ->  lease  ->  store: /run/railhead/store
//! (config, CNI_ARGS)    (one transaction, under flock)
//! ```
//!
//! What a verb needs lies in files, so that pods never wait for a daemon or a network service.
//! What the kernel forgets at a reboot (leases, attachments, VF owners) is kept in [`store`] on
//! tmpfs; what must outlive one (the blocks of this node) in [`blocks`] on disk.
//!
//! This crate speaks neither netlink nor Kubernetes, and starts no other program.

pub mod allocate;
pub mod block;
pub mod blocks;
pub mod claim;
pub mod clock;
pub mod cooldown;
pub mod durable;
pub mod flock;
pub mod lease;
pub mod nv_ipam;
pub mod owner;
pub mod paths;
pub mod recover;
mod release;
pub mod store;

#[cfg(test)]
mod specimen;

pub use clock::{BootTime, Moment};
pub use lease::{Lease, PodRef};
pub use owner::AttachmentKey;
pub use paths::Root;
pub use store::{ReadTxn, Store, StoreError, WriteTxn};
