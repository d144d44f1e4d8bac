//! Reaching a daemon that may have stopped: everything that is asked of it has a deadline, and who
//! asked is told whom that waits for.

use std::fmt;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use nix::sys::socket::{
    AddressFamily, SockFlag, SockType, UnixAddr, connect, getsockopt, setsockopt, socket, sockopt,
};
use nix::sys::time::TimeVal;
use procfs::FromRead;
use procfs::process::Status;

use super::lock;
use crate::host::Host;

/// A daemon that does not answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Silent {
    who: String,
    process: Option<i32>,
    patience: Duration,
}

impl fmt::Display for Silent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { who, process, patience } = self;
        write!(f, "{who} has not answered for {} s", patience.as_secs())?;
        if let Some(process) = process.filter(|process| is_stopped(*process)) {
            return write!(f, ": it is stopped, and `kill -CONT {process}` lets it go on");
        }
        f.write_str(
            ": see `systemctl status railhead`; `systemctl restart railhead` starts it anew",
        )
    }
}

impl Silent {
    /// The daemon at the other end of `stream`; without one whoever has the host's lock.
    pub(super) fn daemon(host: &Host, stream: Option<&UnixStream>, patience: Duration) -> Self {
        let peer = stream.and_then(|stream| getsockopt(stream, sockopt::PeerCredentials).ok());
        let process = peer.map(|peer| peer.pid());
        let who = match process {
            Some(process) => format!("the daemon (process {process})"),
            None => lock::holder_of(host),
        };
        Self { who, process, patience }
    }
}

fn is_stopped(process: i32) -> bool {
    let status = Status::from_file(format!("/proc/{process}/status"));
    status.is_ok_and(|status| status.state.starts_with(['T', 't']))
}

/// Connects to a socket. That, each read and each write take `patience` at most.
pub(super) fn reach(path: &Path, patience: Duration) -> io::Result<UnixStream> {
    let socket = socket(AddressFamily::Unix, SockType::Stream, SockFlag::SOCK_CLOEXEC, None)?;
    let seconds = i64::try_from(patience.as_secs()).unwrap_or(i64::MAX);
    let patience = TimeVal::new(seconds, 0);
    setsockopt(&socket, sockopt::SendTimeout, &patience)?;
    setsockopt(&socket, sockopt::ReceiveTimeout, &patience)?;
    connect(socket.as_raw_fd(), &UnixAddr::new(path)?)?;
    Ok(UnixStream::from(socket))
}

/// Whether `error` says that the time was over.
pub(super) fn is_late(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}
