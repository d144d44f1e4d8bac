//! Objects and settings: inotify on `/etc/railhead` and on `objects` in it.
//!
//! `apply -f` puts another directory in the place of `objects`, so that whatever happens in
//! `/etc/railhead` is a reason to watch `objects` anew: for a directory that is watched already
//! that changes nothing.

use std::io;
use std::sync::Arc;

use futures_util::StreamExt;
use inotify::{EventMask, EventStream, Inotify, WatchMask};
use tokio::sync::mpsc;

use super::{Cause, wake};
use crate::host::Host;

/// Names of files, many at once.
const BUFFER: usize = 4096;

/// Starts to watch. Where that fails, the slow timer is what finds changes.
pub(super) fn listen(host: &Arc<Host>, sender: mpsc::Sender<Cause>) {
    match watch(host) {
        Ok(stream) => {
            tokio::spawn(pass_on(Arc::clone(host), stream, sender));
        }
        Err(error) => tracing::warn!(
            "watch {}: {error}; changes are found by the slow timer, or at once by `railhead apply`",
            host.root().etc().display()
        ),
    }
}

fn watch(host: &Host) -> io::Result<EventStream<[u8; BUFFER]>> {
    let inotify = Inotify::init()?;
    inotify.watches().add(host.root().etc(), mask())?;
    watch_objects(host, &inotify.watches());
    inotify.into_event_stream([0; BUFFER])
}

/// Whole files only: one that is written is not read before it is closed.
fn mask() -> WatchMask {
    WatchMask::CLOSE_WRITE
        | WatchMask::MOVED_TO
        | WatchMask::MOVED_FROM
        | WatchMask::DELETE
        | WatchMask::CREATE
        | WatchMask::ONLYDIR
}

fn watch_objects(host: &Host, watches: &inotify::Watches) {
    let path = host.root().objects();
    if let Err(error) = watches.clone().add(&path, mask())
        && error.kind() != io::ErrorKind::NotFound
    {
        tracing::warn!("watch {}: {error}", path.display());
    }
}

async fn pass_on(
    host: Arc<Host>,
    mut stream: EventStream<[u8; BUFFER]>,
    sender: mpsc::Sender<Cause>,
) {
    while let Some(event) = stream.next().await {
        match event {
            // A file that was only just made has nothing in it yet; its CLOSE_WRITE follows.
            Ok(event) if event.mask == EventMask::CREATE => {}
            // The watch of a directory that is gone.
            Ok(event) if event.mask.contains(EventMask::IGNORED) => {}
            Ok(_) => {
                watch_objects(&host, &stream.watches());
                wake(&sender, Cause::Files);
            }
            Err(error) => {
                tracing::warn!("watch objects: {error}; changes are found by the slow timer");
                return;
            }
        }
    }
}
