//! Writes through a child with a deadline. The child is this very program, whose `main` begins as
//! that of a shipped binary does: hence no test harness but the few lines at the end.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test tells by panicking, and its harness by printing"
)]

use std::fs::{self, File};
use std::io::Read;
use std::os::unix::process::CommandExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::thread;
use std::time::{Duration, Instant};

use cni::kernel::child::{Writer, serve, stragglers};
use cni::kernel::processes;
use cni::kernel::sysfs::Sysfs;
use cni::kernel::{Cause, Change, Errno, module};
use conf::PciAddress;
use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::sys::stat::Mode;
use tempfile::TempDir;

const CASES: &[(&str, fn())] = &[
    ("a_value_is_written", a_value_is_written),
    ("the_kernels_error_number_comes_back", the_kernels_error_number_comes_back),
    ("a_write_that_hangs_is_left_behind", a_write_that_hangs_is_left_behind),
    ("a_hanging_write_is_listed_and_holds_no_lock", a_hanging_write_is_listed_and_holds_no_lock),
    (
        "an_interrupt_from_the_keyboard_does_not_reach_the_write",
        an_interrupt_from_the_keyboard_does_not_reach_the_write,
    ),
    ("several_writes_at_once_do_not_wait_for_each_other", several_writes_at_once),
    ("wrong_words_are_no_write", wrong_words_are_no_write),
    ("vfs_are_made", vfs_are_made),
    ("drivers_are_bound_and_unbound", drivers_are_bound_and_unbound),
    ("a_driver_override_is_set_and_cleared", a_driver_override_is_set_and_cleared),
    ("a_module_that_is_not_there_is_told_in_modprobes_words", a_module_that_is_not_there),
];

fn main() -> ExitCode {
    if let Some(code) = serve() {
        return code;
    }
    run()
}

fn patient() -> Writer {
    Writer::with_deadline(Duration::from_secs(30))
}

fn hasty() -> Writer {
    Writer::with_deadline(Duration::from_millis(50))
}

fn fifo(directory: &Path, name: &str) -> PathBuf {
    let path = directory.join(name);
    nix::unistd::mkfifo(&path, Mode::S_IRWXU).unwrap();
    path
}

/// Looks again and again until it finds something.
fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "{what}");
        thread::yield_now();
    }
}

fn a_value_is_written() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("sriov_numvfs");
    fs::write(&path, "0").unwrap();
    patient().write(&path, "7").unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), "7");
}

fn the_kernels_error_number_comes_back() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("nothing");
    let error = patient().write(&path, "7").unwrap_err();
    assert!(error.is(Errno::ENOENT));
    let expected = format!("write \"7\" to {}: No such file or directory", path.display());
    assert_eq!(error.to_string(), expected);
    assert!(!path.exists(), "a write makes no file");
    let full = patient().write(Path::new("/dev/full"), "7").unwrap_err();
    assert!(full.is(Errno::ENOSPC), "{full}");
}

fn a_write_that_hangs_is_left_behind() {
    let directory = TempDir::new().unwrap();
    let path = fifo(directory.path(), "bind");
    let error = hasty().write(&path, "7").unwrap_err();
    assert_eq!(error.reason(), "Hung");
    let Cause::Hung(straggler) = &error.cause else { panic!("{error}") };
    let pid = straggler.pid();
    assert!(error.to_string().ends_with(&format!("process {pid} is still stuck in the write")));
    // The parent goes on, and the child with its write, which is none to be killed in the middle.
    patient().write(Path::new("/dev/null"), "7").unwrap();
    assert!(!straggler.is_gone());
    let mut said = String::new();
    File::open(&path).unwrap().read_to_string(&mut said).unwrap();
    assert_eq!(said, "7");
    eventually("the straggler is gone", || straggler.is_gone().then_some(()));
    assert!(!Path::new(&format!("/proc/{pid}")).exists());
}

