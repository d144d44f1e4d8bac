//! `railhead plan`: what `apply` would do.

use std::path::PathBuf;

use super::{Context, Exit, Outcome, complain_of_sources};
use crate::plan::{Blocked, Plan};
use crate::situation::{Situation, Written};
use crate::source::{Files, Objects};
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
    let all_usable = situation.objects.problems.is_empty();
    context.out.show(&Planned { plan: &plan, all_usable })?;
    complain_of_sources(&situation);
    Ok(exit(args, &situation.objects, &plan))
}

fn exit(args: &Args, objects: &Objects, plan: &Plan) -> Exit {
    let mut blocked = plan.lanes.iter().flat_map(|lane| &lane.blocked);
    if !objects.problems.is_empty() || !blocked.all(Blocked::is_wait) {
        Exit::Failed
    } else if args.exit_code && !plan.is_empty() {
        Exit::Changes
    } else {
        Exit::Done
    }
}
