//! Objects and settings: inotify on `/etc/railhead` and on `objects` in it.
//!
//! Either may not be there yet, and `apply -f` puts another directory in the place of `objects`.
//! So `/etc` is watched too, for the one name that matters, and whatever happens is a reason to
//! watch all of them anew: for a directory that is watched already that changes nothing.

use std::ffi::OsString;
use std::io;
use std::sync::Arc;

use futures_util::StreamExt;
use inotify::{Event, EventMask, EventStream, Inotify, WatchDescriptor, WatchMask, Watches};
use tokio::sync::mpsc;

use super::{Cause, wake, watch};
use crate::host::Host;

/// Names of files, many at once.
const BUFFER: usize = 4096;

/// Starts to watch. Where that fails, the slow timer is what finds changes.
pub(super) fn listen(host: &Arc<Host>, sender: mpsc::Sender<Cause>) {
    match Watched::start(host) {
        Ok(watched) => {
            tokio::spawn(watched.pass_on(sender));
        }
        Err(error) => tracing::warn!(
            "watch {}: {error}; changes are found by the slow timer, or at once by `railhead apply`",
            host.root().etc().display()
        ),
    }
}

struct Watched {
    host: Arc<Host>,
    stream: EventStream<[u8; BUFFER]>,
    /// The directory that `/etc/railhead` is in.
    above: Option<WatchDescriptor>,
}

impl Watched {
    fn start(host: &Arc<Host>) -> io::Result<Self> {
        let inotify = Inotify::init()?;
        let comes = WatchMask::CREATE | WatchMask::MOVED_TO | WatchMask::ONLYDIR;
        let above = match host.root().etc().parent() {
            Some(above) => Some(inotify.watches().add(above, comes)?),
            None => None,
        };
        watch_all(host, &inotify.watches());
        let stream = inotify.into_event_stream([0; BUFFER])?;
        Ok(Self { host: Arc::clone(host), stream, above })
    }

    async fn pass_on(mut self, sender: mpsc::Sender<Cause>) {
        while let Some(event) = self.stream.next().await {
            match event {
                Ok(event) if self.is_news(&event) => {
                    watch_all(&self.host, &self.stream.watches());
                    wake(&sender, Cause::Files);
                }
                Ok(_) => {}
                Err(error) => {
                    tracing::warn!("watch objects: {error}; the slow timer finds changes now");
                    return;
                }
            }
        }
    }

    /// Whether objects or settings may be others by now.
    fn is_news(&self, event: &Event<OsString>) -> bool {
        if self.above.as_ref() == Some(&event.wd) {
            return event.name.as_deref() == self.host.root().etc().file_name();
        }
        // A file that was only just made has nothing in it yet; its CLOSE_WRITE follows. IGNORED
        // is the end of a watch, whose directory is gone.
        event.mask != EventMask::CREATE && !event.mask.contains(EventMask::IGNORED)
    }
}

fn watch_all(host: &Host, watches: &Watches) {
    for path in [host.root().etc(), host.root().objects()] {
        watch(watches, &path, mask());
    }
}

/// Whole files only: one that is being written is not read before it is closed.
fn mask() -> WatchMask {
    WatchMask::CLOSE_WRITE
        | WatchMask::MOVED_TO
        | WatchMask::MOVED_FROM
        | WatchMask::DELETE
        | WatchMask::CREATE
        | WatchMask::ONLYDIR
}
