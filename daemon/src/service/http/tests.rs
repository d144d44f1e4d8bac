use std::net::SocketAddr;
use std::time::Instant;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::sync::watch;

use super::*;
use crate::reconcile::Outcome;
use crate::service::health::{self, Asked};
use crate::service::scrape::scrape;

struct Bed {
    root: tempfile::TempDir,
    published: Arc<Published>,
    site: Arc<Site>,
    asked: Option<Asked>,
}

/// A site on the socket of an empty host, without a loop: the test plays that part.
fn bed() -> Bed {
    let root = tempfile::tempdir().unwrap();
    let host = Arc::new(Host::at(root.path()));
    ipam::durable::make_directory(&host.root().run()).unwrap();
    let published = Arc::new(Published::new());
    let (pulse, asked) = health::channel();
    let site = Arc::new(Site::new(Arc::clone(&host), Arc::clone(&published), pulse));
    let listener = listen(&host).unwrap();
    tokio::spawn(serve_socket(Arc::clone(&site), listener));
    Bed { root, published, site, asked: Some(asked) }
}

impl Bed {
    async fn connect(&self) -> UnixStream {
        UnixStream::connect(self.root.path().join("run/railhead/metrics.sock")).await.unwrap()
    }

    /// Sends `request` as it stands, and gives all that comes back.
    async fn raw(&self, request: &[u8]) -> String {
        let mut stream = self.connect().await;
        // One that is refused at its head may not be read to its end.
        stream.write_all(request).await.ok();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.ok();
        String::from_utf8(answer).unwrap()
    }

