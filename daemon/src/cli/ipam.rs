//! `railhead ipam`: this node's addresses.

use ::ipam::{BootTime, Store, StoreError, blocks, cooldown};

use cni::attachment::Record;
use cni::kernel::netns::Netns;
use cni::leases;

use super::{Context, Exit, Outcome, complain};
use crate::chain::Chain;
use crate::host::Host;
use crate::verify::{self, verify};
use crate::view::findings::Findings;
use crate::view::ipam::{Addresses, Damaged, Facts};

/// Show this node's address blocks and who holds which address
///
/// Reads files only: it works without the daemon.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  railhead ipam
  railhead ipam -o json | jq '.pools[] | {pool, used, free}'
  railhead ipam verify")]
pub struct Args {
    #[command(subcommand)]
    verb: Option<Verb>,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Compare the record of leases with what live network namespaces have
    ///
    /// Exit status 1 when something does not agree. Changes nothing.
    Verify,
    /// Give out addresses again after the record of leases was lost
    ///
    /// Only right when no container that was attached before the loss is left: a new container
    /// could get the address of a running one.
    AcceptLoss,
}

/// Shows blocks and leases, or accepts the loss of leases.
pub fn run(args: &Args, context: &mut Context) -> Outcome {
    match &args.verb {
        None => {
            let addresses = Addresses::of(read(&context.host)?, BootTime::now()?);
            context.out.show(&addresses)?;
            if let Some(loss) = &addresses.loss {
                complain(loss);
            }
            Ok(if addresses.damaged.is_empty() { Exit::Done } else { Exit::Failed })
        }
        Some(Verb::Verify) => {
            let findings = Findings { findings: verify(&compared(&context.host)?) };
            context.out.show(&findings)?;
            Ok(if findings.findings.is_empty() { Exit::Done } else { Exit::Failed })
        }
        Some(Verb::AcceptLoss) => {
            let loss = Store::open(context.host.root())?.write(|txn| txn.accept_loss())?;
            context.out.line(match loss {
                Some(_) => "accepted: addresses are given out again",
                None => "nothing was lost",
            })?;
            Ok(Exit::Done)
        }
    }
}

/// Reads what is to agree. An attachment that begins or ends meanwhile may look wrong; asked again,
/// it does not.
fn compared(host: &Host) -> Result<verify::Facts, Box<dyn std::error::Error>> {
    let Facts { blocks, leases, .. } = read(host)?;
    let mut facts = verify::Facts { blocks, leases, ..verify::Facts::default() };
    if let Some(store) = host.store()? {
        let (records, owners) = store
            .read(|txn| Ok::<_, StoreError>((txn.attachments::<Record>()?, txn.vf_owners()?)))?;
        facts.owners = owners;
        for (key, record) in records {
            match record {
                Ok(record) => drop(facts.records.insert(key, record)),
                Err(error) => facts.unreadable.push(Chain(&error).to_string()),
            }
        }
    }
    if host.is_live() {
        let living = Netns::living()?;
        facts.seen = leases::addresses(&living)?;
        facts.living = living.iter().map(|living| living.cookie).collect();
    }
    Ok(facts)
}

/// Reads what there is of this node's addresses.
pub(super) fn read(host: &Host) -> Result<Facts, Box<dyn std::error::Error>> {
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
    if let Some(store) = host.store()? {
        (facts.leases, facts.cooling, facts.loss) =
            store.read(|txn| Ok::<_, StoreError>((txn.leases()?, txn.cooling()?, txn.loss()?)))?;
    }
    Ok(facts)
}
