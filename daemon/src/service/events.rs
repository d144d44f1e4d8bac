//! What wakes the loop: files, links, devices, namespaces. An event says "look again" and nothing else.

use std::collections::BTreeSet;
use std::io;
use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::path::Path;
use std::sync::Arc;

use cni::kernel::uevent::{Uevent, Uevents};
use futures_util::StreamExt;
use inotify::{WatchMask, Watches};
use rtnetlink::MulticastGroup;
use rtnetlink::packet_core::{NetlinkMessage, NetlinkPayload};
use rtnetlink::packet_route::RouteNetlinkMessage;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::sync::{mpsc, watch as values};

use super::ServiceError;
use crate::host::Host;

mod files;
mod namespaces;

/// Why to look again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cause {
    /// Somebody changed objects or settings.
    Files,
    /// Something changed in the kernel.
    Kernel,
}

/// As many as are worth to be told apart; a full channel says enough.
const WAITING: usize = 16;

/// A way to tell the loop, and the loop's end of it.
pub(super) fn channel() -> (mpsc::Sender<Cause>, mpsc::Receiver<Cause>) {
    mpsc::channel(WAITING)
}

/// Starts to listen, and tells `sender`. Of links, only those in `netdevs` count: on a busy host
/// others come and go all the time.
pub(super) fn listen(
    host: &Arc<Host>,
    netdevs: values::Receiver<BTreeSet<u32>>,
    sender: mpsc::Sender<Cause>,
) -> Result<(), ServiceError> {
    files::listen(host, sender.clone());
    namespaces::listen(host, sender.clone());
    listen_to_links(netdevs, sender.clone())
        .map_err(ServiceError::setup("listen for link events"))?;
    let uevents = Uevents::open().map_err(ServiceError::setup("listen for device events"))?;
    let uevents =
        readable(Devices(uevents)).map_err(ServiceError::setup("wait for device events"))?;
    tokio::spawn(listen_to_devices(uevents, sender));
    Ok(())
}

/// Says that there is reason to look again. Where the channel is full, that was said.
pub(super) fn wake(sender: &mpsc::Sender<Cause>, cause: Cause) {
    sender.try_send(cause).ok();
}

/// Watches `path`, if it is there; one that is watched already goes on being watched.
fn watch(watches: &Watches, path: &Path, mask: WatchMask) {
    match watches.clone().add(path, mask) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            tracing::warn!("watch {}: {error}", path.display());
        }
        _ => {}
    }
}

fn listen_to_links(
    netdevs: values::Receiver<BTreeSet<u32>>,
    sender: mpsc::Sender<Cause>,
) -> io::Result<()> {
    let (connection, _, mut messages) =
        rtnetlink::new_multicast_connection(&[MulticastGroup::Link])?;
    tokio::spawn(connection);
    tokio::spawn(async move {
        while let Some((message, _)) = messages.next().await {
            if concerns(&message, &netdevs.borrow()) {
                wake(&sender, Cause::Kernel);
            }
        }
    });
    Ok(())
}

/// Whether a message is about one of `netdevs`, or says that some were lost.
fn concerns(message: &NetlinkMessage<RouteNetlinkMessage>, netdevs: &BTreeSet<u32>) -> bool {
    match &message.payload {
        NetlinkPayload::InnerMessage(
            RouteNetlinkMessage::NewLink(link) | RouteNetlinkMessage::DelLink(link),
        ) => netdevs.contains(&link.header.index),
        NetlinkPayload::Overrun(_) | NetlinkPayload::Error(_) => true,
        _ => false,
    }
}

/// Device events, as tokio waits for them.
struct Devices(Uevents);

impl AsRawFd for Devices {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_fd().as_raw_fd()
    }
}

/// A file as tokio waits for it to be readable.
#[expect(
    deprecated,
    reason = "its successor is unsafe, which is for cni::kernel alone; what it asks, that the \
              descriptor stays the same, holds for Devices and OwnedFd"
)]
pub(super) fn readable<T: AsRawFd>(file: T) -> io::Result<AsyncFd<T>> {
    AsyncFd::with_interest(file, Interest::READABLE)
}

async fn listen_to_devices(mut uevents: AsyncFd<Devices>, sender: mpsc::Sender<Cause>) {
    loop {
        let Ok(mut ready) = uevents.readable_mut().await else { return };
        match ready.get_inner_mut().0.drain() {
            Ok(drained) => {
                if drained.lost || drained.events.iter().any(is_hardware) {
                    wake(&sender, Cause::Kernel);
                }
            }
            Err(error) => {
                tracing::warn!("{error}; drift is found by the slow timer from now on");
                return;
            }
        }
        ready.clear_ready();
    }
}

/// PCI functions and their netdevs; not veths and the like, which come with every pod.
fn is_hardware(event: &Uevent) -> bool {
    match event.subsystem.as_str() {
        "pci" => true,
        "net" => !event.devpath.starts_with("/devices/virtual/"),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(subsystem: &str, devpath: &str) -> Uevent {
        Uevent {
            action: "add".to_owned(),
            devpath: devpath.to_owned(),
            subsystem: subsystem.to_owned(),
            properties: Default::default(),
        }
    }

    #[test]
    fn only_hardware_counts() {
        assert!(is_hardware(&event("pci", "/devices/pci0000:00/0000:00:03.0")));
        assert!(is_hardware(&event("net", "/devices/pci0000:00/0000:00:03.0/net/eth0")));
        assert!(!is_hardware(&event("net", "/devices/virtual/net/veth0")));
        assert!(!is_hardware(&event("block", "/devices/pci0000:00/0000:00:04.0/block/vda")));
    }
}
