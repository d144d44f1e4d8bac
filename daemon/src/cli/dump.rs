//! `railhead dump`: all that decisions here are made from, in one file.

use std::path::{Path, PathBuf};

use ipam::durable;

use super::{Context, Exit, Outcome, complain};
use crate::chain::Chain;
use crate::dump::Dump;
use crate::service::client::ClientError;

/// Write all that decisions here are made from into one file
///
/// For a report of a defect, or to look at this machine from another: `plan`, `explain`, `status`,
/// `discover` and `doctor` with --replay FILE say there what they say here. In it are the names,
/// MACs and PCI ids of network interfaces, railhead's objects, settings and records, and what
/// doctor found; no Secrets, and of objects of other kinds only their names. Changes nothing.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  sudo railhead dump node.json
  railhead plan --replay node.json
  ssh node sudo railhead dump > node.json")]
pub struct Args {
    /// Where to; standard output unless given
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
}

/// Dumps.
pub fn run(args: &Args, context: &mut Context) -> Outcome {
    let left_out = |error: ClientError| {
        complain(&format_args!("what the daemon has to say is left out: {}", Chain(&error)));
    };
    let bytes = Dump::take(&context.host, left_out)?.to_bytes()?;
    match args.file.as_deref().filter(|file| *file != Path::new("-")) {
        Some(file) => {
            durable::write_atomically(file, &bytes)?;
            complain(&format_args!(
                "{} says how this machine is: look through it before you pass it on",
                file.display()
            ));
        }
        None => context.out.raw(&bytes)?,
    }
    Ok(Exit::Done)
}
