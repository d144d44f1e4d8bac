//! Whether the loop turns: what systemd's watchdog sees, for whoever asks.

use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

/// How long the loop may take to answer: it does nothing that waits.
const PATIENCE: Duration = Duration::from_secs(5);

/// Who asks at once; more wait their turn.
const ASKING: usize = 8;

/// A way to ask the loop whether it turns.
#[derive(Debug, Clone)]
pub(super) struct Pulse(mpsc::Sender<oneshot::Sender<()>>);

/// The loop's end of it.
pub(super) type Asked = mpsc::Receiver<oneshot::Sender<()>>;

/// A way to ask, and the loop's end of it.
pub(super) fn channel() -> (Pulse, Asked) {
    let (sender, asked) = mpsc::channel(ASKING);
    (Pulse(sender), asked)
}

impl Pulse {
    /// Whether the loop answers in time.
    pub(super) async fn beats(&self) -> bool {
        let asked = async {
            let (answer, answered) = oneshot::channel();
            self.0.send(answer).await.ok()?;
            answered.await.ok()
        };
        timeout(PATIENCE, asked).await.is_ok_and(|answer| answer.is_some())
    }
}

/// The loop's answer.
pub(super) fn answer(asked: oneshot::Sender<()>) {
    // Who asked may have gone.
    asked.send(()).ok();
}
