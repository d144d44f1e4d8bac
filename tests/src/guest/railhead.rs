//! The `railhead` command, its settings and objects.

use std::time::Duration;

use serde_json::json;

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

/// Removes a file from [`OBJECTS`].
#[track_caller]
pub fn remove_object(file: &str) {
    std::fs::remove_file(format!("{OBJECTS}/{file}")).expect("remove an object");
}

/// Removes what no boot leaves: `/run`, and that a store was made in this one.
#[track_caller]
pub fn forget_as_a_boot_does() {
    std::fs::remove_dir_all("/run/railhead").expect("remove what /run holds");
    forget_that_there_was_a_store();
}

/// A store that is gone by now counts as never made.
#[track_caller]
pub fn forget_that_there_was_a_store() {
    let mark = ipam::Root::system().store_mark();
    host::remove_if_there(std::fs::remove_file(&mark), &mark.display().to_string());
}

/// Where the block of the pool `blue` is.
pub const BLOCK: &str = "/var/lib/railhead/blocks/ippool/blue.json";

/// Writes a block of the pool `blue` as the daemon does: 10.77.0.2 to 10.77.0.250, and these routes.
#[track_caller]
pub fn block(routes: &[&str]) {
    let range = json!({"first": "10.77.0.1", "last": "10.77.0.250"});
    let block = json!({
        "version": 1, "pool": "ippool/blue", "index": 0, "range": range, "network": "10.77.0.0/24",
        "gateway": "10.77.0.1", "default_gateway": false, "routes": routes, "exclusions": [],
        "static_range": range,
    });
    host::put(BLOCK, &block.to_string());
}

/// A policy for `num_vfs` VFs of the PFs named in `pf_names` (as YAML, with ranges); `more` are further lines of its
/// spec, indented by two.
pub fn policy(name: &str, pf_names: &str, num_vfs: u16, more: &str) -> String {
    format!(
        "apiVersion: sriovnetwork.openshift.io/v1
kind: SriovNetworkNodePolicy
metadata: {{name: {name}}}
spec:
  nodeSelector: {{}}
  resourceName: {name}
  numVfs: {num_vfs}
  nicSelector: {{pfNames: [{pf_names}]}}
{more}"
    )
}

/// Waits until there is nothing to do: the daemon has brought the host to what is wished.
#[track_caller]
pub fn wait_until_in_force() {
    wait_for("all that is wished to be in force", || {
        (railhead("plan --exit-code").status == 0).then_some(())
    });
}

/// A running `railhead daemon`. Dropped: killed, as by a crash.
#[derive(Debug)]
pub struct Daemon {
    running: Running,
    pid: u32,
}

impl Daemon {
    /// Starts the daemon and waits for its socket.
    #[track_caller]
    pub fn start() -> Self {
        let running = Program::new("railhead daemon").start();
        let pid = running.pid();
        Self::listening(running, pid)
    }

    /// The same under strace, with this command.
    #[track_caller]
    pub fn start_under(strace: &str) -> Self {
        let running = Program::new("railhead daemon").under(strace).start();
        let tracer = running.pid();
        let children = format!("/proc/{tracer}/task/{tracer}/children");
        let pid = wait_for("strace to start the daemon", || {
            let child = host::read(&children).split_whitespace().next()?.parse().ok()?;
            // It calls itself strace until the daemon's binary is executed.
            let name = std::fs::read_to_string(format!("/proc/{child}/comm")).ok()?;
            (name.trim() == "railhead").then_some(child)
        });
        Self::listening(running, pid)
    }

    #[track_caller]
    fn listening(mut running: Running, pid: u32) -> Self {
        // A daemon that was killed leaves its socket behind, so that to see it is not enough.
        let answers =
            || std::os::unix::net::UnixStream::connect("/run/railhead/daemon.sock").is_ok();
        wait_for("the daemon to listen", || {
            assert!(running.is_alive(), "the daemon ended");
            answers().then_some(())
        });
        Self { running, pid }
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Whether it runs still.
    pub fn is_alive(&mut self) -> bool {
        self.running.is_alive()
    }

    /// Ends it by SIGTERM, as systemd does, and gives what it printed.
    #[track_caller]
    pub fn stop(self) -> Output {
        super::program::run(&format!("kill -TERM {}", self.pid)).ok();
        self.running.finish(Duration::from_secs(60))
    }
}
