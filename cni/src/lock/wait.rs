//! Waiting for a lock that somebody holds.
//!
//! flock itself knows no deadline, so a thread waits in it. Meanwhile the lock's file tells who
//! holds it, and an event whenever somebody else does: who waits can see that it is in vain.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::path::Path;
use std::sync::mpsc;
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
    let changes = Inotify::init(InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK)?;
    changes.add_watch(path, AddWatchFlags::IN_MODIFY)?;
    let (end, of_thread) = io::pipe()?;
    let (sender, receiver) = mpsc::channel();
    // Once it has the lock and nobody listens any more, the thread closes the file.
    thread::Builder::new().name("lock".to_owned()).spawn(move || {
        sender.send(file.lock().map(|()| file)).ok();
        drop(of_thread);
    })?;

    let told_by = deadline.min(Instant::now() + GRACE);
    let mut look = told_by;
    loop {
        let heard = wait_readable([end.as_fd(), changes.as_fd()], look)?;
        if let Ok(locked) = receiver.try_recv() {
            return locked.map(Ok);
        }
        if heard {
            drain(&changes)?;
        }
        let holder = Holder::read(&told);
        let now = Instant::now();
        if now >= deadline || (now >= told_by && !is_worth_it(&holder)) {
            return Ok(Err(holder));
        }
        look = if now >= told_by { deadline } else { told_by };
    }
}

/// Takes the events that wait: they only mean that the file has another text.
fn drain(changes: &Inotify) -> io::Result<()> {
    match changes.read_events() {
        Ok(_) | Err(Errno::EAGAIN) => Ok(()),
        Err(errno) => Err(errno.into()),
    }
}
