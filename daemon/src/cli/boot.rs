//! `railhead boot`: brings back at boot what was in force.

use std::time::Duration;

use super::apply::progress::Show;
use super::apply::refuse_captured;
use super::{Context, Exit, Outcome, complain, show_pass};
use crate::boot::{Limits, boot};
use crate::pause;
use crate::report::Timestamp;
use crate::service::lock::HostLock;

/// Bring back at boot what was in force, before anything needs it
///
/// Waits for the PFs that were shaped before, reads objects and last good ones from disk, and does
/// what `railhead apply` would: no network, no API server. Meant for systemd
/// (railhead-boot.service), before the network, the container runtime and kubelet. It ends in a
/// bounded time, whatever a driver does; what is not done by then is left to the daemon.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  systemctl enable railhead-boot
  railhead boot --wait 60")]
pub struct Args {
    /// How many seconds to wait for PFs; the work after that takes 130 at most, and
    /// TimeoutStartSec= of the unit must be more than both
    #[arg(
        long,
        value_name = "SECONDS",
        default_value_t = Limits::DEVICES.as_secs(),
        value_parser = clap::value_parser!(u64).range(0..=600)
    )]
    wait: u64,
}

/// Restores.
pub fn run(args: &Args, context: &mut Context) -> Outcome {
    refuse_captured(&context.host)?;
    // A reboot may be part of the work that the pause is for.
    if let Some(pause) = pause::load(context.host.root(), Timestamp::now())? {
        complain(&pause);
        return Ok(Exit::Done);
    }
    let lock = HostLock::take(&context.host, "railhead boot")?;
    let mut show = Show::on_stderr();
    let limits = Limits::waiting(Duration::from_secs(args.wait));
    let outcome = boot(&context.host, limits, |event| show.event(event))?;
    drop(lock);
    show_pass(&outcome, context)
}
