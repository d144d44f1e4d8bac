//! `railhead plan`: what `apply` would do.

use std::path::PathBuf;

use super::{Context, Exit, Outcome, complain_of_sources, status};
use crate::judge;
use crate::plan::Blocked;
use crate::situation::{Situation, Written};
use crate::source::Files;
use crate::view::Planned;

/// Show what `apply` would do, step by step
///
/// Prints each step with whom it disturbs and the object that asks for it. Touches nothing.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  railhead plan
  railhead plan -f examples/standalone/
  railhead plan --exit-code || echo 'the host is not as wished'")]
pub struct Args {
    /// Plan for these objects instead of those in force: a file, a directory, or - for standard
    /// input
    #[arg(short, long, value_name = "PATH")]
    file: Option<PathBuf>,
    /// Exit with 3 when there is something to do
    #[arg(long)]
    exit_code: bool,
}

/// Shows the plan.
pub fn run(args: &Args, context: &mut Context) -> Outcome {
    let written = match &args.file {
        Some(path) => Written::with(&context.host, Files::named(path)?.objects())?,
        None => Written::read(&context.host)?,
    };
    let situation = Situation::look(&context.host, &written)?;
    let plan = situation.plan();
    let pools = status::pools(&context.host, &situation);
    let planned = Planned {
        plan: &plan,
        policies: judge::policies(&situation, &plan),
        pools: pools.as_ref().map(|pools| pools.as_ref().status()).unwrap_or_default(),
        all_usable: situation.objects.problems.is_empty() && pools.is_ok(),
    };
    context.out.show(&planned)?;
    complain_of_sources(&situation);
    pools?;
    Ok(exit(args, &planned))
}

fn exit(args: &Args, planned: &Planned<'_>) -> Exit {
    let mut blocked = planned.plan.lanes.iter().flat_map(|lane| &lane.blocked);
    if !planned.all_usable || planned.fails() || !blocked.all(Blocked::is_wait) {
        Exit::Failed
    } else if args.exit_code && planned.has_changes() {
        Exit::Changes
    } else {
        Exit::Done
    }
}
