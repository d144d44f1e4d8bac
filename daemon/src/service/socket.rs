//! The daemon's socket, from the inside.

use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{Notify, watch};

use super::crowd::{Crowd, Place};
use super::protocol::{LONGEST, Reply, Request};
use super::published::{Published, State};
use crate::host::Host;
use crate::reconcile::Outcome;

/// How long a client may take to say what it wants, and to read a line of the answer: each that does
/// neither holds an open file.
const PATIENCE: Duration = Duration::from_secs(10);

/// How many clients there are at once, so that they never use up the files that the daemon itself
/// needs.
const CLIENTS: usize = 64;

/// Listens on the daemon's socket.
pub(super) fn listen(host: &Host) -> io::Result<UnixListener> {
    bind(&host.root().socket())
}

/// Listens on a socket at `path`, for root only. One that a killed daemon left is replaced: the
/// host's lock, which we hold, says that nobody listens on it.
pub(super) fn bind(path: &Path) -> io::Result<UnixListener> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(path)?;
    // Its directory is for root only, so that nobody comes in between.
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
    Ok(listener)
}

/// Answers clients, each in a task of its own; ends only when no more can come.
pub(super) async fn serve(
    listener: UnixListener,
    published: Arc<Published>,
    wanted: Arc<Notify>,
) -> io::Error {
    let crowd = Crowd::of_root(CLIENTS);
    loop {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            // It went away while it waited.
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => continue,
            Err(error) => return error,
        };
        let (published, wanted) = (Arc::clone(&published), Arc::clone(&wanted));
        crowd
            .let_in(|place| async move {
                if let Err(error) = answer(stream, &place, &published, &wanted).await {
                    tracing::debug!("a client went away: {error}");
                }
            })
            .await;
    }
}

async fn answer(
    stream: UnixStream,
    place: &Place,
    published: &Published,
    wanted: &Notify,
) -> io::Result<()> {
    let (read, mut write) = stream.into_split();
    let mut line = String::new();
    let mut read = BufReader::new(read.take(LONGEST));
    tokio::time::timeout(PATIENCE, read.read_line(&mut line)).await??;
    place.asked();
    match serde_json::from_str(&line) {
        Ok(Request::Status) => {
            let status = published.state.borrow().to_status();
            send(&mut write, &Reply::Status(status)).await
        }
        Ok(Request::Apply) => {
            let answer = apply(&mut write, published, wanted);
            let mut read = read.into_inner().into_inner();
            tokio::select! {
                answer = answer => answer,
                () = end(&mut read) => Ok(()),
            }
        }
        Err(error) => send(&mut write, &Reply::Error(format!("not a request: {error}"))).await,
    }
}

/// Asks for a pass, and passes on what happens in it. A pass that runs already may have read the
/// objects before the client wrote them: the next one counts.
async fn apply(
    write: &mut OwnedWriteHalf,
    published: &Published,
    wanted: &Notify,
) -> io::Result<()> {
    let mut state = published.state.subscribe();
    let mut events = published.events.subscribe();
    let ticket = state.borrow().begun + 1;
    wanted.notify_one();
    loop {
        tokio::select! {
            biased;
            event = events.recv() => match event {
                Ok(event) => send(write, &Reply::Progress(event)).await?,
                Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return Ok(()),
            },
            last = outcome_of(&mut state, ticket) => {
                let reply = match last {
                    Some(Ok(outcome)) => Reply::Outcome(outcome),
                    Some(Err(why)) => Reply::Error(why),
                    None => Reply::Error("the daemon ends".to_owned()),
                };
                return send(write, &reply).await;
            }
        }
    }
}

/// What the first pass came to that began with `ticket` or later.
async fn outcome_of(
    state: &mut watch::Receiver<State>,
    ticket: u64,
) -> Option<Result<Outcome, String>> {
    state.wait_for(|state| state.ended >= ticket).await.ok()?.last.clone()
}

async fn send(write: &mut OwnedWriteHalf, reply: &Reply) -> io::Result<()> {
    let mut line = serde_json::to_vec(reply)?;
    line.push(b'\n');
    tokio::time::timeout(PATIENCE, write.write_all(&line)).await?
}

/// Waits until a client closes its end: it wants to know no more.
async fn end(read: &mut OwnedReadHalf) {
    while read.read(&mut [0; 64]).await.is_ok_and(|read| read > 0) {}
}

#[cfg(test)]
mod tests;
