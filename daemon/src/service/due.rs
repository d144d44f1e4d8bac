//! When the next pass is due.

use std::time::Duration;

use tokio::time::Instant;

use super::events::Cause;

/// Events of one thing come in bursts.
const BURST: Duration = Duration::from_millis(10);

/// Files are copied one after the other.
const COPYING: Duration = Duration::from_millis(100);

/// The slow timer: in case something changed that made no event.
const SLOW: Duration = Duration::from_secs(600);

/// When to make the next pass, and whether to read what is written before.
#[derive(Debug)]
pub(super) struct Due {
    kernel: Option<Instant>,
    files: Option<Instant>,
    retry: Option<Instant>,
    slow: Instant,
}

impl Due {
    /// At once, and after reading what is written.
    pub(super) fn now() -> Self {
        let now = Instant::now();
        Self { kernel: None, files: Some(now), retry: None, slow: now + SLOW }
    }

    /// Something happened.
    pub(super) fn event(&mut self, cause: Cause) {
        match cause {
            // From the first event on, so that no stream of events puts it off for ever.
            Cause::Kernel => {
                self.kernel.get_or_insert_with(|| Instant::now() + BURST);
            }
            // From the last event on: what is half copied is better not read.
            Cause::Files => self.files(Instant::now() + COPYING),
        }
    }

    /// What is written is to be read, then.
    pub(super) fn files(&mut self, at: Instant) {
        self.files = Some(at);
    }

    /// What is written means something else by then.
    pub(super) fn files_in(&mut self, time: Duration) {
        let at = Instant::now() + time;
        self.files = Some(self.files.map_or(at, |before| before.min(at)));
    }

    /// Whatever is not in force is to be looked at again after that long, or before.
    pub(super) fn again_in(&mut self, time: Duration) {
        let at = Instant::now() + time;
        self.retry = Some(self.retry.map_or(at, |before| before.min(at)));
    }

    /// When the next pass is due.
    pub(super) fn next(&self) -> Instant {
        let soon = [self.kernel, self.files, self.retry].into_iter().flatten().min();
        soon.map_or(self.slow, |soon| soon.min(self.slow))
    }

    /// Takes what is due; says whether to read what is written.
    pub(super) fn take(&mut self) -> bool {
        let now = Instant::now();
        let reads = self.slow <= now || self.files.is_some_and(|files| files <= now);
        (self.kernel, self.retry, self.slow) = (None, None, now + SLOW);
        if reads {
            self.files = None;
        }
        reads
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn due() -> Due {
        Due { files: None, ..Due::now() }
    }

    #[test]
    fn a_stream_of_events_puts_nothing_off() {
        let mut due = due();
        due.event(Cause::Kernel);
        let first = due.next();
        due.event(Cause::Kernel);
        assert_eq!(due.next(), first);
    }

    #[test]
    fn what_is_to_be_looked_at_first_decides() {
        let mut due = due();
        due.again_in(Duration::from_secs(60));
        let late = due.next();
        due.again_in(Duration::from_secs(5));
        let soon = due.next();
        assert!(soon < late);
        due.again_in(Duration::from_secs(70));
        assert_eq!(due.next(), soon);
        due.take();
        due.again_in(Duration::from_secs(60));
        assert!(due.next() > soon, "what is done is forgotten");
    }

    #[test]
    fn what_changes_its_meaning_is_read_then_or_before() {
        let mut due = due();
        due.files_in(Duration::from_secs(60));
        let late = due.next();
        due.event(Cause::Files);
        let soon = due.next();
        assert!(soon < late);
        due.files_in(Duration::from_secs(60));
        assert_eq!(due.next(), soon, "what was saved just now is not put off");
    }

    #[test]
    fn files_that_are_being_copied_are_read_after_the_last() {
        let mut due = due();
        due.event(Cause::Files);
        let first = due.next();
        due.event(Cause::Files);
        assert!(due.next() >= first);
        due.event(Cause::Kernel);
        assert!(due.next() < first, "the kernel does not wait for files");
        assert!(!due.take(), "which are not read before their time");
        assert!(due.files.is_some());
    }
}
