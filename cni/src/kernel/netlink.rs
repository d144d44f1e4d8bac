//! The rtnetlink socket: one request, one answer.

use super::Error;
use super::netns::Netns;

/// A rtnetlink socket that belongs to one network namespace for its whole life.
pub struct Route {
    _private: (),
}

impl Route {
    /// A socket in the calling thread's namespace.
    pub fn open() -> Result<Self, Error> {
        todo!()
    }

    /// A socket in `netns`; the calling thread stays where it is.
    pub fn open_in(netns: &Netns) -> Result<Self, Error> {
        let _ = netns;
        todo!()
    }

    /// How many requests were sent so far.
    pub fn requests(&self) -> u64 {
        todo!()
    }

    /// The cookie of the socket's namespace (`SO_NETNS_COOKIE`).
    pub fn netns_cookie(&self) -> Result<u64, Error> {
        todo!()
    }
}
