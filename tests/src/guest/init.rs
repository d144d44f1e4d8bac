//! PID 1: makes a bare kernel into a host, starts the runner, reaps, powers off.
//!
//! Init and the runner are two processes. So a runner that dies, of whatever, is noticed and told, and orphans of
//! the programs under test are reaped without stealing the exit status of those that the runner waits for.

use std::fs;
use std::os::unix::fs::symlink;
use std::process::Command;

use nix::mount::{MsFlags, mount};
use nix::sys::reboot::{RebootMode, reboot};
use nix::sys::wait::{WaitStatus, wait};
use nix::unistd::Pid;

use super::program::run;
use super::{bench, debian, demo, disk, host, runner, transcript};
use crate::protocol::{Event, ORDERS, Orders, Terminal};

/// The argument that makes this binary the runner.
const RUNNER: &str = "runner";

/// The argument that makes this binary a service of Debian's init: the runner that powers off in the end.
const SERVICE: &str = "service";

/// What `railhead-guest` does: init as PID 1, the runner otherwise.
pub fn main() {
    match std::env::args().nth(1).as_deref() {
        Some(RUNNER) => {
            transcript::open();
            return obey(orders());
        }
        Some(SERVICE) => {
            transcript::open();
            debian::settle();
            obey(orders());
            transcript::tell(&Event::Finished);
            return power_off();
        }
        _ => {}
    }
    mount_all();
    // From here on a panic can be told: before, it ends PID 1, and the kernel's own panic says so on the console.
    transcript::open();
    std::panic::set_hook(Box::new(|info| {
        transcript::tell(&Event::Unusable { message: format!("init: {info}") });
    }));
    if debian::is_wanted() {
        debian::hand_over();
    }
    let outcome = std::panic::catch_unwind(|| {
        prepare();
        match orders() {
            Orders::Shell(terminal) => shell(terminal),
            _ => supervise(Command::new("/proc/self/exe").arg(RUNNER)),
        }
    });
    if outcome.is_ok() {
        transcript::tell(&Event::Finished);
    }
    power_off();
}

fn power_off() {
    let Err(error) = reboot(RebootMode::RB_POWER_OFF);
    panic!("power off: {error}");
}

/// What the host wants.
pub(super) fn orders() -> Orders {
    let text = fs::read_to_string(ORDERS).expect("read the orders");
    serde_json::from_str(&text).expect("orders are JSON")
}

fn obey(orders: Orders) {
    transcript::tell(&Event::Ready);
    match orders {
        Orders::Tests { names, note } => runner::run_tests(&names, note),
        Orders::Demo(_) => runner::run("demo", demo::play),
        Orders::Bench(_) => runner::run("bench", bench::measure),
        // Init has no runner then.
        Orders::Shell(_) => {}
    }
}

/// The file systems that any distribution's init mounts.
fn mount_all() {
    let none = MsFlags::empty();
    let mounts = [
        ("proc", "/proc"),
        ("sysfs", "/sys"),
        ("devtmpfs", "/dev"),
        ("devpts", "/dev/pts"),
        ("tmpfs", "/dev/shm"),
        ("tmpfs", "/run"),
        ("tmpfs", "/tmp"),
        ("cgroup2", "/sys/fs/cgroup"),
    ];
    for (kind, path) in mounts {
        fs::create_dir_all(path).unwrap_or_else(|error| panic!("make {path}: {error}"));
        mount(Some(kind), path, Some(kind), none, None::<&str>)
            .unwrap_or_else(|error| panic!("mount {path}: {error}"));
    }
}

/// Everything else that a host has before a node agent starts.
fn prepare() {
    fs::write("/proc/sys/kernel/hostname", "node-a").expect("set the host's name");
    fs::create_dir_all("/run/netns").expect("make /run/netns");
    symlink("/run", "/var/run").expect("link /var/run");
    run("ip link set lo up").ok();
    for (name, target) in [("fd", "fd"), ("stdin", "fd/0"), ("stdout", "fd/1"), ("stderr", "fd/2")]
    {
        symlink(format!("/proc/self/{target}"), format!("/dev/{name}")).expect("link into /dev");
    }
    for module in fs::read_to_string("/lib/modules/order").expect("read module order").lines() {
        run(&format!("insmod {module}")).ok();
    }
    disk::mount_disk();
    for address in host::pci_functions() {
        if host::netdev_of(&address).is_some() {
            name_interface(&address);
        }
    }
}

/// Names the interface of a PCI function by its place, as udev does.
pub(super) fn name_interface(address: &str) -> String {
    let (netdev, name) = (host::netdev_of(address).expect("an interface"), predictable(address));
    run(&format!("ip link set {netdev} name {name}")).ok();
    name
}

/// `0000:01:00.0` is `enp1s0`.
fn predictable(address: &str) -> String {
    let number = |text: &str| u32::from_str_radix(text, 16).expect("a hexadecimal number");
    let parts: Vec<&str> = address.split([':', '.']).collect();
    match parts[..] {
        [_, bus, slot, "0"] => format!("enp{}s{}", number(bus), number(slot)),
        [_, bus, slot, function] => format!("enp{}s{}f{function}", number(bus), number(slot)),
        _ => panic!("{address} is no PCI address"),
    }
}

/// A login shell on the first serial port. A session leader without a terminal gets the first that it opens, and
/// with it job control; init's own console gives none.
fn shell(Terminal { rows, columns }: Terminal) {
    let script = format!(
        "exec </dev/ttyS0 >/dev/ttyS0 2>&1; stty rows {rows} cols {columns}; cd; exec bash -l"
    );
    supervise(Command::new("setsid").args(["bash", "-c", &script]));
}

/// Starts a program and reaps until it ends. An end by a signal is told.
#[expect(
    clippy::zombie_processes,
    reason = "the loop below reaps it, with everybody else's orphans"
)]
fn supervise(command: &mut Command) {
    let child = command.spawn().expect("start the runner");
    let child = Pid::from_raw(i32::try_from(child.id()).expect("a process id"));
    loop {
        match wait() {
            Ok(WaitStatus::Exited(id, 0)) if id == child => return,
            Ok(status) if status.pid() == Some(child) => {
                panic!("the guest's program ended badly: {status:?}");
            }
            // Somebody's orphan.
            Ok(_) => {}
            Err(error) => panic!("wait for the runner: {error}"),
        }
    }
}
