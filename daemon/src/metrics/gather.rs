//! Reading something on a thread of its own, for all who ask for it meanwhile.
//!
//! A read that hangs is never joined by another: who asks while it does gets nothing, at once.

use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::time::timeout;

/// The reading of one thing.
#[derive(Debug)]
pub struct Gather<T> {
    name: &'static str,
    patience: Duration,
    last: Mutex<Option<Run<T>>>,
}

/// One read, under way or at its end.
#[derive(Debug)]
struct Run<T> {
    begun: Instant,
    result: watch::Receiver<Option<Arc<T>>>,
}

impl<T: Send + Sync + 'static> Gather<T> {
    /// Reads nothing yet. Its threads will be called `name` (15 characters at most), and nobody
    /// waits longer than `patience` for one.
    pub fn new(name: &'static str, patience: Duration) -> Self {
        Self { name, patience, last: Mutex::new(None) }
    }

    /// What `read` gives, or what a read gives that is under way; `None` when that is nothing, or
    /// takes too long.
    pub async fn ask(&self, read: impl FnOnce() -> Option<T> + Send + 'static) -> Option<Arc<T>> {
        let mut result = self.join(read)?;
        let result = timeout(self.patience, result.wait_for(Option::is_some)).await;
        result.ok()?.ok()?.clone()
    }

    fn join(
        &self,
        read: impl FnOnce() -> Option<T> + Send + 'static,
    ) -> Option<watch::Receiver<Option<Arc<T>>>> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(run) = last.as_ref().filter(|run| run.is_under_way()) {
            return (run.begun.elapsed() < self.patience).then(|| run.result.clone());
        }
        let (sender, result) = watch::channel(None);
        let thread = thread::Builder::new().name(self.name.to_owned());
        let spawned = thread.spawn(move || {
            if let Some(found) = read() {
                sender.send_replace(Some(Arc::new(found)));
            }
        });
        if let Err(error) = spawned {
            tracing::warn!("start thread {}: {error}", self.name);
            return None;
        }
        *last = Some(Run { begun: Instant::now(), result: result.clone() });
        Some(result)
    }
}

impl<T> Run<T> {
    /// Whether its thread still reads: the sender goes with it.
    fn is_under_way(&self) -> bool {
        self.result.borrow().is_none() && self.result.has_changed().is_ok()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[tokio::test]
    async fn who_asks_is_told() {
        let gather = Gather::new("test", Duration::from_secs(60));
        assert_eq!(gather.ask(|| Some(1)).await.as_deref(), Some(&1));
        assert_eq!(gather.ask(|| Some(2)).await.as_deref(), Some(&2), "each time anew");
        assert_eq!(gather.ask(|| None).await, None);
        assert_eq!(gather.ask(|| panic!("a defect")).await, None);
        assert_eq!(gather.ask(|| Some(3)).await.as_deref(), Some(&3));
    }

    /// Two who ask at once share one read.
    #[tokio::test]
    async fn a_read_under_way_is_shared() {
        let gather = Gather::new("test", Duration::from_secs(60));
        let (go, wait) = mpsc::channel::<()>();
        let first = gather.join(move || {
            wait.recv().unwrap();
            Some(1)
        });
        let second = gather.join(|| Some(2));
        go.send(()).unwrap();
        for mut result in [first.unwrap(), second.unwrap()] {
            assert_eq!(result.wait_for(Option::is_some).await.unwrap().as_deref(), Some(&1));
        }
    }

    /// No thread is added to one that hangs, and nobody waits for it again.
    #[tokio::test]
    async fn a_read_that_hangs_makes_nobody_wait() {
        let gather = Gather::new("test", Duration::from_millis(20));
        let (go, wait) = mpsc::channel::<()>();
        let hangs = move || {
            wait.recv().ok();
            Some(1)
        };
        assert_eq!(gather.ask(hangs).await, None, "the deadline");
        let began = || gather.last.lock().unwrap().as_ref().unwrap().begun;
        let hanging = began();
        assert!(gather.join(|| Some(2)).is_none(), "nothing to wait for");
        assert_eq!(began(), hanging, "no other read was begun");
        drop(go);
        while gather.last.lock().unwrap().as_ref().unwrap().is_under_way() {
            std::thread::yield_now();
        }
        assert_eq!(gather.ask(|| Some(3)).await.as_deref(), Some(&3));
    }
}
