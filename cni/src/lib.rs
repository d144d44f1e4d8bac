//! What a container's network attachment needs of the kernel, and the plugins that make one.
//!
//! ```text
//! conf   <-   ipam   <-   cni   <-   daemon   <-   tests
//!                         ^ here
//! ```
//!
//! Nothing here speaks Kubernetes, waits for the daemon or starts an async runtime.

pub mod attachment;
pub mod kernel;
pub mod lock;
pub mod log;
pub mod protocol;
