//! `railhead daemon`: brings the host to what the objects want, and keeps it there.

use std::io::{self, IsTerminal};

use tracing_subscriber::EnvFilter;

use super::apply::refuse_captured;
use super::{Context, Exit, Outcome};
use crate::service;

/// Run the node daemon: bring the host to what the objects want, and keep it there
///
/// Watches the objects, the settings and the kernel; repairs what drifts as long as nobody is
/// disturbed. Meant for systemd (railhead.service); logs to standard error.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  systemctl enable --now railhead
  RUST_LOG=debug railhead daemon")]
pub struct Args {}

/// Runs until it is told to end.
pub fn run(_args: &Args, context: &mut Context) -> Outcome {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr);
    // The journal has its own clock; a terminal likes colours.
    if std::env::var_os("JOURNAL_STREAM").is_some() {
        log.without_time().with_target(false).with_ansi(false).init();
    } else {
        log.with_target(false).with_ansi(io::stderr().is_terminal()).init();
    }
    refuse_captured(&context.host)?;
    service::run(&context.host)?;
    Ok(Exit::Done)
}
