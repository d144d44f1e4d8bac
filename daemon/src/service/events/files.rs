//! Objects and settings: inotify on where they lie, and on all that leads there.
//!
//! Either may not be there yet, `apply -f` puts another directory in the place of `objects`, and any
//! name on the way may be a link that is turned: so each is watched in the directory that it is in.
//! Whatever happens is a reason to look anew where all of them are.

use std::collections::HashMap;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::sync::Arc;

use futures_util::StreamExt;
use inotify::{Event, EventMask, EventStream, Inotify, WatchDescriptor, WatchMask, Watches};
use tokio::sync::mpsc;

use super::{Cause, wake};
use crate::host::Host;

mod places;

use places::{Names, places};

/// Names of files, many at once.
const BUFFER: usize = 4096;

/// How often to look again where all lies that changes while it is looked at. Whoever changes it
/// more often makes events too.
const ROUNDS: usize = 3;

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
    /// What is watched, where it is, and what of it matters.
    known: HashMap<WatchDescriptor, (PathBuf, Names)>,
}

impl Watched {
    fn start(host: &Arc<Host>) -> io::Result<Self> {
        let stream = Inotify::init()?.into_event_stream([0; BUFFER])?;
        let mut watched = Self { host: Arc::clone(host), stream, known: HashMap::new() };
        watched.watch_all();
        Ok(watched)
    }

    async fn pass_on(mut self, sender: mpsc::Sender<Cause>) {
        while let Some(event) = self.stream.next().await {
            match event {
                Ok(event) if self.is_news(&event) => {
                    self.watch_all();
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
        if event.mask.contains(EventMask::Q_OVERFLOW) {
            return true;
        }
        // IGNORED is the end of a watch, whose directory is gone: that was told before.
        let Some((directory, names)) = self.known.get(&event.wd) else { return false };
        if event.mask.contains(EventMask::IGNORED) || !names.has(event.name.as_deref()) {
            return false;
        }
        // A file that was only just made has nothing in it yet; its CLOSE_WRITE follows. None
        // follows for a link of either kind.
        let is_new_file = || {
            let made = event.name.as_ref().map(|name| fs::symlink_metadata(directory.join(name)));
            made.is_some_and(|made| made.is_ok_and(|made| made.is_file() && made.nlink() == 1))
        };
        event.mask != EventMask::CREATE || !is_new_file()
    }

    /// Watches what leads to objects and settings now, and nothing else.
    fn watch_all(&mut self) {
        let mut wanted = places(self.host.root());
        for _ in 0..ROUNDS {
            let before = std::mem::take(&mut self.known);
            for (directory, names) in &wanted {
                if let Some(watch) = add(&self.stream.watches(), directory, names) {
                    self.known.insert(watch, (directory.clone(), names.clone()));
                }
            }
            for stale in before.into_keys().filter(|watch| !self.known.contains_key(watch)) {
                // One whose directory is gone has ended by itself.
                self.stream.watches().remove(stale).ok();
            }
            // What came before its watch made no event.
            let now = places(self.host.root());
            if now == wanted {
                return;
            }
            wanted = now;
        }
    }
}

/// Watches a directory; one that is watched already goes on being watched. `None` where it is gone.
fn add(watches: &Watches, directory: &PathBuf, names: &Names) -> Option<WatchDescriptor> {
    match watches.clone().add(directory, mask(names)) {
        Ok(watch) => Some(watch),
        Err(error) => {
            if error.kind() != io::ErrorKind::NotFound {
                tracing::warn!("watch {}: {error}", directory.display());
            }
            None
        }
    }
}

/// Whole files only: one that is being written is not read before it is closed.
fn mask(names: &Names) -> WatchMask {
    let mask = WatchMask::CLOSE_WRITE
        | WatchMask::MOVED_TO
        | WatchMask::MOVED_FROM
        | WatchMask::DELETE
        | WatchMask::CREATE
        | WatchMask::ONLYDIR;
    match names {
        // It may be moved away as a whole.
        Names::All => mask | WatchMask::MOVE_SELF,
        Names::Some(_) => mask,
    }
}

#[cfg(test)]
mod tests;
