//! Where the site is reached.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::watch;
use tokio::time::sleep;

use super::{ON_PORT, ON_SOCKET, Site};
use crate::host::Host;
use crate::service::crowd::Crowd;
use crate::service::socket;

/// How often to try again when a port is taken, or no files are left.
const RETRY: Duration = Duration::from_secs(30);

/// Listens on the socket, for root only.
pub(in crate::service) fn listen(host: &Host) -> io::Result<UnixListener> {
    socket::bind(&host.root().metrics_socket())
}

/// Answers on the socket.
pub(in crate::service) async fn serve_socket(site: Arc<Site>, listener: UnixListener) {
    let crowd = Crowd::of_root(ON_SOCKET);
    loop {
        site.admit(&crowd, listener.accept()).await;
    }
}

/// Answers on the loopback port that is wished for, and on another one as soon as that is.
pub(in crate::service) async fn serve_loopback(
    site: Arc<Site>,
    mut wished: watch::Receiver<Option<SocketAddr>>,
) {
    loop {
        let address = *wished.borrow_and_update();
        let changed = tokio::select! {
            changed = wished.changed() => changed,
            () = serve(&site, address) => continue,
        };
        if changed.is_err() {
            return;
        }
    }
}

/// Answers on a port; comes back, after a while, when it cannot be had. Without one it never does.
async fn serve(site: &Arc<Site>, address: Option<SocketAddr>) {
    let Some(address) = address else { return std::future::pending().await };
    let listener = match TcpListener::bind(address).await {
        Ok(listener) => listener,
        Err(error) => {
            tracing::warn!("metrics are not served on {address}: {error}; see metrics.listen");
            return sleep(RETRY).await;
        }
    };
    tracing::info!("metrics are served on {address}");
    let crowd = Crowd::of_anybody(ON_PORT);
    loop {
        site.admit(&crowd, listener.accept()).await;
    }
}

impl Site {
    /// Lets the next connection in.
    async fn admit<S, A>(
        self: &Arc<Self>,
        crowd: &Arc<Crowd>,
        accept: impl Future<Output = io::Result<(S, A)>>,
    ) where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        match accept.await {
            Ok((stream, _)) => {
                let site = Arc::clone(self);
                crowd.let_in(|place| async move { site.connection(stream, &place).await }).await;
            }
            // It went away while it waited.
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
            Err(error) => {
                tracing::warn!("accept a client of metrics: {error}");
                sleep(RETRY).await;
            }
        }
    }
}
