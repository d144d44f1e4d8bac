//! What systemd is told.

use std::time::Duration;

use sd_notify::NotifyState;

/// The service is up: the first pass is done.
pub(super) fn ready() {
    send(&[NotifyState::Ready]);
}

/// One line for `systemctl status`.
pub(super) fn status(line: &str) {
    send(&[NotifyState::Status(line)]);
}

/// The loop still turns.
pub(super) fn alive() {
    send(&[NotifyState::Watchdog]);
}

/// The service is on its way down.
pub(super) fn stopping() {
    send(&[NotifyState::Stopping]);
}

/// How often systemd wants to hear that the loop turns: twice as often as it insists on.
pub(super) fn interval() -> Option<Duration> {
    sd_notify::watchdog_enabled().map(|limit| limit / 2)
}

fn send(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        tracing::warn!("tell systemd: {error}");
    }
}
