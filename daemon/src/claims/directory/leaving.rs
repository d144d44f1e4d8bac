//! How long a block outlives what asked for it.

use std::time::Duration;

use conf::block::Leaving;
use ipam::{BootTime, Moment};

use crate::claims::Unasked;

/// What to note in a block that nobody asks for `now`, and whether its grace is over.
///
/// The grace is counted on a clock that nobody can set. That clock starts anew with the machine,
/// and so does the grace: a block may stay longer than it must, and never shorter.
pub(super) fn note(
    before: Option<&Leaving>,
    why: Unasked,
    now: &Moment,
    grace: Duration,
) -> (Leaving, bool) {
    let since = before
        .filter(|before| before.boot == now.boot)
        .map(|before| BootTime::from_nanoseconds(before.since))
        // What lies in the future of the same run was not written by us.
        .filter(|since| *since <= now.time)
        .unwrap_or(now.time);
    let note = Leaving {
        boot: now.boot.clone(),
        since: since.nanoseconds(),
        gone: why == Unasked::Gone || before.is_some_and(|before| before.gone),
        retired: before.is_some_and(|before| before.retired),
    };
    (note, now.time.since(since) >= grace)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GRACE: Duration = Duration::from_secs(300);

    fn at(boot: char, seconds: u64) -> Moment {
        let boot = boot.to_string().repeat(36).parse().unwrap();
        Moment { boot, time: BootTime::from_start(Duration::from_secs(seconds)) }
    }

    #[test]
    fn the_grace_runs_from_when_it_was_seen_first() {
        let (first, over) = note(None, Unasked::NotSelected, &at('a', 1000), GRACE);
        assert!(!over && !first.gone && !first.retired);
        let (later, over) = note(Some(&first), Unasked::NotSelected, &at('a', 1299), GRACE);
        assert_eq!((&later, over), (&first, false), "nothing is to be written");
        assert!(note(Some(&later), Unasked::NotSelected, &at('a', 1300), GRACE).1);
        assert!(note(None, Unasked::Gone, &at('a', 5), Duration::ZERO).1);
    }

    /// The clock of another run tells nothing: not that it is over, nor how much is left.
    #[test]
    fn a_reboot_begins_the_grace_anew() {
        let (first, _) = note(None, Unasked::Gone, &at('a', 1000), GRACE);
        for uptime in [3, 1299, 9000] {
            let (anew, over) = note(Some(&first), Unasked::Gone, &at('b', uptime), GRACE);
            assert_eq!((anew.since, over), (uptime * 1_000_000_000, false));
        }
        let (anew, over) = note(Some(&first), Unasked::Gone, &at('a', 999), GRACE);
        assert_eq!((anew.since, over), (999_000_000_000, false), "a note from the future");
    }

    #[test]
    fn what_was_noted_stays_noted() {
        let (first, _) = note(None, Unasked::Gone, &at('a', 1), GRACE);
        let retired = Leaving { retired: true, ..first };
        let (later, _) = note(Some(&retired), Unasked::NotSelected, &at('b', 1), GRACE);
        assert!(later.gone && later.retired);
    }
}
