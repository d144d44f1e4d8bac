use std::collections::BTreeMap;

use super::*;
use crate::apply::Event;
use crate::host::Host;
use crate::service::client::Client;

struct Bed {
    _root: tempfile::TempDir,
    host: Host,
    published: Arc<Published>,
    wanted: Arc<Notify>,
}

/// A daemon without a loop: the test plays that part.
fn bed() -> Bed {
    let root = tempfile::tempdir().unwrap();
    let host = Host::at(root.path());
    ipam::durable::make_directory(&host.root().run()).unwrap();
    let (published, wanted) = (Arc::new(Published::new()), Arc::new(Notify::new()));
    let listener = listen(&host).unwrap();
    tokio::spawn(serve(listener, Arc::clone(&published), Arc::clone(&wanted)));
    Bed { _root: root, host, published, wanted }
}

fn outcome(problem: &str) -> Outcome {
    Outcome { problems: vec![problem.to_owned()], ..Outcome::default() }
}

impl Bed {
    fn begin(&self) {
        self.published.state.send_modify(|state| state.begun += 1);
    }

    fn end(&self, outcome: Outcome) {
        self.published.state.send_modify(|state| {
            state.ended += 1;
            state.last = Some(Ok(outcome));
        });
    }

    /// What a client does, on a thread of its own, since it waits.
    fn client<T: Send + 'static>(
        &self,
        work: impl FnOnce(Client) -> T + Send + 'static,
    ) -> tokio::task::JoinHandle<T> {
        let host = self.host.clone();
        tokio::task::spawn_blocking(move || work(Client::connect(&host).unwrap().unwrap()))
    }
}

#[tokio::test]
async fn status_is_told() {
    let bed = bed();
    bed.begin();
    let status = bed.client(Client::status).await.unwrap().unwrap();
    assert_eq!((status.pid, status.passes, status.last), (std::process::id(), 0, None));
}

#[tokio::test]
async fn an_apply_counts_from_the_next_pass_on() {
    let bed = bed();
    // This pass may have read the objects before the client wrote them.
    bed.begin();
    let client = bed.client(|client| {
        let mut events = Vec::new();
        let outcome = client.apply(|event| events.push(event)).unwrap();
        (outcome, events)
    });
    bed.wanted.notified().await;
    bed.end(outcome("old"));
    bed.begin();
    let event = Event::End { pf: "0000:01:00.0".parse().unwrap() };
    bed.published.events.send(event.clone()).unwrap();
    bed.end(outcome("new"));
    assert_eq!(client.await.unwrap(), (outcome("new"), vec![event]));
}

#[tokio::test]
async fn what_is_no_request_is_refused() {
    let bed = bed();
    for text in ["\n", "{}\n", "{\"verb\": \"reboot\"}\n", "\u{1b}[2J\n"] {
        let mut stream = UnixStream::connect(bed.host.root().socket()).await.unwrap();
        stream.write_all(text.as_bytes()).await.unwrap();
        let mut reply = String::new();
        stream.read_to_string(&mut reply).await.unwrap();
        assert!(matches!(serde_json::from_str(&reply).unwrap(), Reply::Error(_)), "{reply}");
    }
}

async fn connect(bed: &Bed, words: &str) -> UnixStream {
    let mut stream = UnixStream::connect(bed.host.root().socket()).await.unwrap();
    stream.write_all(words.as_bytes()).await.ok();
    stream
}

async fn all(mut stream: UnixStream) -> String {
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.ok();
    answer
}

const STATUS: &str = "{\"verb\": \"status\"}\n";
const APPLY: &str = "{\"verb\": \"apply\"}\n";

/// Hundreds that say nothing, or half of it: whoever asks is answered at once, and those who were
/// there first have made way.
#[tokio::test]
async fn silent_clients_make_way() {
    let bed = bed();
    for words in ["", "{\"verb\": \"sta", "{\"verb\": \"status\"}"] {
        let mut silent = Vec::new();
        for _ in 0..500 {
            silent.push(connect(&bed, words).await);
        }
        let begun = std::time::Instant::now();
        let answer = all(connect(&bed, STATUS).await).await;
        assert!(answer.contains("\"pid\""), "{words:?}: {answer}");
        assert!(begun.elapsed() < PATIENCE, "waits for nobody's time to end: {words:?}");
        assert_eq!(all(silent.remove(0)).await, "", "{words:?}");
    }
}

/// Everybody inside waits for a pass: nobody's `apply` is cut short for one more, which is answered
/// as soon as one of them goes.
#[tokio::test]
async fn whoever_has_asked_stays() {
    let bed = bed();
    let mut asked = Vec::new();
    for _ in 0..CLIENTS {
        asked.push(connect(&bed, APPLY).await);
        bed.wanted.notified().await;
    }
    let status = tokio::spawn(all(connect(&bed, STATUS).await));
    for _ in 0..1000 {
        tokio::task::yield_now().await;
    }
    assert!(!status.is_finished());
    drop(asked.remove(0));
    assert!(status.await.unwrap().contains("\"pid\""));
    bed.begin();
    bed.end(outcome("x"));
    for client in asked {
        let answer = all(client).await;
        assert!(answer.contains("\"outcome\""), "{answer}");
    }
}

/// One that asks and never reads, as a process that is stopped: it has its place no longer than it
/// may take to read a line.
#[tokio::test]
async fn whoever_does_not_read_is_sent_away() {
    let bed = bed();
    let client = connect(&bed, APPLY).await;
    bed.wanted.notified().await;
    let event = Event::Failed {
        pf: "0000:01:00.0".parse().unwrap(),
        step: String::new(),
        why: "x".repeat(1 << 20),
    };
    bed.published.events.send(event).unwrap();
    // No pass ends here: else it would be the end of its answer.
    while bed.published.events.receiver_count() > 0 {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert!(!all(client).await.contains('\n'), "not a whole line");
}

#[tokio::test]
async fn only_root_may_ask() {
    let bed = bed();
    let mode = std::fs::metadata(bed.host.root().socket()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn without_a_daemon_there_is_no_client() {
    let root = tempfile::tempdir().unwrap();
    assert!(Client::connect(&Host::at(root.path())).unwrap().is_none());
}

/// `railhead apply` of another version may be the one that reads it.
#[test]
fn golden() {
    let replies = [
        Reply::Progress(Event::End { pf: "0000:01:00.0".parse().unwrap() }),
        Reply::Outcome(Outcome { pfs: BTreeMap::new(), ..outcome("x") }),
        Reply::Error("no".to_owned()),
    ];
    insta::assert_json_snapshot!((Request::Apply, Request::Status, replies));
}
