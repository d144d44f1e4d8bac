//! `railhead confirm`: keeps what is on trial.

use super::apply::refuse_captured;
use super::{Context, Exit, Outcome};
use crate::trial::{self, Confirmed};

/// Keep what `apply --confirm` has put on trial
///
/// For another session than the one that applied: that you can open one shows that the machine can
/// be reached still. Exit status 1 when it is too late, or nothing is on trial.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  railhead confirm")]
pub struct Args {}

/// Confirms.
pub fn run(_args: &Args, context: &mut Context) -> Outcome {
    refuse_captured(&context.host)?;
    match trial::confirm(&context.host)? {
        Confirmed::Kept => {
            context.out.line("confirmed: the objects on trial stay in force")?;
            Ok(Exit::Done)
        }
        Confirmed::TooLate => {
            Err("too late: the objects on trial are being undone, or were".into())
        }
        Confirmed::Nothing => Err("nothing is on trial".into()),
    }
}
