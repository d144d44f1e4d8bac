//! Network namespaces that go: inotify on `/run/netns`, where container runtimes give them names.
//!
//! When a namespace goes, a netdev in it comes home, which makes events enough. A VF that user
//! space drives has none: that its container is gone shows by the namespace's name alone, and, if
//! a process lives on, by that one's end. Namespaces with a name elsewhere (docker's) are found by
//! the slow timer.

use std::ffi::OsStr;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use cni::attachment::Record;
use futures_util::StreamExt;
use inotify::{EventMask, EventStream, Inotify, WatchDescriptor, WatchMask, Watches};
use ipam::StoreError;
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;

use super::{Cause, wake, watch};
use crate::chain::Chain;
use crate::host::Host;

/// Names, many at once.
const BUFFER: usize = 4096;

/// What the directory is called.
const NAME: &str = "netns";

/// Starts to watch. Where that fails, the slow timer is what finds attachments that are left.
pub(super) fn listen(host: &Arc<Host>, sender: mpsc::Sender<Cause>) {
    match Watched::start(host) {
        Ok(watched) => {
            tokio::spawn(watched.pass_on(sender));
        }
        Err(error) => tracing::warn!(
            "watch {}: {error}; user-space containers that died are found by the slow timer",
            directory(host).display()
        ),
    }
}

struct Watched {
    host: Arc<Host>,
    stream: EventStream<[u8; BUFFER]>,
    /// The directory that `netns` is in: the first name that is given makes it.
    above: WatchDescriptor,
}

impl Watched {
    fn start(host: &Arc<Host>) -> io::Result<Self> {
        let inotify = Inotify::init()?;
        let comes = WatchMask::CREATE | WatchMask::MOVED_TO | WatchMask::ONLYDIR;
        let above = inotify.watches().add(above(host), comes)?;
        watch_names(host, &inotify.watches());
        let stream = inotify.into_event_stream([0; BUFFER])?;
        Ok(Self { host: Arc::clone(host), stream, above })
    }

    async fn pass_on(mut self, sender: mpsc::Sender<Cause>) {
        while let Some(event) = self.stream.next().await {
            match event {
                Ok(event) if event.mask.contains(EventMask::Q_OVERFLOW) => {
                    wake(&sender, Cause::Kernel);
                }
                Ok(event) if event.wd == self.above => {
                    if event.name.as_deref() == Some(OsStr::new(NAME)) {
                        watch_names(&self.host, &self.stream.watches());
                    }
                }
                Ok(event) => {
                    let Some(name) = event.name else { continue };
                    let host = Arc::clone(&self.host);
                    // The store has one lock for everybody on this node: the loop does not wait
                    // for it.
                    let looked = spawn_blocking(move || was_of_user_space(&host, &name)).await;
                    if looked.unwrap_or(true) {
                        wake(&sender, Cause::Kernel);
                    }
                }
                Err(error) => {
                    tracing::warn!(
                        "watch namespaces: {error}; the slow timer finds what is left of them now"
                    );
                    return;
                }
            }
        }
    }
}

/// Whether a name that went was that of a container with a VF that user space drives; others come
/// and go with every pod.
fn was_of_user_space(host: &Host, name: &OsStr) -> bool {
    is_recorded(host, name).unwrap_or_else(|error| {
        tracing::debug!("attachments are unknown: {}", Chain(&error));
        true
    })
}

fn is_recorded(host: &Host, name: &OsStr) -> Result<bool, StoreError> {
    let Some(store) = host.store() else { return Ok(false) };
    let records = store.read(|txn| txn.attachments::<Record>())?;
    // By the last part alone: the way there is /var/run for some, /run for others.
    let is_it =
        |record: Record| record.driver.is_userspace() && record.netns.file_name() == Some(name);
    Ok(records.into_iter().any(|(_, record)| record.is_ok_and(is_it)))
}

fn watch_names(host: &Host, watches: &Watches) {
    let goes = WatchMask::DELETE | WatchMask::MOVED_FROM | WatchMask::ONLYDIR;
    watch(watches, &directory(host), goes);
}

fn above(host: &Host) -> PathBuf {
    host.root().join("run")
}

fn directory(host: &Host) -> PathBuf {
    above(host).join(NAME)
}
