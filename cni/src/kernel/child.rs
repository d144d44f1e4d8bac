//! Writes that a driver can hang, done by a child that can be left behind.

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use super::Error;

/// Writes sysfs files in a short-lived child of this binary.
#[derive(Debug, Clone)]
pub struct Writer {
    deadline: Duration,
}

/// A child that hangs in the kernel.
#[derive(Debug, Clone)]
pub struct Straggler {
    pid: u32,
}

impl Straggler {
    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Whether the write has returned by now and the child is gone.
    pub fn is_gone(&self) -> bool {
        todo!()
    }
}

impl Writer {
    /// Gives each write this long.
    pub fn with_deadline(deadline: Duration) -> Self {
        Self { deadline }
    }

    /// Writes `value` to the existing file at `path`.
    pub fn write(&self, path: &Path, value: &str) -> Result<(), Error> {
        let _ = (path, value, self.deadline);
        todo!()
    }
}

/// Does the child's part when this process is such a child: call it first in `main`, and return
/// what it returns. `None`: this is an ordinary run.
pub fn serve() -> Option<ExitCode> {
    todo!()
}
