//! Waiting for something to become true, with a deadline.

use std::time::{Duration, Instant};

/// How long anything that comes by itself may take on an emulated machine that has little of a busy host.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Polls until `probe` gives something. Panics after [`PATIENCE`], saying what was waited for.
#[track_caller]
pub fn wait_for<T>(what: &str, probe: impl FnMut() -> Option<T>) -> T {
    within(PATIENCE, probe).unwrap_or_else(|| panic!("waited {PATIENCE:?} in vain for {what}"))
}

/// Polls until `probe` gives something, or `patience` is over.
pub fn within<T>(patience: Duration, mut probe: impl FnMut() -> Option<T>) -> Option<T> {
    let deadline = Instant::now() + patience;
    let mut pause = Duration::from_millis(1);
    loop {
        if let Some(found) = probe() {
            return Some(found);
        }
        if Instant::now() > deadline {
            return None;
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(50));
    }
}
