//! SIGKILL at random instants of ADD and DEL: several runtimes at once, each of which loses its
//! plugin again and again.

use std::collections::{BTreeMap, BTreeSet};
use std::process::{Child, Output};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use super::book::Book;
use super::random::Random;
use super::store::{held, no_cooldown};
use super::{add, address, call};
use crate::bed::{block, isolated};

/// How many verbs are killed, unless this variable says.
const KILLS: u32 = 10_000;
const VARIABLE: &str = "RAILHEAD_KILLS";

/// How many runtimes work at once, and how many containers each has.
const RUNTIMES: u32 = 4;
const CONTAINERS: usize = 8;

/// The last address of the block: it has room for all containers, and little more.
const LAST: u8 = 40;

/// Nothing is doubled, nothing acknowledged is lost, and what a kill leaves is free or goes with
/// the DEL of its container.
#[test]
fn ten_thousand_kills_lose_and_double_nothing() {
    let kills = std::env::var(VARIABLE).map_or(KILLS, |number| number.parse().unwrap());
    isolated(|| {
        block(LAST);
        no_cooldown();
        let book = Book::default();
        let mut tally = Tally::default();
        thread::scope(|scope| {
            let runtimes: Vec<_> = (0..RUNTIMES)
                .map(|number| {
                    let runtime = Runtime::new(number, &book);
                    scope.spawn(move || runtime.work(kills / RUNTIMES))
                })
                .collect();
            for runtime in runtimes {
                tally.add(runtime.join().unwrap());
            }
        });
        println!("{tally:?}");
        assert!(tally.killed >= tally.ended, "most were killed before they had ended: {tally:?}");
        for container in held().keys() {
            call("DEL", container, json!({})).run().ok();
        }
        assert_eq!(held(), BTreeMap::new());
        // Not one address of the block was mislaid.
        let all: BTreeSet<String> = (2..=LAST).map(|at| add(&format!("after-{at}"))).collect();
        assert_eq!(all.len(), usize::from(LAST) - 1);
        call("ADD", "one-more", json!({})).run().error(11);
    });
}

/// What a runtime knows of a container.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Known {
    Free,
    Holds(String),
    /// A verb was killed.
    Unknown,
}

/// How many verbs were killed, and how many had ended before.
#[derive(Debug, Default)]
struct Tally {
    killed: u32,
    ended: u32,
}

impl Tally {
    fn add(&mut self, other: Self) {
        self.killed += other.killed;
        self.ended += other.ended;
    }
}

/// A runtime that kills what it calls.
struct Runtime<'b> {
    name: String,
    known: Vec<Known>,
    book: &'b Book,
    random: Random,
    /// Within which time ADD and DEL are killed. They follow what the verbs take, which is now
    /// more and now less.
    windows: [Duration; 2],
    tally: Tally,
}

impl<'b> Runtime<'b> {
    fn new(number: u32, book: &'b Book) -> Self {
        Self {
            name: format!("runtime{number}"),
            known: vec![Known::Free; CONTAINERS],
            book,
            random: Random::seeded(number),
            windows: [Duration::from_millis(3); 2],
            tally: Tally::default(),
        }
    }

    fn work(mut self, kills: u32) -> Tally {
        for round in 1.. {
            if self.tally.killed == kills {
                break;
            }
            let at = self.random.below(CONTAINERS);
            match self.random.below(8) {
                0..=3 => self.killed("ADD", at),
                4..=6 => self.killed("DEL", at),
                _ => {
                    self.killed("ADD", at);
                    self.acknowledged(at);
                }
            }
            if round % 100 == 0 {
                self.look();
            }
        }
        self.look();
        self.tally
    }

    /// Starts a verb, and kills it somewhere between its beginning and its end.
    fn killed(&mut self, verb: &str, at: usize) {
        let container = self.container(at);
        if let ("DEL", Known::Holds(address)) = (verb, &self.known[at]) {
            self.book.strike(address);
        }
        let window = &mut self.windows[usize::from(verb == "DEL")];
        let instant = self.random.within(*window);
        let child = call(verb, &container, json!({})).start();
        thread::sleep(instant);
        let ended = kill(child);
        *window = if ended.is_some() { instant } else { *window + *window / 20 };
        match ended {
            None => {
                self.tally.killed += 1;
                // A container that had its address before a killed ADD has it still.
                if verb == "DEL" || self.known[at] == Known::Free {
                    self.known[at] = Known::Unknown;
                }
            }
            Some(output) => {
                self.tally.ended += 1;
                self.told(verb, at, &output);
            }
        }
    }

    /// An ADD or a DEL that nobody disturbs.
    fn acknowledged(&mut self, at: usize) {
        let verb = if self.random.below(2) == 0 { "ADD" } else { "DEL" };
        if let ("DEL", Known::Holds(address)) = (verb, &self.known[at]) {
            self.book.strike(address);
        }
        let child = call(verb, &self.container(at), json!({})).start();
        self.told(verb, at, &child.wait_with_output().unwrap());
    }

    /// A verb ended by itself.
    fn told(&mut self, verb: &str, at: usize, output: &Output) {
        let container = self.container(at);
        assert!(output.status.success(), "{verb} {container}: {output:?}");
        self.known[at] = if verb == "DEL" {
            Known::Free
        } else {
            let result: Value = serde_json::from_slice(&output.stdout).unwrap();
            let address = address(&result);
            self.book.write(&address, &container);
            if let Known::Holds(before) = &self.known[at] {
                assert_eq!(*before, address, "{container} keeps what it has");
            }
            Known::Holds(address)
        };
    }

    /// What is known for sure is so.
    fn look(&self) {
        let held = held();
        for (at, known) in self.known.iter().enumerate() {
            let addresses = held.get(&self.container(at)).map(Vec::as_slice).unwrap_or_default();
            match known {
                Known::Free => assert!(addresses.is_empty(), "{known:?}: {addresses:?}"),
                Known::Holds(address) => {
                    assert_eq!(addresses, [address.as_str()], "{}", self.container(at));
                }
                Known::Unknown => assert!(addresses.len() <= 1, "{addresses:?}"),
            }
        }
    }

    fn container(&self, at: usize) -> String {
        format!("{}-{at}", self.name)
    }
}

/// Kills the process; what it said, if it had ended before.
fn kill(mut child: Child) -> Option<Output> {
    child.kill().unwrap();
    let output = child.wait_with_output().unwrap();
    output.status.code().map(|_| output)
}
