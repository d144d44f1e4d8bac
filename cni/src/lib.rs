//! What a container's network attachment needs of the kernel, and the plugins that make one.
//!
//! ```text
//! conf   <-   ipam   <-   cni   <-   daemon   <-   tests
//!                         ^ here
//! ```
//!
//! Nothing here speaks Kubernetes, waits for the daemon or starts an async runtime.

pub mod attachment;
mod delegate;
mod failure;
pub mod in_use;
pub mod install;
pub mod kernel;
pub mod leases;
pub mod lock;
pub mod log;
pub mod nv_ipam;
pub mod protocol;
pub mod sriov;
mod transaction;
