//! `railhead discover`: what is there.

use super::{Context, Exit, Outcome, complain};
use crate::observe::observe;
use crate::other;
use crate::pause;
use crate::view::discover::Discovery;

/// Show the NICs that can make VFs, and their VFs
///
/// Looks and touches nothing: no write, no other program.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  railhead discover
  railhead discover -o json | jq '.pfs[] | {name, numVfs, totalVfs}'")]
pub struct Args {}

/// Shows what is there.
pub fn run(_args: &Args, context: &mut Context) -> Outcome {
    let snapshot = observe(&context.host)?;
    let mut discovery = Discovery::of(&snapshot);
    if snapshot.pfs.is_empty() && snapshot.unreadable.is_empty() {
        discovery = discovery.beside(other::nics(&context.host, &snapshot));
    }
    context.out.show(&discovery)?;
    if let Some(pause) = pause::load(context.host.root(), context.host.wall())? {
        complain(&pause);
    }
    for unreadable in snapshot.unreadable() {
        complain(&unreadable);
    }
    Ok(if snapshot.unreadable.is_empty() { Exit::Done } else { Exit::Failed })
}
