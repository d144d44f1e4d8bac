//! `railhead status`: whether the host is as the objects want it.

use std::collections::BTreeMap;

use conf::block::PoolRef;

use super::{Context, Exit, Outcome, complain, complain_of_sources, ipam};
use crate::chain::Chain;
use crate::claims::{self, Directory, Standing};
use crate::fenced;
use crate::host::Host;
use crate::leftovers;
use crate::pause;
use crate::service::client::Client;
use crate::situation::{Situation, Written};
use crate::source::Objects;
use crate::view::ipam::Addresses;
use crate::view::status::{Pools, Status};

/// Show whether the host is as the objects want it
///
/// Looks for itself, and asks the daemon how it is. Touches nothing. Exits with 1 when something
/// is not in force.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  railhead status
  railhead status -o json | jq '.pfs[] | select(.state != \"inForce\")'")]
pub struct Args {}

/// Shows how the node is.
pub fn run(_args: &Args, context: &mut Context) -> Outcome {
    let written = Written::read_or_last_good(&context.host, None)?;
    let situation = Situation::look(&context.host, &written)?;
    let plan = situation.plan();
    let told = context.host.told();
    let asked = Client::daemon_of(&context.host);
    let daemon = asked.as_ref().ok().cloned().flatten();
    let daemon = daemon.or_else(|| told.and_then(|told| told.daemon.clone()));
    let pools = pools(&context.host, &situation)?;
    let pause = pause::load(context.host.root(), context.host.wall())?;
    let left = leftovers::all(&context.host)?;
    let silence = asked.as_ref().err().map(|silent| Chain(silent).to_string());
    let status = Status::of(&situation, &plan, &pools.as_ref(), daemon.as_ref(), pause, left)
        .with_fenced(fenced::all(&context.host)?)
        .beside_silence(silence);
    context.out.show(&status)?;
    if let Some(silence) = &status.daemon_silence {
        complain(&format_args!("what the daemon has to say is left out: {silence}"));
    }
    complain_of_sources(&situation);
    if let Some(loss) = &pools.addresses.loss {
        complain(loss);
    }
    let is_readable = situation.loaded.broken.is_none() && situation.objects.problems.is_empty();
    Ok(if is_readable && asked.is_ok() && status.is_in_force() { Exit::Done } else { Exit::Failed })
}

/// How this node stands with each pool, and what it holds of it.
pub(super) struct Looked<'a> {
    standings: BTreeMap<PoolRef, Standing>,
    addresses: Addresses,
    objects: &'a Objects,
}

impl Looked<'_> {
    /// What the state of pools is made of.
    pub(super) fn as_ref(&self) -> Pools<'_> {
        let Self { standings, addresses, objects } = self;
        Pools { standings, addresses, objects }
    }
}

/// Looks at blocks and leases, and how the node would stand with each pool after a pass.
pub(super) fn pools<'a>(
    host: &Host,
    situation: &'a Situation,
) -> Result<Looked<'a>, Box<dyn std::error::Error>> {
    let node = &situation.loaded.node;
    let now = host.now()?;
    let claims =
        Directory::looking(host.root(), &node.name, &situation.loaded.settings, now.clone())
            .told(host.told().map(|told| &told.leases));
    Ok(Looked {
        standings: claims::settle(&claims, &situation.objects, node)?,
        addresses: Addresses::of(ipam::read(host)?, now.time),
        objects: &situation.objects,
    })
}
