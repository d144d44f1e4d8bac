//! The daemon's socket, from the outside.

use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;

use super::protocol::{DaemonStatus, Reply, Request};
use crate::apply::Event;
use crate::host::Host;
use crate::reconcile::Outcome;

/// A connection to a daemon.
#[derive(Debug)]
pub struct Client {
    path: PathBuf,
    stream: UnixStream,
}

/// Why the daemon did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The socket failed.
    #[error("talk to the daemon at {}", path.display())]
    Socket {
        /// The socket.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The daemon went away in the middle.
    #[error("the daemon at {} ended before it had answered; see its log", path.display())]
    Ended {
        /// The socket.
        path: PathBuf,
    },
    /// The daemon says no.
    #[error("the daemon says: {0}")]
    Refused(String),
}

impl Client {
    /// Connects; `None` when no daemon listens.
    pub fn connect(host: &Host) -> Result<Option<Self>, ClientError> {
        let path = host.root().socket();
        match UnixStream::connect(&path) {
            Ok(stream) => Ok(Some(Self { path, stream })),
            Err(error) if is_nobody(&error) => Ok(None),
            Err(source) => Err(ClientError::Socket { path, source }),
        }
    }

    /// Has it make a pass; `progress` hears of it.
    pub fn apply(self, mut progress: impl FnMut(Event)) -> Result<Outcome, ClientError> {
        self.ask(&Request::Apply, |reply| match reply {
            Reply::Outcome(outcome) => Some(outcome),
            Reply::Progress(event) => {
                progress(event);
                None
            }
            _ => None,
        })
    }

    /// Asks it how it is.
    pub fn status(self) -> Result<DaemonStatus, ClientError> {
        self.ask(&Request::Status, |reply| match reply {
            Reply::Status(status) => Some(status),
            _ => None,
        })
    }

    fn ask<T>(
        mut self,
        request: &Request,
        mut wanted: impl FnMut(Reply) -> Option<T>,
    ) -> Result<T, ClientError> {
        let path = self.path.clone();
        let failed = |source| ClientError::Socket { path: path.clone(), source };
        let mut line = serde_json::to_vec(request).map_err(|error| failed(error.into()))?;
        line.push(b'\n');
        self.stream.write_all(&line).map_err(failed)?;
        for line in BufReader::new(self.stream).lines() {
            let line = line.map_err(failed)?;
            match serde_json::from_str(&line).map_err(|error| failed(error.into()))? {
                Reply::Error(why) => return Err(ClientError::Refused(why)),
                reply => {
                    if let Some(found) = wanted(reply) {
                        return Ok(found);
                    }
                }
            }
        }
        Err(ClientError::Ended { path })
    }
}

/// No socket, or one that a daemon left when it was killed.
fn is_nobody(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused)
}
