//! ADD, DEL and GC while the pool is edited all the time: its gateway moves, exclusions come and
//! go, the block grows and shrinks, for a while nobody asks for it any more.

use std::ops::Range;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use ipam::Moment;
use serde_json::{Value, json};

use super::book::Book;
use super::random::Random;
use super::store::{held, no_cooldown};
use super::{address, call};
use crate::bed::{isolated, save};

const RUNTIMES: u32 = 4;
const CONTAINERS: usize = 6;
const ROUNDS: usize = 400;

/// No address twice, none outside what the pool said while the ADD was at work, and none taken
/// away.
#[test]
fn no_edit_of_the_pool_doubles_or_misplaces_an_address() {
    isolated(|| {
        no_cooldown();
        let (pool, book) = (Pool::default(), Book::default());
        pool.edit(Shape { last: 60, gateway: 1, excluded: (9, 9), retired: false });
        thread::scope(|scope| {
            for number in 0..RUNTIMES {
                let runtime = Runtime::new(number, &pool, &book);
                scope.spawn(move || runtime.work());
            }
        });
        for container in all_containers() {
            call("DEL", &container, json!({})).run().ok();
        }
        assert!(held().is_empty());
    });
}

/// What the daemon makes of the pool for a while.
#[derive(Debug, Clone, Copy)]
struct Shape {
    last: u8,
    gateway: u8,
    excluded: (u8, u8),
    /// Whoever holds an address keeps it, and nobody gets another.
    retired: bool,
}

impl Shape {
    /// Any that has room for all containers.
    fn random(random: &mut Random) -> Self {
        let mut above =
            |least: u8, count: usize| least + u8::try_from(random.below(count)).unwrap();
        let first = above(1, 40);
        let excluded = (first, above(first, 12));
        let (last, gateway) = (above(60, 60), above(1, 12));
        Self { last, gateway, excluded, retired: above(0, 10) == 0 }
    }

    fn write(self) {
        let at = |octet: u8| format!("10.77.0.{octet}");
        let now = Moment::now().unwrap();
        let since = now.time.nanoseconds();
        let leaving = json!({"boot": now.boot, "since": since, "gone": true, "retired": true});
        save(&json!({
            "pool": "ippool/blue", "first": at(1), "last": at(self.last),
            "network": "10.77.0.0/24", "gateway": at(self.gateway),
            "exclusions": [{"first": at(self.excluded.0), "last": at(self.excluded.1)}],
            "leaving": if self.retired { leaving } else { Value::Null },
        }));
    }

    /// Whether it keeps the address for who has it, and gives it to who has it not.
    fn keeps(self, octet: u8) -> bool {
        (1..=self.last).contains(&octet) && octet != self.gateway
    }

    fn gives(self, octet: u8) -> bool {
        let (first, last) = self.excluded;
        self.keeps(octet) && !(first..=last).contains(&octet) && !self.retired
    }
}

/// All that the pool has been.
#[derive(Default)]
struct Pool {
    shapes: Mutex<Vec<Shape>>,
    /// How many of them are on disk.
    written: AtomicUsize,
}

impl Pool {
    fn edit(&self, shape: Shape) {
        static ONE_DAEMON: Mutex<()> = Mutex::new(());
        let _guard = ONE_DAEMON.lock().unwrap();
        self.shapes.lock().unwrap().push(shape);
        shape.write();
        self.written.fetch_add(1, Ordering::SeqCst);
    }

    /// Runs `work`, and tells what the pool was meanwhile.
    fn during<T>(&self, work: impl FnOnce() -> T) -> (T, Vec<Shape>) {
        let first = self.written.load(Ordering::SeqCst) - 1;
        let done = work();
        let shapes = self.shapes.lock().unwrap();
        let seen: Range<usize> = first..shapes.len();
        (done, shapes[seen].to_vec())
    }
}

fn container(runtime: u32, at: usize) -> String {
    format!("runtime{runtime}-{at}")
}

fn all_containers() -> Vec<String> {
    (0..RUNTIMES)
        .flat_map(|runtime| (0..CONTAINERS).map(move |at| container(runtime, at)))
        .collect()
}

struct Runtime<'t> {
    number: u32,
    /// The address of each of its containers.
    addresses: Vec<Option<String>>,
    pool: &'t Pool,
    book: &'t Book,
    random: Random,
}

impl<'t> Runtime<'t> {
    fn new(number: u32, pool: &'t Pool, book: &'t Book) -> Self {
        let addresses = vec![None; CONTAINERS];
        Self { number, addresses, pool, book, random: Random::seeded(number) }
    }

    fn work(mut self) {
        for _ in 0..ROUNDS {
            let at = self.random.below(CONTAINERS);
            match self.random.below(10) {
                0..=3 => self.add(at),
                4..=6 => self.del(at),
                7 => self.gc(),
                _ => self.pool.edit(Shape::random(&mut self.random)),
            }
        }
        let held = held();
        for (at, address) in self.addresses.iter().enumerate() {
            let found = held.get(&container(self.number, at));
            assert_eq!(found.map(|addresses| &addresses[0]), address.as_ref());
        }
    }

    fn add(&mut self, at: usize) {
        let container = container(self.number, at);
        let before = self.addresses[at].take();
        // What does not fit any more goes back, and may be another's at once.
        before.iter().for_each(|address| self.book.strike(address));
        let (reply, shapes) = self.pool.during(|| call("ADD", &container, json!({})).run());
        let after = if reply.status == Some(0) {
            let given = address(&reply.ok());
            let octet: u8 = given.rsplit('.').next().unwrap().parse().unwrap();
            let fits = |shape: &Shape| {
                shape.gives(octet) || (before.as_ref() == Some(&given) && shape.keeps(octet))
            };
            assert!(shapes.iter().any(fits), "{given}, not {before:?}, in {shapes:?}");
            Some(given)
        } else {
            let told = reply.error(11);
            assert!(told.contains("only stays for those who hold"), "{told}");
            assert!(shapes.iter().any(|shape| shape.retired), "{shapes:?}");
            before
        };
        after.iter().for_each(|address| self.book.write(address, &container));
        self.addresses[at] = after;
    }

    fn del(&mut self, at: usize) {
        self.addresses[at].take().iter().for_each(|address| self.book.strike(address));
        call("DEL", &container(self.number, at), json!({})).run().ok();
    }

    /// With a list of all containers: it takes nothing from anybody.
    fn gc(&self) {
        let named = |container: String| json!({"containerID": container, "ifname": "net1"});
        let valid: Vec<Value> = all_containers().into_iter().map(named).collect();
        call("GC", "unused", json!({"cni.dev/valid-attachments": valid})).run().ok();
    }
}
