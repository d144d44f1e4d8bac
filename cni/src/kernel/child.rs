//! Writes that a driver can hang, done by a child that can be left behind.
//!
//! A write to `sriov_numvfs`, `bind` or `unbind` returns when the driver has done its work. When
//! its firmware does not answer, the writer hangs in the kernel, where no signal reaches it, and
//! its locks are held until the write returns. So the writer is a child of its own, which holds
//! nothing: past the deadline it is left behind as a [`Straggler`].
//!
//! ```text
//! parent                          child: /proc/self/exe sysfs-write PATH VALUE
//!   poll(pipe, deadline) <------- "0\n", or the error number of open(2) or write(2)
//! ```

mod supervise;

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Duration;

use conf::PciAddress;

use super::processes::Process;
use super::{Cause, Errno, Error};

pub use self::supervise::Straggler;
pub(super) use self::supervise::run;

/// The hidden verb of the child.
const VERB: &str = "sysfs-write";

/// Writes sysfs files, each in a short-lived child of this binary.
///
/// The binary's `main` must begin with [`serve`].
#[derive(Debug, Clone)]
pub struct Writer {
    deadline: Duration,
}

impl Writer {
    /// Gives each write this long.
    pub fn with_deadline(deadline: Duration) -> Self {
        Self { deadline }
    }

    /// Writes `value` to the existing file at `path`, in one write(2).
    pub fn write(&self, path: &Path, value: &str) -> Result<(), Error> {
        self.try_write(path, value)
            .map_err(|cause| Error::new("write", format!("{value:?} to {}", path.display()), cause))
    }

    fn try_write(&self, path: &Path, value: &str) -> Result<(), Cause> {
        let mut child = Command::new("/proc/self/exe");
        child.arg(VERB).arg(path).arg(value).env_clear();
        let (status, said) = run(child, self.deadline)?;
        let said = String::from_utf8_lossy(&said);
        match said.trim_end().parse() {
            Ok(0) => Ok(()),
            Ok(errno) => Err(Errno::from_raw(errno).into()),
            // Not a number: the binary does not begin with `serve`, or the child was killed.
            Err(_) => Err(Cause::Program(format!("the writing child ended with {status}: {said}"))),
        }
    }
}

/// Does the child's part when this process is such a child: call it first in `main`, and return
/// what it returns. `None`: this is an ordinary run.
pub fn serve() -> Option<ExitCode> {
    let mut arguments = std::env::args_os().skip(1);
    if arguments.next()? != VERB {
        return None;
    }
    let (Some(path), Some(value), None) = (arguments.next(), arguments.next(), arguments.next())
    else {
        return Some(ExitCode::from(2));
    };
    close_inherited();
    let errno = match write_once(&path, &value) {
        Ok(()) => 0,
        Err(error) => error.raw_os_error().unwrap_or(libc::EIO),
    };
    // When nobody listens any more there is nobody to tell.
    let told = writeln!(io::stdout(), "{errno}");
    Some(if told.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn write_once(path: &OsString, value: &OsString) -> io::Result<()> {
    let written = File::options().write(true).open(path)?.write(value.as_bytes())?;
    // sysfs takes a value whole or not at all.
    if written == value.len() { Ok(()) } else { Err(io::Error::from_raw_os_error(libc::EIO)) }
}

/// Closes what the parent may have had open without O_CLOEXEC: a lock among it would outlive the
/// parent with a write that hangs.
fn close_inherited() {
    #[expect(unsafe_code, reason = "neither std nor nix has close_range(2)")]
    // SAFETY: nothing was opened by this process yet, so no descriptor above 2 is in use.
    let closed = unsafe { libc::syscall(libc::SYS_close_range, 3, libc::c_uint::MAX, 0) };
    debug_assert_eq!(closed, 0, "close_range is as old as the oldest kernel supported");
}

/// A child that hangs in a write, of this process or of one that is gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stuck {
    /// Its process id.
    pub pid: u32,
    /// The file that it writes.
    pub path: PathBuf,
    /// The PCI function that it is about.
    pub function: Option<PciAddress>,
    /// How long it has been at it.
    pub since: Duration,
}

/// Those of `processes` that are such children and are writing right now, whoever started them:
/// what a daemon that was started again must know before it touches those devices.
pub fn stragglers(processes: &[Process]) -> Vec<Stuck> {
    // A process that ends meanwhile cannot be read, and is none of them.
    processes.iter().filter_map(|process| stuck(process.pid)).collect()
}

fn stuck(pid: u32) -> Option<Stuck> {
    let line = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    let mut words = line.split(|octet| *octet == 0);
    let program = words.next()?;
    if program != b"/proc/self/exe" || words.next()? != VERB.as_bytes() {
        return None;
    }
    let path = PathBuf::from(OsString::from_vec(words.next()?.to_vec()));
    // `bind` and its like take the address as value, a function's own files are in its directory.
    let named = words.next().and_then(|value| str::from_utf8(value).ok()?.trim().parse().ok());
    let function = named.or_else(|| path.parent()?.file_name()?.to_str()?.parse().ok());
    let since = super::processes::age(pid)?;
    Some(Stuck { pid, path, function, since })
}
