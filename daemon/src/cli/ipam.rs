//! `railhead ipam`: this node's addresses.

use ::ipam::durable::FileError;
use ::ipam::{BootTime, Store, StoreError, blocks, cooldown};
use cni::attachment::Record;
use cni::kernel::netns::Netns;
use cni::leases;
use conf::block::NodeBlock;

use super::{Context, Exit, Outcome, complain};
use crate::chain::Chain;
use crate::host::Host;
use crate::recorded::Leases;
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

/// Reads what is to agree, the store in one instant. An attachment that begins or ends meanwhile
/// may look wrong in the namespaces; asked again, it does not.
fn compared(host: &Host) -> Result<verify::Facts, Box<dyn std::error::Error>> {
    let (blocks, damaged) = read_blocks(host)?;
    let unreadable = damaged.into_iter().map(|damaged| damaged.why).collect();
    let mut facts = verify::Facts { blocks, unreadable, ..verify::Facts::default() };
    if let Some(store) = host.store() {
        let records;
        (facts.leases, facts.owners, records, facts.loss) = store.read(|txn| {
            let records = txn.attachments::<Record>()?;
            Ok::<_, StoreError>((txn.leases()?, txn.vf_owners()?, records, txn.loss()?))
        })?;
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
    let (blocks, damaged) = read_blocks(host)?;
    let cooldown = cooldown::load(host.root())?;
    let mut facts = Facts { blocks, damaged, cooldown, ..Facts::default() };
    if let Some(told) = host.told() {
        let Leases { leases, cooling, loss } = told.leases.clone();
        (facts.leases, facts.cooling, facts.loss) = (leases, cooling, loss);
    } else if let Some(store) = host.store() {
        (facts.leases, facts.cooling, facts.loss) =
            store.read(|txn| Ok::<_, StoreError>((txn.leases()?, txn.cooling()?, txn.loss()?)))?;
    }
    Ok(facts)
}

/// This node's blocks, and those that cannot be read.
fn read_blocks(host: &Host) -> Result<(Vec<NodeBlock>, Vec<Damaged>), FileError> {
    let (mut blocks, mut damaged) = (Vec::new(), Vec::new());
    for (pool, block) in blocks::list(host.root())? {
        match block {
            Ok(block) => blocks.push(block),
            Err(error) => damaged.push(Damaged { pool, why: Chain(&error).to_string() }),
        }
    }
    Ok((blocks, damaged))
}
