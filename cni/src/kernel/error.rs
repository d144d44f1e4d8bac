//! What a kernel verb says when it fails.

use std::fmt;
use std::io;
use std::time::Duration;

pub use nix::errno::Errno;

use super::child::Straggler;

/// A kernel verb that failed: what was done, to what, and why not.
///
/// Displays as one line, `set VF 3 of ens1f0: trust on: Operation not supported (…)`; the text in
/// brackets is the kernel's own (ext-ack), where it gave one.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{verb} {object}: {cause}")]
pub struct Error {
    /// What was tried: `set`, `read`, `move`.
    pub verb: &'static str,
    /// What it was tried on, in the kernel's names: `VF 3 of ens1f0: trust on`.
    pub object: String,
    /// Why it failed.
    pub cause: Cause,
}

/// Why a kernel verb failed.
#[derive(Debug, Clone)]
pub enum Cause {
    /// The kernel answered with an error.
    Errno {
        /// Its number.
        errno: Errno,
        /// The kernel's own words (ext-ack), or what to do; may be empty.
        detail: String,
    },
    /// The PF has more VFs than one link message can describe (EMSGSIZE, or a list that was cut):
    /// their state has to be found another way.
    VfInfoTooBig,
    /// The kernel did not answer, or what was waited for did not come.
    Deadline(Duration),
    /// The write is stuck in a driver; the process that does it goes on hanging.
    Hung(Straggler),
    /// The kernel, or a file of it, said something that makes no sense.
    Malformed(String),
    /// A program failed; what it said on standard error.
    Program(String),
}

impl Error {
    /// `verb object` failed because of `cause`.
    pub fn new(verb: &'static str, object: impl fmt::Display, cause: impl Into<Cause>) -> Self {
        Self { verb, object: object.to_string(), cause: cause.into() }
    }

    /// The kernel's error number, where it gave one.
    pub fn errno(&self) -> Option<Errno> {
        match &self.cause {
            Cause::Errno { errno, .. } => Some(*errno),
            Cause::VfInfoTooBig => Some(Errno::EMSGSIZE),
            _ => None,
        }
    }

    /// Whether the kernel answered with this error number.
    pub fn is(&self, errno: Errno) -> bool {
        self.errno() == Some(errno)
    }

    /// One word for conditions and metric labels.
    pub fn reason(&self) -> &'static str {
        match &self.cause {
            Cause::Errno { errno, .. } => reason_of(*errno),
            Cause::VfInfoTooBig => "VfInfoTooBig",
            Cause::Deadline(_) => "DeadlineExceeded",
            Cause::Hung(_) => "Hung",
            Cause::Malformed(_) => "Malformed",
            Cause::Program(_) => "ProgramFailed",
        }
    }
}

fn reason_of(errno: Errno) -> &'static str {
    match errno {
        Errno::EPERM | Errno::EACCES => "NotPermitted",
        Errno::ENOENT | Errno::ENODEV | Errno::ENXIO => "NotFound",
        Errno::EEXIST => "Exists",
        Errno::EBUSY => "Busy",
        Errno::EINVAL | Errno::ERANGE => "Refused",
        Errno::EOPNOTSUPP | Errno::EPROTONOSUPPORT => "NotSupported",
        _ => "KernelError",
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Errno { errno, detail } if detail.is_empty() => f.write_str(errno.desc()),
            Self::Errno { errno, detail } => write!(f, "{} ({detail})", errno.desc()),
            Self::VfInfoTooBig => {
                f.write_str("the PF has more VFs than one link message can describe")
            }
            Self::Deadline(waited) => write!(f, "nothing came within {waited:?}"),
            Self::Hung(straggler) => write!(
                f,
                "the driver did not answer in time; process {} is still stuck in the write",
                straggler.pid()
            ),
            Self::Malformed(what) => write!(f, "malformed: {what}"),
            Self::Program(stderr) => f.write_str(stderr),
        }
    }
}

impl From<Errno> for Cause {
    fn from(errno: Errno) -> Self {
        Self::Errno { errno, detail: String::new() }
    }
}

impl From<io::Error> for Cause {
    fn from(error: io::Error) -> Self {
        match error.raw_os_error() {
            Some(number) => Errno::from_raw(number).into(),
            None => Self::Malformed(error.to_string()),
        }
    }
}
