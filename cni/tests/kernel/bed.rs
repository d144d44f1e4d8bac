//! A private place for one test.

use std::panic::resume_unwind;
use std::process::Command;
use std::thread;

use cni::kernel::link::Link;
use cni::kernel::netlink::Route;
use cni::kernel::netns::{Netns, enter};
use conf::IfName;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use serde_json::Value;

/// Runs a test on a thread with its own network namespace and its own mounts, where `/sys` shows
/// that namespace.
pub(crate) fn isolated(test: impl FnOnce() + Send) {
    assert!(nix::unistd::geteuid().is_root(), "these tests make network namespaces: run as root");
    on_own_thread(|| {
        unshare(CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWNS).unwrap();
        let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
        mount(None::<&str>, "/", None::<&str>, private, None::<&str>).unwrap();
        mount(Some("sysfs"), "/sys", Some("sysfs"), MsFlags::empty(), None::<&str>).unwrap();
        ip("link set lo up");
        test();
    });
}

/// Another network namespace, with nothing but a loopback device in it.
pub(crate) fn other_netns() -> Netns {
    on_own_thread(|| {
        unshare(CloneFlags::CLONE_NEWNET).unwrap();
        ip("link set lo up");
        Netns::current().unwrap()
    })
}

/// Runs `ip` with these words in the calling thread's namespace.
pub(crate) fn ip(words: &str) {
    let output = Command::new("ip").args(words.split(' ')).output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "ip {words}: {stderr}");
}

/// The same in `netns`.
pub(crate) fn ip_in(netns: &Netns, words: &str) {
    enter(netns, || ip(words)).unwrap();
}

/// What `ip -j` says, as a list of objects.
pub(crate) fn ip_json(words: &str) -> Vec<Value> {
    let output = Command::new("ip").args(["-j", "-d"]).args(words.split(' ')).output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "ip {words}: {stderr}");
    let text = if output.stdout.is_empty() { b"[]" } else { output.stdout.as_slice() };
    serde_json::from_slice(text).unwrap()
}

pub(crate) fn name(text: &str) -> IfName {
    text.parse().unwrap()
}

/// The link of this name, which must be there.
pub(crate) fn link(route: &mut Route, text: &str) -> Link {
    route.link_by_name(&name(text)).unwrap().unwrap_or_else(|| panic!("no link {text}"))
}

fn on_own_thread<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    thread::scope(|scope| scope.spawn(work).join().unwrap_or_else(|panic| resume_unwind(panic)))
}
