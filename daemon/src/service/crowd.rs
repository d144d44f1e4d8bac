//! Who is connected: everybody is let in, and who says nothing makes way.
//!
//! Clients that wait in the kernel's queue cannot be told apart: one that asks would wait there
//! behind hundreds that do not. So all come in at once, and where that makes one too many, the one
//! goes that has said nothing for longest.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tokio::task::{AbortHandle, yield_now};

/// What is done where everybody inside has asked, and is being answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Full {
    /// Who comes waits for the next who leaves: all of them are root's.
    Waits,
    /// The oldest goes: an answer takes no time, so that one is not read.
    OldestGoes,
}

/// The clients of one listener.
#[derive(Debug)]
pub(super) struct Crowd {
    places: usize,
    full: Full,
    inside: Mutex<Inside>,
    left: Notify,
}

/// Clients by when they came.
#[derive(Debug, Default)]
struct Inside {
    came: u64,
    silent: BTreeMap<u64, AbortHandle>,
    asked: BTreeMap<u64, AbortHandle>,
}

/// A client's place; free again when it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    crowd: Arc<Crowd>,
    number: u64,
}

impl Crowd {
    /// Clients that can only be root's, so many at once.
    pub(super) fn of_root(places: usize) -> Arc<Self> {
        Self::new(places, Full::Waits)
    }

    /// Clients that may be anybody's, so many at once.
    pub(super) fn of_anybody(places: usize) -> Arc<Self> {
        Self::new(places, Full::OldestGoes)
    }

    fn new(places: usize, full: Full) -> Arc<Self> {
        Arc::new(Self { places, full, inside: Mutex::default(), left: Notify::new() })
    }

    /// Lets one more client in, who is answered in a task of its own.
    pub(super) async fn let_in<F>(self: &Arc<Self>, answer: impl FnOnce(Place) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        while !self.has_room() {
            self.left.notified().await;
        }
        self.enter(answer);
        // What this client has sent already is read before the next comes in.
        yield_now().await;
    }

    fn enter<F>(self: &Arc<Self>, answer: impl FnOnce(Place) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let mut inside = self.inside();
        let number = inside.came;
        inside.came += 1;
        let task = tokio::spawn(answer(Place { crowd: Arc::clone(self), number }));
        inside.silent.insert(number, task.abort_handle());
    }

    /// Whether there is a place, or somebody who makes way.
    fn has_room(&self) -> bool {
        let mut inside = self.inside();
        if inside.silent.len() + inside.asked.len() < self.places {
            return true;
        }
        let oldest = match inside.silent.pop_first() {
            None if self.full == Full::OldestGoes => inside.asked.pop_first(),
            oldest => oldest,
        };
        drop(inside);
        let Some((number, client)) = oldest else { return false };
        tracing::debug!("client {number} makes way");
        client.abort();
        true
    }

    fn inside(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    /// Notes that the client has said what it wants.
    pub(super) fn asked(&self) {
        let mut inside = self.crowd.inside();
        if let Some(client) = inside.silent.remove(&self.number) {
            inside.asked.insert(self.number, client);
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut inside = self.crowd.inside();
        inside.silent.remove(&self.number);
        inside.asked.remove(&self.number);
        drop(inside);
        self.crowd.left.notify_one();
    }
}
