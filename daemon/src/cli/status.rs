//! `railhead status`: whether the host is as the objects want it.

use super::{Context, Exit, Outcome, complain, complain_of};
use crate::service::client::Client;
use crate::situation::{Situation, Written};
use crate::view::status::Status;

/// Show whether the host is as the objects want it
///
/// Looks for itself, and asks the daemon how it is. Touches nothing.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  railhead status
  railhead status -o json | jq '.pfs[] | select(.state != \"inForce\")'")]
pub struct Args {}

/// Shows how the node is.
pub fn run(_args: &Args, context: &mut Context) -> Outcome {
    let written = Written::read(&context.host)?;
    let situation = Situation::look(&context.host, &written)?;
    let plan = situation.plan();
    let daemon = match Client::connect(&context.host)? {
        Some(client) => Some(client.status()?),
        None => None,
    };
    let status = Status::of(&situation, &plan, daemon.as_ref());
    context.out.show(&status)?;
    complain_of(&situation.objects.notices, &situation.objects.problems);
    for damaged in &situation.damaged {
        complain(damaged);
    }
    let failed = status.has_failed() || !situation.objects.problems.is_empty();
    Ok(if failed { Exit::Failed } else { Exit::Done })
}
