//! `railhead explain`: why something is as it is.

use conf::printable::Printable;

use super::{Context, Exit, Outcome, complain};
use crate::other;
use crate::situation::{Situation, Written};
use crate::view::explain::Explained;

/// Show why a PF, a VF or a policy is as it is
///
/// A PF tells of every policy what became of it there: in force, lost to which, invalid, not for
/// it and what it misses. A VF tells who governs it, who uses it and what waits for that. Looks
/// and touches nothing.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  railhead explain enp1s0
  railhead explain enp1s0#3
  railhead explain 0000:01:10.0
  railhead explain net -o json | jq '.policies[].pfs[] | {pf, reason}'")]
pub struct Args {
    /// A PF or VF by netdev, altname or PCI address, a VF as PF#INDEX, a policy, or a resource
    #[arg(value_name = "NAME")]
    name: String,
}

/// Explains.
pub fn run(args: &Args, context: &mut Context) -> Outcome {
    let written = Written::read_or_last_good(&context.host, None)?;
    let situation = Situation::look(&context.host, &written)?;
    if let Some(broken) = &situation.loaded.broken {
        complain(broken);
    }
    let explained = Explained::of(&situation, &situation.plan(), &args.name);
    if explained.is_empty() {
        for problem in &situation.objects.problems {
            complain(problem);
        }
        if let Some(other) = other::told(&context.host, &situation.snapshot, &args.name) {
            return Err(other.into());
        }
        let there = Explained::names(&situation);
        let there = if there.is_empty() { "nothing".to_owned() } else { there.join(", ") };
        return Err(format!(
            "no PF, VF, policy or resource is called {}; there is {}",
            Printable(&args.name),
            Printable(there)
        )
        .into());
    }
    context.out.show(&explained)?;
    for damaged in &situation.damaged {
        complain(damaged);
    }
    Ok(Exit::Done)
}
