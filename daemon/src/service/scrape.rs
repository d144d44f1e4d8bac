//! The daemon's metrics, from the outside.

use std::io::{self, Read, Write};
use std::path::PathBuf;
use std::time::Duration;

use super::reach::{Silent, is_late, reach};
use crate::host::Host;

/// How long the daemon may take: longer than what it waits for itself.
const PATIENCE: Duration = Duration::from_secs(15);

/// Why there are no metrics.
#[derive(Debug, thiserror::Error)]
pub enum ScrapeError {
    /// No daemon listens.
    #[error("ask {} for metrics: is the daemon running? see systemctl status railhead", path.display())]
    Socket {
        /// The socket.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// It does not answer.
    #[error("{0}")]
    Silent(Silent),
    /// What came back is no page.
    #[error("{} answers: {status}", path.display())]
    Refused {
        /// The socket.
        path: PathBuf,
        /// The first line of the answer.
        status: String,
    },
}

/// Asks the daemon once, as a collector does that reads Prometheus' text format.
pub fn scrape(host: &Host) -> Result<String, ScrapeError> {
    let path = host.root().metrics_socket();
    let answer = ask(&path).map_err(|source| match is_late(&source) {
        true => ScrapeError::Silent(Silent::daemon(host, None, PATIENCE)),
        false => ScrapeError::Socket { path: path.clone(), source },
    })?;
    match answer.split_once("\r\n\r\n") {
        Some((head, page)) if is_ok(head) => Ok(page.to_owned()),
        _ => {
            let status = answer.lines().next().unwrap_or_default().to_owned();
            Err(ScrapeError::Refused { path, status })
        }
    }
}

fn ask(path: &std::path::Path) -> io::Result<String> {
    let mut stream = reach(path, PATIENCE)?;
    // To a client of HTTP/1.0 nothing is sent in pieces.
    stream.write_all(b"GET /metrics HTTP/1.0\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

fn is_ok(head: &str) -> bool {
    head.split_ascii_whitespace().nth(1) == Some("200")
}
