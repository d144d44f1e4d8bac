//! The daemon's socket, from the outside.

use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

use super::protocol::{DaemonStatus, Reply, Request};
use super::reach::{Silent, is_late, reach};
use crate::apply::Event;
use crate::host::Host;
use crate::reconcile::Outcome;

/// How long the daemon may take to answer: all that it does itself, it does in no time. A pass takes
/// longer, and is done beside that: while it lasts the daemon is asked how it is.
const PATIENCE: Duration = Duration::from_secs(5);

/// A connection to a daemon.
#[derive(Debug)]
pub struct Client {
    host: Host,
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
    /// It does not answer.
    #[error("{0}")]
    Silent(Silent),
    /// The daemon says no.
    #[error("the daemon says: {0}")]
    Refused(String),
}

impl Client {
    /// Connects; `None` when no daemon listens.
    pub fn connect(host: &Host) -> Result<Option<Self>, ClientError> {
        let path = host.root().socket();
        match reach(&path, PATIENCE) {
            Ok(stream) => Ok(Some(Self { host: host.clone(), path, stream })),
            Err(error) if is_late(&error) => {
                Err(ClientError::Silent(Silent::daemon(host, None, PATIENCE)))
            }
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

    /// How the daemon of `host` is; `None` when none runs.
    ///
    /// # Errors
    /// It does not say.
    pub fn daemon_of(host: &Host) -> Result<Option<DaemonStatus>, ClientError> {
        Self::connect(host)?.map(Self::status).transpose()
    }

    fn ask<T>(
        self,
        request: &Request,
        mut wanted: impl FnMut(Reply) -> Option<T>,
    ) -> Result<T, ClientError> {
        let path = self.path.clone();
        let failed = |source| match is_late(&source) {
            true => self.silent(),
            false => ClientError::Socket { path: path.clone(), source },
        };
        let mut line = serde_json::to_vec(request).map_err(|error| failed(error.into()))?;
        line.push(b'\n');
        (&self.stream).write_all(&line).map_err(failed)?;
        let mut stream = BufReader::new(&self.stream);
        line.clear();
        loop {
            // What had come of a line when the time was over stays in it.
            match stream.read_until(b'\n', &mut line) {
                Ok(0) => break,
                Ok(_) => {}
                Err(error) if is_late(&error) && *request == Request::Apply => {
                    Self::daemon_of(&self.host)?;
                    continue;
                }
                Err(error) => return Err(failed(error)),
            }
            match serde_json::from_slice(&line).map_err(|error| failed(error.into()))? {
                Reply::Error(why) => return Err(ClientError::Refused(why)),
                reply => {
                    if let Some(found) = wanted(reply) {
                        return Ok(found);
                    }
                }
            }
            line.clear();
        }
        Err(ClientError::Ended { path: path.clone() })
    }

    fn silent(&self) -> ClientError {
        ClientError::Silent(Silent::daemon(&self.host, Some(&self.stream), PATIENCE))
    }
}

/// No socket, or one that a daemon left when it was killed.
fn is_nobody(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused)
}