fn a_hanging_write_is_listed_and_holds_no_lock() {
    let directory = TempDir::new().unwrap();
    let function = directory.path().join("0000:01:00.0");
    fs::create_dir(&function).unwrap();
    let path = fifo(&function, "sriov_numvfs");
    let lock = directory.path().join("lock");
    // A lock whose descriptor a child would inherit, as somebody's library may hold one.
    let held = File::create(&lock).unwrap();
    held.lock().unwrap();
    fcntl(&held, FcntlArg::F_SETFD(FdFlag::empty())).unwrap();

    thread::scope(|scope| {
        let write = scope.spawn(|| patient().write(&path, "7"));
        let stuck = eventually("the write is listed", || {
            stragglers(&processes::all().unwrap()).into_iter().find(|stuck| stuck.path == path)
        });
        assert_eq!(stuck.function, "0000:01:00.0".parse().ok());
        drop(held);
        let free = File::open(&lock).unwrap();
        eventually("the lock is free", || free.try_lock().ok());
        // A reader comes, and the write returns.
        let mut said = String::new();
        File::open(&path).unwrap().read_to_string(&mut said).unwrap();
        assert_eq!(said, "7");
        write.join().unwrap().unwrap();
        assert!(!stragglers(&processes::all().unwrap()).contains(&stuck));
    });
}

fn an_interrupt_from_the_keyboard_does_not_reach_the_write() {
    let directory = TempDir::new().unwrap();
    let path = fifo(directory.path(), "bind");
    let error = hasty().write(&path, "7").unwrap_err();
    let Cause::Hung(straggler) = error.cause else { panic!("{error}") };
    let group = |pid: u32| {
        let pid = nix::unistd::Pid::from_raw(i32::try_from(pid).unwrap());
        nix::unistd::getpgid(Some(pid)).unwrap()
    };
    assert_ne!(group(straggler.pid()), group(std::process::id()));
    drop(File::open(&path).unwrap());
}

fn several_writes_at_once() {
    let directory = TempDir::new().unwrap();
    let path = fifo(directory.path(), "sriov_numvfs");
    thread::scope(|scope| {
        let hanging = scope.spawn(|| patient().write(&path, "7"));
        // Their pipes are not held open by the one that hangs.
        for _ in 0..20 {
            patient().write(Path::new("/dev/null"), "7").unwrap();
        }
        assert!(!hanging.is_finished());
        let mut said = String::new();
        File::open(&path).unwrap().read_to_string(&mut said).unwrap();
        hanging.join().unwrap().unwrap();
    });
}

fn wrong_words_are_no_write() {
    let own = |words: &[&str]| {
        Command::new("/proc/self/exe").arg0("railhead").args(words).output().unwrap()
    };
    for words in
        [&["sysfs-write"][..], &["sysfs-write", "/dev/null"], &["sysfs-write", "a", "b", "c"]]
    {
        assert_eq!(own(words).status.code(), Some(2), "{words:?}");
    }
    let written = own(&["sysfs-write", "/dev/null", "x"]);
    assert_eq!(String::from_utf8_lossy(&written.stdout), "0\n");
}

/// A function's directory, and its address.
fn function(root: &Path, files: &[&str]) -> (PathBuf, PciAddress) {
    let directory = root.join("bus/pci/devices/0000:01:00.0");
    fs::create_dir_all(&directory).unwrap();
    for name in files {
        fs::write(directory.join(name), "").unwrap();
    }
    (directory, "0000:01:00.0".parse().unwrap())
}

fn vfs_are_made() {
    let root = TempDir::new().unwrap();
    let (directory, pf) = function(root.path(), &["sriov_numvfs"]);
    let sysfs = Sysfs::at(root.path());
    sysfs.set_numvfs(&patient(), pf, 7).unwrap();
    assert_eq!(fs::read_to_string(directory.join("sriov_numvfs")).unwrap(), "7");
    fs::remove_file(directory.join("sriov_numvfs")).unwrap();
    assert_eq!(
        sysfs.set_numvfs(&patient(), pf, 7).unwrap_err().to_string(),
        "set sriov_numvfs of 0000:01:00.0 to 7: No such file or directory \
         (no driver is bound to it, or one that makes no VFs)"
    );
    fifo(&directory, "sriov_numvfs");
    let error = sysfs.set_numvfs(&hasty(), pf, 7).unwrap_err();
    assert_eq!((error.reason(), error.verb), ("Hung", "set"));
    // A reader lets the child end.
    drop(File::open(directory.join("sriov_numvfs")).unwrap());
}

