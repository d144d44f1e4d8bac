//! Waiting for a lock that somebody holds.
//!
//! flock itself knows no deadline, so a thread waits in it. Meanwhile the lock's file tells who
//! holds it, and an event whenever somebody else does: who waits can see that it is in vain.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::path::Path;
use std::sync::mpsc::{self, TryRecvError};
use std::thread;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};

use super::holder::Holder;
use crate::kernel::readable::wait_readable;

/// How long a holder's word is not taken for its own yet. One that has only just got the lock has
/// not said so, and the text of one that was killed stands until the next. It takes microseconds
/// to say, and those who only look ([`super::holder`]) have the lock no longer.
const GRACE: Duration = Duration::from_millis(5);

/// Waits until the lock of `file`, which is at `path`, is ours, until the deadline, or until a
/// holder comes that is not worth waiting for. Without the lock it gives the holder.
pub(super) fn wait(
    file: File,
    path: &Path,
    deadline: Instant,
    is_worth_it: impl Fn(&Holder) -> bool,
) -> io::Result<Result<File, Holder>> {
    let told = file.try_clone()?;
    // Inotify instances are few, and a node may be out of them: then only the deadline ends this.
    let changes = changes_of(path).ok();
    let (end, of_thread) = io::pipe()?;
    let (sender, receiver) = mpsc::channel();
    // Once it has the lock and nobody listens any more, the thread closes the file.
    thread::Builder::new().name("lock".to_owned()).spawn(move || {
        sender.send(file.lock().map(|()| file)).ok();
        drop(of_thread);
    })?;

    let events = [end.as_fd(), changes.as_ref().map_or(end.as_fd(), AsFd::as_fd)];
    let told_by = deadline.min(Instant::now() + GRACE);
    let mut look = told_by;
    loop {
        wait_readable(events, look)?;
        match receiver.try_recv() {
            Ok(locked) => return locked.map(Ok),
            Err(TryRecvError::Empty) => {}
            Err(TryRecvError::Disconnected) => {
                return Err(io::Error::other("the waiting thread ended"));
            }
        }
        changes.as_ref().map_or(Ok(()), drain)?;
        let holder = Holder::read(&told);
        let now = Instant::now();
        if now >= deadline || (now >= told_by && !is_worth_it(&holder)) {
            return Ok(Err(holder));
        }
        look = if now >= told_by { deadline } else { told_by };
    }
}

/// An event whenever the file gets another text.
fn changes_of(path: &Path) -> nix::Result<Inotify> {
    let changes = Inotify::init(InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK)?;
    changes.add_watch(path, AddWatchFlags::IN_MODIFY)?;
    Ok(changes)
}

/// Takes the events that wait: they only mean that it is time to look.
fn drain(changes: &Inotify) -> io::Result<()> {
    match changes.read_events() {
        Ok(_) | Err(Errno::EAGAIN) => Ok(()),
        Err(errno) => Err(errno.into()),
    }
}
