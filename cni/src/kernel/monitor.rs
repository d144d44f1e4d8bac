//! Waiting for the kernel to change something.

use std::os::fd::{AsFd, BorrowedFd};
use std::time::Instant;

use netlink_sys::{Socket, protocols::NETLINK_ROUTE};

use super::netns::{self, Netns};
use super::readable::wait_readable;
use super::{Cause, Errno, Error};

/// A socket that hears of every change of links, addresses or routes in one namespace.
///
/// An event only means "look again": nothing is decoded, and lost events (ENOBUFS) are one more
/// reason to look.
pub struct Monitor {
    socket: Socket,
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

impl Topic {
    /// The multicast groups (include/uapi/linux/rtnetlink.h).
    fn groups(self) -> &'static [u32] {
        match self {
            Self::Links => &[libc::RTNLGRP_LINK],
            Self::Addresses => &[libc::RTNLGRP_IPV4_IFADDR, libc::RTNLGRP_IPV6_IFADDR],
            Self::Routes => &[libc::RTNLGRP_IPV4_ROUTE, libc::RTNLGRP_IPV6_ROUTE],
        }
    }
}

impl Monitor {
    /// Hears of `topics` in the calling thread's namespace, from now on.
    pub fn open(topics: &[Topic]) -> Result<Self, Error> {
        match open_socket(topics) {
            Ok(socket) => Ok(Self { socket }),
            Err(error) => Err(Error::new("open", "a monitor of rtnetlink", error)),
        }
    }

    /// The same in `netns`.
    pub fn open_in(netns: &Netns, topics: &[Topic]) -> Result<Self, Error> {
        netns::enter(netns, || Self::open(topics))?
    }

    /// Looks with `look` now and after every change until it finds something or the deadline has
    /// passed (`None`). It looks at least once.
    pub fn until<T>(
        &mut self,
        deadline: Instant,
        mut look: impl FnMut() -> Result<Option<T>, Error>,
    ) -> Result<Option<T>, Error> {
        loop {
            if let Some(found) = look()? {
                return Ok(Some(found));
            }
            if !wait_readable([self.as_fd()], deadline).map_err(failed)? {
                return Ok(None);
            }
            self.drain()?;
        }
    }

    /// Takes all events that are waiting, without blocking, and says whether there were any. For
    /// a caller that waits for the file descriptor to be readable by other means.
    pub fn drain(&mut self) -> Result<bool, Error> {
        // Nothing is decoded, so a datagram may be cut.
        let mut datagram = Vec::with_capacity(64);
        let mut any = false;
        loop {
            datagram.clear();
            let received = self.socket.recv(&mut datagram, libc::MSG_DONTWAIT);
            match received.map_err(|error| error.raw_os_error().map(Errno::from_raw)) {
                // ENOBUFS: more happened than the socket could hold.
                Ok(_) | Err(Some(Errno::ENOBUFS)) => any = true,
                Err(Some(Errno::EINTR)) => {}
                Err(Some(Errno::EAGAIN)) => return Ok(any),
                Err(errno) => return Err(failed(errno.unwrap_or(Errno::EIO))),
            }
        }
    }
}

impl AsFd for Monitor {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

fn open_socket(topics: &[Topic]) -> std::io::Result<Socket> {
    let mut socket = Socket::new(NETLINK_ROUTE)?;
    socket.bind_auto()?;
    for group in topics.iter().flat_map(|topic| topic.groups()) {
        socket.add_membership(*group)?;
    }
    Ok(socket)
}

fn failed(cause: impl Into<Cause>) -> Error {
    Error::new("receive from", "a monitor of rtnetlink", cause)
}
