//! What a program prints, read while it runs.

use std::io::Read;
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::guest::wait::within;

/// How long a stream may stay open once its program has ended.
const GRACE: Duration = Duration::from_secs(1);

/// A stream that is read on its own thread, so that a full pipe never blocks the program.
#[derive(Debug)]
pub(super) struct Stream {
    bytes: Arc<Mutex<Vec<u8>>>,
    reader: JoinHandle<()>,
}

impl Stream {
    /// Starts to read.
    pub(super) fn of(mut source: impl Read + Send + 'static) -> Self {
        let bytes = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&bytes);
        let reader = thread::spawn(move || {
            let mut chunk = [0; 4096];
            while let Ok(length @ 1..) = source.read(&mut chunk) {
                sink.lock().expect("no reader panics").extend_from_slice(&chunk[..length]);
            }
        });
        Self { bytes, reader }
    }

    /// What was read up to now.
    pub(super) fn so_far(&self) -> String {
        let bytes = self.bytes.lock().expect("no reader panics");
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// All of it, once the program has ended. A grandchild may keep the stream open: it is not waited for.
    pub(super) fn rest(&self) -> String {
        within(GRACE, || self.reader.is_finished().then_some(()));
        self.so_far()
    }
}
