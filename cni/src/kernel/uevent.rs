//! Kernel object events: devices that come, go and change their driver.

use std::collections::BTreeMap;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Instant;

use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_KOBJECT_UEVENT};

use super::readable::wait_readable;
use super::{Cause, Errno, Error};

/// One event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Uevent {
    /// `add`, `remove`, `bind`, `unbind`, `change`, `move`, `online`, `offline`.
    pub action: String,
    /// The device, under `/sys`.
    pub devpath: String,
    /// `pci`, `net`, …
    pub subsystem: String,
    /// Everything else: `DRIVER`, `PCI_SLOT_NAME`, `INTERFACE`, …
    pub properties: BTreeMap<String, String>,
}

/// Reads the kernel's text: `ACTION@DEVPATH`, then `KEY=VALUE`, each ended by a zero octet. `None`
/// when it is not that.
pub fn parse(datagram: &[u8]) -> Option<Uevent> {
    let mut lines = datagram.split(|octet| *octet == 0).map(str::from_utf8);
    let (action, devpath) = lines.next()?.ok()?.split_once('@')?;
    let mut properties: BTreeMap<String, String> = lines
        .filter_map(|line| line.ok()?.split_once('='))
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect();
    // The first line says it already.
    properties.remove("ACTION");
    properties.remove("DEVPATH");
    Some(Uevent {
        action: action.to_owned(),
        devpath: devpath.to_owned(),
        subsystem: properties.remove("SUBSYSTEM")?,
        properties,
    })
}

/// The kernel's events, from now on.
pub struct Uevents {
    socket: Socket,
}

/// What [`Uevents::drain`] found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Drained {
    /// The events, in order.
    pub events: Vec<Uevent>,
    /// The kernel dropped some: look again.
    pub lost: bool,
}

impl Uevents {
    /// Listens in the calling thread's network namespace; the kernel announces devices in the
    /// namespaces of the initial user namespace.
    pub fn open() -> Result<Self, Error> {
        let opened = Socket::new(NETLINK_KOBJECT_UEVENT).and_then(|mut socket| {
            socket.bind(&SocketAddr::new(0, KERNEL_EVENTS))?;
            Ok(socket)
        });
        match opened {
            Ok(socket) => Ok(Self { socket }),
            Err(error) => Err(Error::new("open", "kernel object events", error)),
        }
    }

    /// Waits for events and returns all that are there; nothing when the deadline has passed.
    pub fn wait(&mut self, deadline: Instant) -> Result<Drained, Error> {
        if !wait_readable([self.as_fd()], deadline).map_err(failed)? {
            return Ok(Drained::default());
        }
        self.drain()
    }

    /// All events that are waiting, without blocking.
    pub fn drain(&mut self) -> Result<Drained, Error> {
        let mut drained = Drained::default();
        let mut datagram = Vec::with_capacity(LONGEST);
        loop {
            datagram.clear();
            let received = self.socket.recv_from(&mut datagram, libc::MSG_DONTWAIT);
            match received.map_err(|error| error.raw_os_error().map(Errno::from_raw)) {
                // Others may send to the group as well; only the kernel has port 0.
                Ok((_, sender)) if sender.port_number() != 0 => {}
                Ok(_) => drained.events.extend(parse(&datagram)),
                Err(Some(Errno::ENOBUFS)) => drained.lost = true,
                Err(Some(Errno::EINTR)) => {}
                Err(Some(Errno::EAGAIN)) => return Ok(drained),
                Err(errno) => return Err(failed(errno.unwrap_or(Errno::EIO))),
            }
        }
    }
}

/// The kernel's own group; udevd tells of the same events, later, in the second.
const KERNEL_EVENTS: u32 = 1;

/// UEVENT_BUFFER_SIZE (include/linux/kobject.h) with room for the first line.
const LONGEST: usize = 8 * 1024;

impl AsFd for Uevents {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

fn failed(cause: impl Into<Cause>) -> Error {
    Error::new("receive", "kernel object events", cause)
}

#[cfg(test)]
mod tests;
