//! A user of the machine who is nobody in particular, and what such a one may do: make a user namespace, and be root in
//! that.

use std::fs;

use super::program::{Program, Running};
use super::wait::wait_for;

/// Where this user may write.
pub const HOME: &str = "/tmp/u1000";

/// A program of user 1000, without any capability; its words are those of `line`.
pub fn user(line: &str) -> Program {
    Program::new(&format!("setpriv --reuid=1000 --regid=1000 --clear-groups {line}"))
}

/// A process of that user whose mount namespace has a network namespace bound where another mount covers it. Nobody is
/// in that namespace any more, and its path leads nowhere.
///
/// # Panics
/// When this user cannot do so: then nothing would be tested.
#[track_caller]
pub fn who_covers_a_namespace() -> Running {
    fs::create_dir_all(HOME).expect("make a directory");
    let script = format!(
        "set -e
mount -t tmpfs mine {HOME}
mkdir {HOME}/a
touch {HOME}/a/ns
mount --bind /proc/self/ns/net {HOME}/a/ns
mount -t tmpfs cover {HOME}/a
exec unshare -n sleep 100000"
    );
    let mut running = user("unshare -r -m -n bash -c").arg(script).start();
    let process = format!("/proc/{}", running.pid());
    wait_for("a namespace to be covered", || {
        assert!(running.is_alive(), "the user may not do that here");
        let comm = fs::read_to_string(format!("{process}/comm")).ok()?;
        (comm.trim() == "sleep").then_some(())
    });
    let mounts = fs::read_to_string(format!("{process}/mountinfo")).expect("its mounts");
    let covered = mounts.lines().any(|line| line.contains("net:[") && line.contains("/a/ns"));
    assert!(covered, "{mounts}");
    assert!(!fs::exists(format!("{process}/root{HOME}/a/ns")).expect("a look"), "it is covered");
    let status = fs::read_to_string(format!("{process}/status")).expect("its status");
    assert!(status.contains("Uid:\t1000\t"), "{status}");
    running
}
