use std::fs::File;
use std::io::Read;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use nix::pty::{OpenptyResult, Winsize, openpty};

use super::*;

/// Longer than any of it takes.
const DEADLINE: Duration = Duration::from_secs(60);

const PFS: [&str; 2] = ["0000:01:00.0", "0000:02:00.0"];

/// What a terminal of that size gets to see when `show` is told `events`; `None` when it never
/// came to an end.
fn seen(columns: u16, rows: u16, events: Vec<Event>) -> Option<String> {
    let size = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
    let OpenptyResult { master, slave } = openpty(&size, None).unwrap();
    let reader = thread::spawn(move || {
        let mut text = Vec::new();
        // The end is EIO.
        File::from(master).read_to_end(&mut text).ok();
        String::from_utf8_lossy(&text).into_owned()
    });
    let (ended, end) = mpsc::channel();
    thread::spawn(move || {
        let slave = File::from(slave);
        let term = Term::read_write_pair(slave.try_clone().unwrap(), slave);
        assert!(term.is_term());
        let mut show = Show::on(term);
        for event in &events {
            show.event(event);
        }
        drop(show);
        ended.send(()).unwrap();
    });
    end.recv_timeout(DEADLINE).ok()?;
    Some(reader.join().unwrap())
}

fn all_of(pf: &str) -> [Event; 5] {
    let pf = pf.parse().unwrap();
    let step = || "create 3 VFs".to_owned();
    [
        Event::Lane { pf, label: "enp1s0".to_owned(), steps: 3 },
        Event::Begin { pf, step: step() },
        Event::Done { pf, step: step(), micros: 1500 },
        Event::Failed { pf, step: step(), why: "no space left".to_owned() },
        Event::End { pf },
    ]
}

/// Each event follows each other one, of the same PF and of another.
#[test]
fn every_sequence_of_events_ends_and_tells_each_failure() {
    let kinds: Vec<Event> = PFS.iter().flat_map(|pf| all_of(pf)).collect();
    for first in &kinds {
        for second in &kinds {
            for third in &kinds {
                let events = vec![first.clone(), second.clone(), third.clone()];
                let failures = events.iter().filter(|e| matches!(e, Event::Failed { .. })).count();
                let text = seen(80, 24, events.clone());
                let text = text.unwrap_or_else(|| panic!("it hangs: {events:?}"));
                assert_eq!(
                    text.matches("no space left\r\n").count(),
                    failures,
                    "{events:?} {text:?}"
                );
            }
        }
    }
}

#[test]
fn a_failure_is_told_whatever_the_size_of_the_terminal() {
    for (columns, rows) in [(0, 0), (1, 1), (20, 3), (80, 24), (500, 2), (5000, 60)] {
        let events = PFS.iter().flat_map(|pf| all_of(pf)).collect();
        let text = seen(columns, rows, events).unwrap_or_else(|| panic!("it hangs: {columns}"));
        assert_eq!(text.matches("enp1s0: create 3 VFs: no space left\r\n").count(), 2, "{text:?}");
    }
}

/// A terminal that is gone takes nothing any more; whoever works goes on.
#[test]
fn a_terminal_that_is_gone_stops_nobody() {
    let OpenptyResult { master, slave } = openpty(None, None).unwrap();
    let slave = File::from(slave);
    let mut show = Show::on(Term::read_write_pair(slave.try_clone().unwrap(), slave));
    let events: Vec<Event> = PFS.iter().flat_map(|pf| all_of(pf)).collect();
    show.event(&events[0]);
    drop(master);
    for event in events.iter().cycle().take(3 * events.len()) {
        show.event(event);
    }
}

#[test]
fn nothing_that_is_told_moves_the_cursor() {
    let pf = PFS[0].parse().unwrap();
    let bad = || "x\u{1b}]0;y\u{7}\n\u{202e}z\u{9b}2J".to_owned();
    let events = vec![
        Event::Lane { pf, label: bad(), steps: 1 },
        Event::Begin { pf, step: bad() },
        Event::Failed { pf, step: bad(), why: bad() },
        Event::End { pf },
    ];
    let text = seen(400, 24, events).unwrap();
    assert!(text.contains(r"x\u{1b}]0;y\u{7}\n\u{202e}z"), "{text:?}");
    for sign in ["\u{1b}]", "\u{7}", "\u{202e}", "\u{9b}"] {
        assert!(!text.contains(sign), "{text:?}");
    }
}
