//! `railhead metrics`: what the daemon's metrics are, once.

use super::{Context, Exit, Outcome};
use crate::service::scrape::scrape;

/// Print the daemon's metrics once, as a collector gets them
///
/// In Prometheus' text format. Asks the daemon; see docs/metrics.md for what they mean.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  railhead metrics | grep railhead_vfs
  railhead metrics >/var/lib/node_exporter/textfile/railhead.prom")]
pub struct Args {}

/// Prints them.
pub fn run(_args: &Args, context: &mut Context) -> Outcome {
    let text = scrape(&context.host)?;
    context.out.lines(&text)?;
    Ok(Exit::Done)
}
