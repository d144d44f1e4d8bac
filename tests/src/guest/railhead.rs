//! The `railhead` command, its settings and objects.

use std::time::Duration;

use super::host;
use super::program::{Output, Program, Running};
use super::wait::wait_for;

/// Where the objects of directory mode are.
pub const OBJECTS: &str = "/etc/railhead/objects";

/// Runs `railhead` with arguments split at white space.
#[track_caller]
pub fn railhead(arguments: &str) -> Output {
    Program::new(&format!("railhead {arguments}")).run()
}

/// Writes `/etc/railhead/railhead.yaml`.
#[track_caller]
pub fn settings(yaml: &str) {
    host::put("/etc/railhead/railhead.yaml", yaml);
}

/// Writes a file into [`OBJECTS`].
#[track_caller]
pub fn object(file: &str, yaml: &str) {
    host::put(&format!("{OBJECTS}/{file}"), yaml);
}

/// A running `railhead daemon`. Dropped: killed, as by a crash.
#[derive(Debug)]
pub struct Daemon {
    running: Running,
}

impl Daemon {
    /// Starts the daemon and waits for its socket.
    #[track_caller]
    pub fn start() -> Self {
        Self::start_under("")
    }

    /// Starts it under another program, like `strace -f -o /tmp/log`.
    #[track_caller]
    pub fn start_under(line: &str) -> Self {
        let mut running = Program::new("railhead daemon").under(line).start();
        // A daemon that was killed leaves its socket behind, so that to see it is not enough.
        let answers =
            || std::os::unix::net::UnixStream::connect("/run/railhead/daemon.sock").is_ok();
        wait_for("the daemon to listen", || {
            assert!(running.is_alive(), "the daemon ended");
            answers().then_some(())
        });
        Self { running }
    }

    /// Its process id (that of strace, when it was started under it).
    pub fn pid(&self) -> u32 {
        self.running.pid()
    }

    /// Ends it by SIGTERM, as systemd does, and gives what it printed.
    #[track_caller]
    pub fn stop(self) -> Output {
        self.running.signal("TERM");
        self.running.finish(Duration::from_secs(60))
    }
}
