//! Waiting for the kernel to change something.

use std::os::fd::{AsFd, BorrowedFd};
use std::time::Instant;

use super::Error;
use super::netns::Netns;

/// A socket that hears of every change of links, addresses or routes in one namespace.
///
/// An event only means "look again": nothing is decoded, and lost events (ENOBUFS) are one more
/// reason to look.
pub struct Monitor {
    _private: (),
}

/// What to hear of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Topic {
    /// Links (RTNLGRP_LINK).
    Links,
    /// Addresses (RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR).
    Addresses,
    /// Routes (RTNLGRP_IPV4_ROUTE, RTNLGRP_IPV6_ROUTE).
    Routes,
}

impl Monitor {
    /// Hears of `topics` in the calling thread's namespace, from now on.
    pub fn open(topics: &[Topic]) -> Result<Self, Error> {
        let _ = topics;
        todo!()
    }

    /// The same in `netns`.
    pub fn open_in(netns: &Netns, topics: &[Topic]) -> Result<Self, Error> {
        let _ = (netns, topics);
        todo!()
    }

    /// Looks with `look` now and after every change until it finds something or the deadline has
    /// passed (`None`).
    pub fn until<T>(
        &mut self,
        deadline: Instant,
        look: impl FnMut() -> Result<Option<T>, Error>,
    ) -> Result<Option<T>, Error> {
        let _ = (deadline, look);
        todo!()
    }

    /// Takes all events that are waiting, without blocking, and says whether there were any. For
    /// a caller that waits for the file descriptor to be readable by other means.
    pub fn drain(&mut self) -> Result<bool, Error> {
        todo!()
    }
}

impl AsFd for Monitor {
    fn as_fd(&self) -> BorrowedFd<'_> {
        todo!()
    }
}
