//! `railhead ipam`: this node's addresses.

use ::ipam::{BootTime, Store, StoreError, blocks, cooldown};

use super::{Context, Exit, Outcome};
use crate::chain::Chain;
use crate::host::Host;
use crate::view::ipam::{Addresses, Damaged, Facts};

/// Show this node's address blocks and who holds which address
///
/// Reads files only: it works without the daemon.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  railhead ipam
  railhead ipam -o json | jq '.pools[] | {pool, used, free}'")]
pub struct Args {}

/// Shows blocks and leases.
pub fn run(_args: &Args, context: &mut Context) -> Outcome {
    let addresses = Addresses::of(read(&context.host)?, BootTime::now()?);
    context.out.show(&addresses)?;
    Ok(if addresses.damaged.is_empty() { Exit::Done } else { Exit::Failed })
}

fn read(host: &Host) -> Result<Facts, Box<dyn std::error::Error>> {
    let root = host.root();
    let mut facts = Facts { cooldown: cooldown::load(root)?, ..Facts::default() };
    for (pool, block) in blocks::list(root)? {
        match block {
            Ok(block) => facts.blocks.push(block),
            Err(error) => {
                facts.damaged.push(Damaged { pool, why: Chain(&error).to_string() });
            }
        }
    }
    // A store that is not there is not made by looking.
    if root.store().exists() {
        (facts.leases, facts.cooling) =
            Store::open(root)?.read(|txn| Ok::<_, StoreError>((txn.leases()?, txn.cooling()?)))?;
    }
    Ok(facts)
}