fn drivers_are_bound_and_unbound() {
    let root = TempDir::new().unwrap();
    let (directory, vf) = function(root.path(), &[]);
    let sysfs = Sysfs::at(root.path());
    let [igbvf, vfio] = ["igbvf", "vfio-pci"].map(|name| name.parse().unwrap());
    let drivers = root.path().join("bus/pci/drivers");
    fs::create_dir_all(drivers.join("igbvf")).unwrap();
    for name in ["bind", "unbind"] {
        fs::write(drivers.join("igbvf").join(name), "").unwrap();
    }
    fs::write(root.path().join("bus/pci/drivers_probe"), "").unwrap();

    assert_eq!(sysfs.unbind(&patient(), vf).unwrap(), Change::Same);
    assert_eq!(
        sysfs.bind(&patient(), vf, &vfio).unwrap_err().to_string(),
        "bind 0000:01:00.0 to vfio-pci: No such file or directory (the driver is not loaded)"
    );
    assert_eq!(sysfs.bind(&patient(), vf, &igbvf).unwrap(), Change::Changed);
    assert_eq!(fs::read_to_string(drivers.join("igbvf/bind")).unwrap(), "0000:01:00.0");
    sysfs.probe(&patient(), vf).unwrap();
    let probed = fs::read_to_string(root.path().join("bus/pci/drivers_probe")).unwrap();
    assert_eq!(probed, "0000:01:00.0");

    std::os::unix::fs::symlink("../../drivers/igbvf", directory.join("driver")).unwrap();
    assert_eq!(sysfs.bind(&patient(), vf, &igbvf).unwrap(), Change::Same);
    assert_eq!(
        sysfs.bind(&patient(), vf, &vfio).unwrap_err().to_string(),
        "bind 0000:01:00.0 to vfio-pci: Device or resource busy (it is bound to igbvf)"
    );
    assert_eq!(sysfs.unbind(&patient(), vf).unwrap(), Change::Changed);
    assert_eq!(fs::read_to_string(drivers.join("igbvf/unbind")).unwrap(), "0000:01:00.0");
}

fn a_driver_override_is_set_and_cleared() {
    let root = TempDir::new().unwrap();
    let (directory, vf) = function(root.path(), &["driver_override"]);
    let sysfs = Sysfs::at(root.path());
    let written = || fs::read_to_string(directory.join("driver_override")).unwrap();
    sysfs.set_driver_override(&patient(), vf, Some(&"vfio-pci".parse().unwrap())).unwrap();
    assert_eq!(written(), "vfio-pci\n");
    fs::write(directory.join("driver_override"), "").unwrap();
    sysfs.set_driver_override(&patient(), vf, None).unwrap();
    assert_eq!(written(), "\n");
    fs::remove_file(directory.join("driver_override")).unwrap();
    assert_eq!(
        sysfs.set_driver_override(&patient(), vf, None).unwrap_err().to_string(),
        "set driver_override of 0000:01:00.0 to none: No such file or directory"
    );
}

fn a_module_that_is_not_there() {
    let root = TempDir::new().unwrap();
    fs::create_dir_all(root.path().join("module/vfio_pci")).unwrap();
    let sysfs = Sysfs::at(root.path());
    let second = Duration::from_secs(30);
    let there = "vfio-pci".parse().unwrap();
    assert_eq!(module::load(&sysfs, &there, second).unwrap(), Change::Same);
    let error = module::load(&sysfs, &"no-such-module".parse().unwrap(), second).unwrap_err();
    let text = error.to_string();
    assert!(text.starts_with("load module no-such-module: "), "{text}");
    assert!(text.contains("no-such-module") && text.len() > 40, "{text}");
}

/// Runs the cases whose names hold one of the words of the command line, or all.
fn run() -> ExitCode {
    let words: Vec<String> =
        std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    let wanted = |name: &str| words.is_empty() || words.iter().any(|word| name.contains(word));
    let mut failed = 0;
    for (name, case) in CASES.iter().filter(|(name, _)| wanted(name)) {
        let passed = catch_unwind(AssertUnwindSafe(case)).is_ok();
        println!("test {name} ... {}", if passed { "ok" } else { "FAILED" });
        failed += usize::from(!passed);
    }
    println!("\ntest result: {failed} failed");
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