    async fn get(&self, path: &str) -> String {
        self.raw(format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n").as_bytes()).await
    }

    /// Has it serve a port as well.
    async fn port(&self) -> SocketAddr {
        let address = free_port().await;
        let (wish, wished) = watch::channel(Some(address));
        let site = Arc::clone(&self.site);
        tokio::spawn(async move {
            serve_loopback(site, wished).await;
            drop(wish);
        });
        assert!(connects(address).await);
        address
    }

    /// Plays the loop that turns.
    fn turn(&mut self) {
        let mut asked = self.asked.take().unwrap();
        tokio::spawn(async move {
            while let Some(asked) = asked.recv().await {
                health::answer(asked);
            }
        });
    }

    fn pass(&self, outcome: Result<Outcome, String>) {
        self.published.state.send_modify(|state| {
            state.begun += 1;
            state.ended += 1;
            state.last = Some(outcome);
        });
    }
}

const READY: &str = "GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n";

/// A client that has said this.
async fn said<S: AsyncWriteExt + Unpin>(mut stream: S, words: &str) -> S {
    stream.write_all(words.as_bytes()).await.ok();
    stream
}

/// All that a client hears.
async fn all<S: AsyncReadExt + Unpin>(mut stream: S) -> String {
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.ok();
    answer
}

fn status(answer: &str) -> &str {
    answer.lines().next().unwrap_or_default().strip_prefix("HTTP/1.1 ").unwrap_or_default()
}

#[tokio::test]
async fn metrics_are_told_in_the_format_that_is_asked_for() {
    let bed = bed();
    let answer = bed.get("/metrics").await;
    assert_eq!(status(&answer), "200 OK");
    assert!(answer.contains("content-type: text/plain; version=0.0.4"), "{answer}");
    assert!(answer.contains("# TYPE railhead_passes_total counter\n"), "{answer}");
    assert!(answer.contains("railhead_collected{part=\"traffic\"} 1\n"), "{answer}");
    assert!(!answer.contains("# EOF"), "{answer}");
    let accept = "text/html;q=0.1, application/openmetrics-text;version=1.0.0;q=0.5";
    let request = format!("GET /metrics?x=y HTTP/1.1\r\nHost: x\r\nAccept: {accept}\r\n\r\n");
    let answer = bed.raw(request.as_bytes()).await;
    assert!(
        answer.contains("content-type: application/openmetrics-text; version=1.0.0"),
        "{answer}"
    );
    assert!(answer.ends_with("# EOF\n"), "{answer}");
}

/// What `railhead metrics` prints is what a collector gets.
#[tokio::test]
async fn the_command_line_is_told_the_same() {
    let bed = bed();
    let host = Host::at(bed.root.path());
    let ask = |host: Host| tokio::task::spawn_blocking(move || scrape(&host));
    let page = ask(host.clone()).await.unwrap().unwrap();
    assert!(page.starts_with("# HELP railhead_build_info "), "{page}");
    let answer = bed.get("/metrics").await;
    assert_eq!(page, answer.split_once("\r\n\r\n").unwrap().1);
    std::fs::remove_file(bed.root.path().join("run/railhead/metrics.sock")).unwrap();
    let told = ask(host).await.unwrap().unwrap_err().to_string();
    assert!(told.contains("is the daemon running?"), "{told}");
}

#[tokio::test]
async fn health_is_what_the_loop_says() {
    let mut bed = bed();
    bed.turn();
    let answer = bed.get("/healthz").await;
    assert_eq!(status(&answer), "200 OK", "{answer}");
    assert!(answer.ends_with("\r\n\r\nok\n"), "{answer}");
}

#[tokio::test]
async fn a_loop_that_ended_is_not_healthy() {
    let mut bed = bed();
    drop(bed.asked.take());
    let answer = bed.get("/healthz").await;
    assert_eq!(status(&answer), "503 Service Unavailable");
}

/// Nobody is at the loop's end: it is the deadline that answers.
#[tokio::test]
async fn a_loop_that_hangs_is_not_healthy() {
    let bed = bed();
    let answer = bed.get("/healthz").await;
    assert!(answer.ends_with("the loop does not answer\n"), "{answer}");
}

#[tokio::test]
async fn ready_is_what_is_in_force() {
    let bed = bed();
    let answer = bed.get("/readyz").await;
    assert_eq!(status(&answer), "503 Service Unavailable");
    assert!(answer.ends_with("the first pass is not at its end yet\n"), "{answer}");

    bed.pass(Err("look at the host: \u{1b}[2J".to_owned()));
    let answer = bed.get("/readyz").await;
    assert_eq!(status(&answer), "503 Service Unavailable");
    assert!(answer.ends_with("\r\n\r\nlook at the host: \\u{1b}[2J\n"), "{answer}");

    let problems = vec!["net.yaml:1:7: no YAML".to_owned()];
    bed.pass(Ok(Outcome { problems, ..Outcome::default() }));
    let answer = bed.get("/readyz").await;
    assert_eq!(status(&answer), "503 Service Unavailable");
    assert!(answer.ends_with("see railhead status\nnet.yaml:1:7: no YAML\n"), "{answer}");

    bed.pass(Ok(Outcome::default()));
    let answer = bed.get("/readyz").await;
    assert_eq!(status(&answer), "200 OK");
    assert!(answer.ends_with("everything is as the objects want it\n"), "{answer}");

    let pause = Some("paused by ops".to_owned());
    bed.pass(Ok(Outcome { pause, ..Outcome::default() }));
    let answer = bed.get("/readyz").await;
    assert_eq!(status(&answer), "200 OK");
    assert!(answer.ends_with("paused by ops; nothing is repaired\n"), "{answer}");
}

#[tokio::test]
async fn there_is_nothing_else() {
    let bed = bed();
    for path in [
        "/",
        "/metrics/",
        "//metrics",
        "/./metrics",
        "/x/../metrics",
        "/metrics%00",
        "/%6detrics",
        "/METRICS",
        "/../../etc/passwd",
        "http://x/etc/passwd",
    ] {
        assert_eq!(status(&bed.get(path).await), "404 Not Found", "{path}");
    }
    for method in ["POST", "PUT", "DELETE", "CONNECT", "BREW"] {
        let request =
            format!("{method} /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc");
        let answer = bed.raw(request.as_bytes()).await;
        let refused = ["405 Method Not Allowed", "400 Bad Request"];
        assert!(refused.contains(&status(&answer)), "{method}: {answer}");
    }
    let answer = bed.raw(b"HEAD /metrics HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert!(answer.ends_with("\r\n\r\n"), "no body: {answer}");
}

/// A connection has one request: what comes behind it is not looked at.
#[tokio::test]
async fn one_request_and_no_more() {
    let bed = bed();
    let twice = "GET /readyz HTTP/1.1\r\nHost: x\r\nConnection: keep-alive\r\n\r\n".repeat(2);
    let answer = bed.raw(twice.as_bytes()).await;
    assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{answer}");
}

#[tokio::test]
async fn what_is_no_request_is_refused() {
    let bed = bed();
    let long_path = format!("GET /{} HTTP/1.1\r\nHost: x\r\n\r\n", "a".repeat(64 << 10));
    let long_header = format!("GET /metrics HTTP/1.1\r\nA: {}\r\n\r\n", "a".repeat(64 << 10));
    let headers = (0..1000).map(|n| format!("h{n}: x\r\n")).collect::<String>();
    let many_headers = format!("GET /metrics HTTP/1.1\r\n{headers}\r\n");
    for request in [
        "\u{0}\u{0}\r\n\r\n",
        "GET\r\n\r\n",
        "GET /metrics\r\n\r\n",
        "GET /metrics HTTP/9.9\r\n\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "GET /metrics HTTP/1.1\r\nHost : x\r\n\r\n",
        &long_path,
        &long_header,
        &many_headers,
    ] {
        let answer = bed.raw(request.as_bytes()).await;
        let status = status(&answer);
        assert!(
            status.is_empty() || status.starts_with('4') || status.starts_with("505"),
            "{answer}"
        );
    }
    assert_eq!(status(&bed.get("/metrics").await), "200 OK", "others are served");
}

/// Clients that say nothing, or say it slowly, on the socket and on the port: whoever asks is
/// answered at once beside them, and those that were there first have made way.
#[tokio::test]
async fn silent_clients_make_way() {
    let bed = bed();
    let port = bed.port().await;
    for words in ["", "G", "GET /metrics HTTP/1.1\r\nHost", "GET /metrics HTTP/1.1\r\nHost: x\r\n"]
    {
        let mut on_socket = Vec::new();
        let mut on_port = Vec::new();
        for _ in 0..500 {
            on_socket.push(said(bed.connect().await, words).await);
            on_port.push(said(TcpStream::connect(port).await.unwrap(), words).await);
        }
        let begun = std::time::Instant::now();
        assert_eq!(status(&bed.get("/readyz").await), "503 Service Unavailable", "{words:?}");
        let asks = said(TcpStream::connect(port).await.unwrap(), READY).await;
        assert_eq!(status(&all(asks).await), "503 Service Unavailable", "{words:?}");
        assert!(begun.elapsed() < 2 * HEAD, "waits for nobody's time to end: {words:?}");
        assert_eq!(all(on_socket.remove(0)).await, "", "{words:?}");
        assert_eq!(all(on_port.remove(0)).await, "", "{words:?}");
    }
}

/// Everybody inside has asked, and the answers wait: on the port, which is anybody's, the oldest
/// makes way; on the socket, which is root's, all are answered.
#[tokio::test]
async fn beside_those_who_asked() {
    let mut bed = bed();
    let port = bed.port().await;
    // Nobody is at the loop's end: this answer takes its time.
    let health = "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n";
    let mut on_socket = Vec::new();
    let mut on_port = Vec::new();
    for _ in 0..ON_SOCKET {
        on_socket.push(said(bed.connect().await, health).await);
    }
    for _ in 0..ON_PORT {
        on_port.push(said(TcpStream::connect(port).await.unwrap(), health).await);
    }
    let asks = said(TcpStream::connect(port).await.unwrap(), READY).await;
    assert_eq!(status(&all(asks).await), "503 Service Unavailable");
    assert_eq!(all(on_port.remove(0)).await, "", "the oldest made way");
    let youngest = on_port.last().unwrap().try_read(&mut [0]);
    assert_eq!(youngest.unwrap_err().kind(), std::io::ErrorKind::WouldBlock, "is let be");
    bed.turn();
    assert_eq!(status(&bed.get("/readyz").await), "503 Service Unavailable");
    for asked in on_socket {
        assert_eq!(status(&all(asked).await), "200 OK", "root's are answered");
    }
}

#[tokio::test]
async fn the_socket_is_roots() {
    use std::os::unix::fs::PermissionsExt;
    let bed = bed();
    let path = bed.root.path().join("run/railhead/metrics.sock");
    assert_eq!(std::fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o600);
}

/// A port that nobody else has at the moment.
async fn free_port() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap()
}

async fn connects(address: SocketAddr) -> bool {
    let deadline = Instant::now() + Duration::from_secs(60);
    while Instant::now() < deadline {
        if TcpStream::connect(address).await.is_ok() {
            return true;
        }
        tokio::task::yield_now().await;
    }
    false
}

/// The port follows the settings: none, one, another, none.
#[tokio::test]
async fn the_port_is_the_one_that_is_wished_for() {
    let bed = bed();
    let (first, second) = (free_port().await, free_port().await);
    let (wish, wished) = watch::channel(None);
    let served = tokio::spawn(serve_loopback(Arc::clone(&bed.site), wished));
    wish.send(Some(first)).unwrap();
    assert!(connects(first).await);
    wish.send(Some(second)).unwrap();
    assert!(connects(second).await);
    assert!(TcpStream::connect(first).await.is_err());
    wish.send(None).unwrap();
    drop(wish);
    served.await.unwrap();
    assert!(TcpStream::connect(second).await.is_err());
}
