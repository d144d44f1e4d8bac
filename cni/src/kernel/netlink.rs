//! The rtnetlink socket: one request, one answer.
//!
//! The receive buffer grows to whatever the kernel has to say (MSG_PEEK with MSG_TRUNC): the link
//! message of a PF with 30 VFs does not fit in the 8 KiB that are often thought enough. Errors
//! carry the kernel's own words (NETLINK_EXT_ACK). Every wait has an end.

mod frame;

use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::path::Path;
use std::time::{Duration, Instant};

use netlink_packet_core::{NLM_F_ACK, NLM_F_DUMP, NLM_F_REQUEST};
use netlink_packet_core::{NetlinkHeader, NetlinkMessage, NetlinkPayload, NetlinkSerializable};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_ROUTE};
use nix::sys::socket::{setsockopt, sockopt::ReceiveTimeout};
use nix::sys::time::TimeVal;

use self::frame::{Body, frames};
use super::netns::{self, Netns};
use super::{Cause, Errno, Error};

pub(super) use self::frame::malformed;

/// How long the kernel may take to answer. It works on a request inside sendmsg(2) and has
/// answered when that returns; only a dump is told piece by piece.
const PATIENCE: Duration = Duration::from_secs(10);

/// Room for one page of a dump; the kernel fills what it is offered, up to this.
const PAGE: usize = 32 * 1024;

/// A rtnetlink socket that belongs to one network namespace for its whole life.
pub struct Route {
    socket: Socket,
    buffer: Vec<u8>,
    sequence: u32,
    requests: u64,
}

impl Route {
    /// A socket in the calling thread's namespace.
    pub fn open() -> Result<Self, Error> {
        let socket = open_socket().map_err(|cause| Error::new("open", "rtnetlink", cause))?;
        Ok(Self { socket, buffer: Vec::with_capacity(PAGE), sequence: 0, requests: 0 })
    }

    /// A socket in `netns`; the calling thread stays where it is.
    pub fn open_in(netns: &Netns) -> Result<Self, Error> {
        netns::enter(netns, Self::open)?
    }

    /// A socket in the namespace bound to `path`, if that is still the one with this cookie.
    pub fn open_at(path: &Path, cookie: u64) -> Option<Self> {
        let there = Netns::open(path).and_then(|netns| Self::open_in(&netns)).ok()?;
        there.netns_cookie().is_ok_and(|found| found == cookie).then_some(there)
    }

    /// The cookie of the socket's namespace (`SO_NETNS_COOKIE`).
    pub fn netns_cookie(&self) -> Result<u64, Error> {
        netns::cookie_of(self.socket.as_fd())
    }

    /// How many requests were sent so far.
    pub fn requests(&self) -> u64 {
        self.requests
    }

    /// Sends a change and waits for its acknowledgement.
    pub(super) fn change(&mut self, message: RouteNetlinkMessage, flags: u16) -> Result<(), Cause> {
        self.send(message, NLM_F_ACK | flags)?;
        self.receive(|_| Ok(Flow::More)).map(|_| ())
    }

    /// Asks for one object and reads the answer's payload with `read`.
    pub(super) fn ask<T>(
        &mut self,
        message: RouteNetlinkMessage,
        read: impl FnOnce(&[u8]) -> Result<T, Cause>,
    ) -> Result<T, Cause> {
        self.send(message, 0)?;
        let mut read = Some(read);
        let mut answer = None;
        self.receive(|payload| {
            answer = read.take().map(|read| read(payload));
            Ok(Flow::Stop)
        })?;
        answer.unwrap_or_else(|| Err(Cause::Malformed("an answer without an object".to_owned())))
    }

    /// Asks for an object that may not be there: the kernel says as well when it has said all.
    pub(super) fn ask_if_any<T>(
        &mut self,
        message: RouteNetlinkMessage,
        flags: u16,
        mut read: impl FnMut(&[u8]) -> Result<T, Cause>,
    ) -> Result<Option<T>, Cause> {
        self.send(message, NLM_F_ACK | flags)?;
        let mut answer = None;
        self.receive(|payload| {
            answer = Some(read(payload)?);
            Ok(Flow::More)
        })?;
        Ok(answer)
    }

