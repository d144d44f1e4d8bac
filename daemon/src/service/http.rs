//! Metrics and health over HTTP, on a socket of root's and, where the settings say so, on a
//! loopback port.
//!
//! ```text
//! /run/railhead/metrics.sock --+                  +--> /metrics   Exposition
//! metrics.listen --------------+--> connection ---+--> /healthz   Pulse: does the loop turn?
//!                                   (one request) +--> /readyz    State: is all in force?
//! ```
//!
//! Whoever reaches it may be anybody: a connection has one request, a small head, and seconds;
//! there are only so many at once, and who says nothing makes way (`crowd`). Nothing that is served waits for a pass, or keeps one waiting.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{ACCEPT, ALLOW, CONTENT_TYPE, HeaderMap, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;

use super::crowd::Place;
use super::health::Pulse;
use super::published::Published;
use super::telling::readiness;
use crate::host::Host;
use crate::metrics::gather::Gather;
use crate::metrics::{Format, Held, Traffic};

mod listen;

pub(super) use listen::{listen, serve_loopback, serve_socket};

/// How long a client may take to say what it wants.
const HEAD: Duration = Duration::from_secs(2);

/// How long a whole connection may take.
const CONNECTION: Duration = Duration::from_secs(15);

/// How long an answer waits for what is read for it: Prometheus gives up after ten seconds.
const READING: Duration = Duration::from_secs(3);

/// How many connections there are at once on the socket.
const ON_SOCKET: usize = 64;

/// How many connections there are at once on the port: whoever is on this machine has as many as
/// it likes, and the more there may be, the more it takes to crowd somebody out who is just about to
/// ask.
const ON_PORT: usize = 128;

/// The largest head of a request, in octets.
const HEAD_SIZE: usize = 8 << 10;

/// What answers are made of.
#[derive(Debug)]
pub(super) struct Site {
    host: Arc<Host>,
    published: Arc<Published>,
    pulse: Pulse,
    held: Gather<Held>,
    traffic: Gather<Traffic>,
}

impl Site {
    pub(super) fn new(host: Arc<Host>, published: Arc<Published>, pulse: Pulse) -> Self {
        Self {
            host,
            published,
            pulse,
            held: Gather::new("metrics-holding", READING),
            traffic: Gather::new("metrics-traffic", READING),
        }
    }

    /// Answers the one request of a connection.
    async fn connection(
        self: Arc<Self>,
        stream: impl AsyncRead + AsyncWrite + Unpin,
        place: &Place,
    ) {
        let service = service_fn(|request| {
            place.asked();
            let site = Arc::clone(&self);
            async move { Ok::<_, Infallible>(site.answer(&request).await) }
        });
        let connection = http1::Builder::new()
            .keep_alive(false)
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD)
            .max_buf_size(HEAD_SIZE)
            .serve_connection(TokioIo::new(stream), service);
        match timeout(CONNECTION, connection).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::debug!("a client of metrics went away: {error}"),
            Err(_) => tracing::debug!("a client of metrics took too long"),
        }
    }

    async fn answer(&self, request: &Request<Incoming>) -> Response<Full<Bytes>> {
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            let mut refused = plain(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD\n");
            refused.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
            return refused;
        }
        match request.uri().path() {
            "/metrics" => self.metrics(format(request.headers())).await,
            "/healthz" if self.pulse.beats().await => plain(StatusCode::OK, "ok\n"),
            "/healthz" => plain(StatusCode::SERVICE_UNAVAILABLE, "the loop does not answer\n"),
            "/readyz" => {
                let (ready, told) = readiness(&self.published.state.borrow());
                plain(if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }, told)
            }
            _ => plain(StatusCode::NOT_FOUND, "there are /metrics, /healthz and /readyz\n"),
        }
    }

    async fn metrics(&self, format: Format) -> Response<Full<Bytes>> {
        let metrics = &self.published.metrics;
        let (host, seen) = (Arc::clone(&self.host), metrics.seen());
        let held = self.held.ask(move || match Held::read(&host) {
            Ok(held) => Some(held),
            Err(error) => {
                tracing::warn!("what containers hold is not told: {error}");
                None
            }
        });
        let traffic = self.traffic.ask(move || Some(Traffic::read(&seen)));
        let (held, traffic) = tokio::join!(held, traffic);
        match metrics.expose(held, traffic).text(format) {
            Ok(text) => {
                let mut page = plain(StatusCode::OK, text);
                let kind = HeaderValue::from_static(format.content_type());
                page.headers_mut().insert(CONTENT_TYPE, kind);
                page
            }
            Err(error) => plain(StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")),
        }
    }
}

/// The format that a client asks for.
fn format(headers: &HeaderMap) -> Format {
    let accepted = headers.get_all(ACCEPT).into_iter().filter_map(|value| value.to_str().ok());
    let mut kinds = accepted.flat_map(|kinds| kinds.split(','));
    if kinds.any(|kind| kind.trim_start().starts_with("application/openmetrics-text")) {
        Format::OpenMetrics
    } else {
        Format::Prometheus
    }
}

fn plain(status: StatusCode, text: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(text.into()));
    *response.status_mut() = status;
    let kind = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}

#[cfg(test)]
mod tests;
