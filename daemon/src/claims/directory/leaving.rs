//! How long a block outlives what asked for it.

use std::time::Duration;

use conf::block::Leaving;
use ipam::{BootTime, Moment};

use crate::claims::Unasked;

/// How long a retired block stays: longer than any ADD takes from reading the block to leasing an
/// address of it. The longest wait in between is that of the `sriov` plugin for its VF.
const LINGER: Duration = Duration::from_secs(60);

/// How far a block that nobody asks for has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// It waits for its pool, or for the last ADD that may have read it, that much longer.
    Waiting(Duration),
    /// It can go as soon as nobody holds an address of it.
    Over,
}

/// What to note in a block that nobody asks for `now`, and how far it has come.
///
/// The grace is counted on a clock that nobody can set. That clock starts anew with the machine,
/// and so does the grace: a block may stay longer than it must, and never shorter.
pub(super) fn note(
    before: Option<&Leaving>,
    why: Unasked,
    now: &Moment,
    grace: Duration,
) -> (Leaving, Stage) {
    let since = before
        .filter(|before| before.boot == now.boot)
        .map(|before| BootTime::from_nanoseconds(before.since))
        // What lies in the future of the same run was not written by us.
        .filter(|since| *since <= now.time)
        .unwrap_or(now.time);
    let waited = now.time.since(since);
    let until = if waited < grace { grace } else { grace + LINGER };
    let stage = match until.saturating_sub(waited) {
        Duration::ZERO => Stage::Over,
        left => Stage::Waiting(left),
    };
    let note = Leaving {
        boot: now.boot.clone(),
        since: since.nanoseconds(),
        gone: why == Unasked::Gone || before.is_some_and(|before| before.gone),
        retired: waited >= grace || before.is_some_and(|before| before.retired),
    };
    (note, stage)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GRACE: Duration = Duration::from_secs(300);

    fn at(boot: char, seconds: u64) -> Moment {
        let boot = boot.to_string().repeat(36).parse().unwrap();
        Moment { boot, time: BootTime::from_start(Duration::from_secs(seconds)) }
    }

    fn seconds(left: u64) -> Stage {
        Stage::Waiting(Duration::from_secs(left))
    }

    #[test]
    fn the_grace_runs_from_when_it_was_seen_first() {
        let (first, stage) = note(None, Unasked::NotSelected, &at('a', 1000), GRACE);
        assert_eq!((first.gone, first.retired, stage), (false, false, seconds(300)));
        let (later, stage) = note(Some(&first), Unasked::NotSelected, &at('a', 1299), GRACE);
        assert_eq!((&later, stage), (&first, seconds(1)), "nothing is to be written");
        let (retired, stage) = note(Some(&later), Unasked::NotSelected, &at('a', 1300), GRACE);
        assert_eq!((retired.retired, stage), (true, seconds(60)));
        let (later, stage) = note(Some(&retired), Unasked::NotSelected, &at('a', 1360), GRACE);
        assert_eq!((&later, stage), (&retired, Stage::Over));
        let (none, stage) = note(None, Unasked::Gone, &at('a', 5), Duration::ZERO);
        assert_eq!((none.retired, stage), (true, seconds(60)));
    }

    /// The clock of another run tells nothing: not that it is over, nor how much is left.
    #[test]
    fn a_reboot_begins_the_grace_anew() {
        let (first, _) = note(None, Unasked::Gone, &at('a', 1000), GRACE);
        for uptime in [3, 1299, 9000] {
            let (anew, stage) = note(Some(&first), Unasked::Gone, &at('b', uptime), GRACE);
            assert_eq!((anew.since, stage), (uptime * 1_000_000_000, seconds(300)));
        }
        let (anew, stage) = note(Some(&first), Unasked::Gone, &at('a', 999), GRACE);
        assert_eq!((anew.since, stage), (999_000_000_000, seconds(300)), "a note from the future");
    }

    #[test]
    fn what_was_noted_stays_noted() {
        let (first, _) = note(None, Unasked::Gone, &at('a', 1), GRACE);
        let retired = Leaving { retired: true, ..first };
        let (later, _) = note(Some(&retired), Unasked::NotSelected, &at('b', 1), GRACE);
        assert!(later.gone && later.retired);
    }
}
