//! Kernel object events: devices that come, go and change their driver.

use std::collections::BTreeMap;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Instant;

use super::Error;

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
    let _ = datagram;
    todo!()
}

/// The kernel's events, from now on.
pub struct Uevents {
    _private: (),
}

impl Uevents {
    /// Listens (in the calling thread's network namespace; devices are announced in the initial one).
    pub fn open() -> Result<Self, Error> {
        todo!()
    }

    /// The next event; `None` when the deadline has passed, or events were lost: look again.
    pub fn next(&mut self, deadline: Instant) -> Result<Option<Uevent>, Error> {
        let _ = deadline;
        todo!()
    }

    /// All events that are waiting, without blocking. `lost` says whether some are missing.
    pub fn drain(&mut self) -> Result<Drained, Error> {
        todo!()
    }
}

/// What [`Uevents::drain`] found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Drained {
    /// The events, in order.
    pub events: Vec<Uevent>,
    /// The kernel dropped some: look again.
    pub lost: bool,
}

impl AsFd for Uevents {
    fn as_fd(&self) -> BorrowedFd<'_> {
        todo!()
    }
}
