//! The node daemon: one loop that owns all changes.
//!
//! ```text
//! inotify: objects, settings --+
//! rtnetlink: PFs and VFs ------+
//! uevents: PCI, netdevs -------+                   +--> pass (one thread at a time)
//! pidfd: who is in the way ----+--> Pending --> loop
//! inotify: namespaces that go -+
//! slow timer, retries ---------+                   +--> Published --> socket, systemd
//! socket: apply ---------------+                   +--> Metrics --> http
//! ```
//!
//! Level, not edge: an event only means "look again", and what happens during a pass leads to
//! another look after it. Nothing is polled; a host on which all is in force and nothing happens
//! wakes the daemon for its slow timer alone, and nothing is written while nothing changes.

use std::sync::Arc;

use tokio::runtime;

use crate::host::Host;

mod backoff;
mod capabilities;
pub mod client;
mod crowd;
mod departures;
mod due;
mod events;
mod health;
mod http;
pub mod lock;
mod main_loop;
mod notify;
pub mod protocol;
mod published;
pub mod reach;
pub mod scrape;
mod socket;
mod telling;
mod worker;

use lock::{HostLock, HostLockError};

/// Why the daemon ended.
#[derive(Debug, thiserror::Error)]
pub enum ServiceError {
    /// It may not do its work.
    #[error(transparent)]
    Capabilities(#[from] capabilities::Missing),
    /// Another one is at work.
    #[error(transparent)]
    Lock(#[from] HostLockError),
    /// Something to wait for could not be set up.
    #[error("{what}")]
    Setup {
        /// What.
        what: &'static str,
        /// Why not.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl ServiceError {
    fn setup<E: Into<Box<dyn std::error::Error + Send + Sync>>>(
        what: &'static str,
    ) -> impl FnOnce(E) -> Self {
        move |source| Self::Setup { what, source: source.into() }
    }
}

/// Runs until SIGTERM or SIGINT.
pub fn run(host: &Host) -> Result<(), ServiceError> {
    capabilities::check()?;
    let lock = HostLock::take(host, "the railhead daemon")?;
    let runtime = runtime::Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .build()
        .map_err(ServiceError::setup("start the event loop"))?;
    let ended = runtime.block_on(main_loop::run(Arc::new(host.clone())));
    drop(lock);
    ended
}
