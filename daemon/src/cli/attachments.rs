//! `railhead attachments`: what is attached to whom.

use std::collections::BTreeMap;

use ::ipam::{BootTime, Lease, StoreError};
use cni::attachment::Record;
use cni::kernel;
use conf::{IfName, PciAddress};

use super::{Context, Exit, Outcome};
use crate::chain::Chain;
use crate::host::Host;
use crate::view::attachments::Attachments;

/// Show what is attached to which container
///
/// Reads the plugins' own records: it works without the daemon, and while plugins work.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  railhead attachments
  railhead attachments -o json | jq '.attachments[] | select(.pod == \"default/web-0\")'")]
pub struct Args {}

/// Shows what is attached.
pub fn run(_args: &Args, context: &mut Context) -> Outcome {
    let attachments = read(&context.host)?;
    context.out.show(&attachments)?;
    Ok(if attachments.damaged.is_empty() { Exit::Done } else { Exit::Failed })
}

fn read(host: &Host) -> Result<Attachments, Box<dyn std::error::Error>> {
    let now = BootTime::now()?;
    let mut records = Vec::new();
    let mut damaged = Vec::new();
    let mut leases: Vec<Lease> = Vec::new();
    if let Some(store) = host.store() {
        let read = store.read(|txn| {
            leases = txn.leases()?;
            txn.attachments::<Record>()
        })?;
        for (key, record) in read {
            match record {
                Ok(record) => records.push(record),
                Err(error) => damaged.push((key, told(&error))),
            }
        }
    }
    let names = names_of_pfs(host, &records)?;
    let mut attachments = Attachments::of(records, &leases, &names, now);
    for (key, why) in damaged {
        attachments.damaged(key, why);
    }
    Ok(attachments)
}

fn told(error: &StoreError) -> String {
    Chain(error).to_string()
}

/// The netdevs of the PFs that attachments are on.
fn names_of_pfs(
    host: &Host,
    records: &[Record],
) -> Result<BTreeMap<PciAddress, IfName>, kernel::Error> {
    let mut names = BTreeMap::new();
    for record in records {
        if names.contains_key(&record.pf) {
            continue;
        }
        let function = host.sysfs().function(record.pf)?;
        if let Some(name) = function.and_then(|function| function.net.into_iter().next()) {
            names.insert(record.pf, name);
        }
    }
    Ok(names)
}