    /// Asks for all objects and reads each with `read`, which returns `None` for what is to be left
    /// out. Begins again when the kernel says that they changed meanwhile.
    pub(super) fn dump<T>(
        &mut self,
        message: &(impl NetlinkSerializable + Clone),
        mut read: impl FnMut(&[u8]) -> Result<Option<T>, Cause>,
    ) -> Result<Vec<T>, Cause> {
        let begun = Instant::now();
        loop {
            self.send(message.clone(), NLM_F_DUMP)?;
            let mut objects = Vec::new();
            let interrupted = self.receive(|payload| {
                objects.extend(read(payload)?);
                Ok(Flow::More)
            })?;
            if !interrupted {
                return Ok(objects);
            }
            if begun.elapsed() > PATIENCE {
                return Err(Cause::Deadline(PATIENCE));
            }
        }
    }

    fn send(&mut self, message: impl NetlinkSerializable, flags: u16) -> Result<(), Cause> {
        self.sequence = self.sequence.wrapping_add(1);
        self.requests += 1;
        let mut header = NetlinkHeader::default();
        header.flags = NLM_F_REQUEST | flags;
        header.sequence_number = self.sequence;
        let mut request = NetlinkMessage::new(header, NetlinkPayload::InnerMessage(message));
        request.finalize();
        let mut octets = vec![0; request.buffer_len()];
        request.serialize(&mut octets);
        uninterrupted(|| self.socket.send(&octets, 0))?;
        Ok(())
    }

    /// Gives every object that answers the last request to `object`, until the kernel says that
    /// this was all, or `object` says that it has enough. Returns whether a dump was interrupted.
    ///
    /// An object that cannot be read does not end a dump at once: the rest of the answer is taken
    /// from the socket first.
    fn receive(
        &mut self,
        mut object: impl FnMut(&[u8]) -> Result<Flow, Cause>,
    ) -> Result<bool, Cause> {
        let mut interrupted = false;
        let mut failed = None;
        loop {
            self.fill()?;
            for frame in frames(&self.buffer) {
                let frame = frame?;
                if frame.sequence != self.sequence {
                    continue; // The late answer to a request that was given up.
                }
                interrupted |= frame.interrupted;
                match frame.body {
                    Body::End(Err(cause)) => return Err(cause),
                    Body::End(Ok(())) => return failed.map_or(Ok(interrupted), Err),
                    Body::Object(_) if failed.is_some() => {}
                    Body::Object(payload) => match object(payload) {
                        Ok(Flow::More) => {}
                        Ok(Flow::Stop) => return Ok(interrupted),
                        Err(cause) => failed = Some(cause),
                    },
                }
            }
        }
    }

    /// Reads one datagram, whatever its size.
    fn fill(&mut self) -> Result<(), Cause> {
        self.buffer.clear();
        let size =
            uninterrupted(|| self.socket.recv(&mut self.buffer, libc::MSG_PEEK | libc::MSG_TRUNC))?;
        self.buffer.clear();
        self.buffer.reserve(size);
        let received = uninterrupted(|| self.socket.recv(&mut self.buffer, libc::MSG_TRUNC))?;
        if received > self.buffer.len() {
            return Err(Cause::Malformed(format!(
                "a datagram grew from {size} to {received} octets"
            )));
        }
        Ok(())
    }
}

/// Whether more objects are expected.
enum Flow {
    More,
    Stop,
}

fn open_socket() -> Result<Socket, Cause> {
    let socket = Socket::new(NETLINK_ROUTE)?;
    // A connected netlink socket has an address, and hears its peer alone: the kernel.
    socket.connect(&SocketAddr::new(0, 0))?;
    socket.set_ext_ack(true)?;
    socket.set_cap_ack(true)?;
    socket.set_netlink_get_strict_chk(true)?;
    let timeout = TimeVal::new(i64::try_from(PATIENCE.as_secs()).unwrap_or(i64::MAX), 0);
    setsockopt(&socket, ReceiveTimeout, &timeout).map_err(Cause::from)?;
    Ok(socket)
}

/// Repeats what a signal interrupted; a timeout is a [`Cause::Deadline`].
fn uninterrupted<T>(mut call: impl FnMut() -> std::io::Result<T>) -> Result<T, Cause> {
    loop {
        match call().map_err(|error| error.raw_os_error().map_or(Errno::EIO, Errno::from_raw)) {
            Ok(value) => return Ok(value),
            Err(Errno::EINTR) => {}
            Err(Errno::EAGAIN) => return Err(Cause::Deadline(PATIENCE)),
            Err(errno) => return Err(errno.into()),
        }
    }
}

impl AsFd for Route {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl std::fmt::Debug for Route {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Route").field("fd", &self.socket.as_raw_fd()).finish_non_exhaustive()
    }
}
