//! `railhead attachments`: what is attached to whom.

use std::collections::BTreeMap;

use ::ipam::{AttachmentKey, BootTime, Lease, StoreError};
use cni::attachment::Record;
use cni::{kernel, sriov};
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
  railhead attachments -o json | jq '.attachments[] | select(.pod == \"default/web-0\")'
  railhead attachments drop 4f1e9d2c7b6a net1")]
pub struct Args {
    #[command(subcommand)]
    verb: Option<Verb>,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Drop the record of an attachment that nothing else ends
    ///
    /// For what `status` names as left: the VF is free, but the IPAM plugin that gave the addresses
    /// cannot be told. It is not told by this either: give the addresses back by its own means. The
    /// record of an attachment whose VF is in a container, or still has to be put right, stays.
    #[command(after_help = "\
Examples:
  sudo railhead attachments drop 4f1e9d2c7b6a net1
  sudo railhead attachments drop --force 4f1e9d2c7b6a net1")]
    Drop {
        /// The container's id, or as much of its beginning as no other one has
        container: String,
        /// The interface's name in it
        interface: IfName,
        /// Also of one whose VF is not home, or that nobody can read: its VF stays as it is
        #[arg(long)]
        force: bool,
    },
}

/// Shows what is attached, or drops the record of it.
pub fn run(args: &Args, context: &mut Context) -> Outcome {
    if let Some(Verb::Drop { container, interface, force }) = &args.verb {
        let key = named(&context.host, container, interface)?;
        sriov::forget(&sriov::Host::open(context.host.root().clone())?, &key, *force)?;
        context.out.line(&format!("dropped: nothing is recorded of {key} any more"))?;
        return Ok(Exit::Done);
    }
    let attachments = read(&context.host)?;
    context.out.show(&attachments)?;
    Ok(if attachments.damaged.is_empty() { Exit::Done } else { Exit::Failed })
}

/// The attachment of `interface` whose container's id begins so.
fn named(
    host: &Host,
    container: &str,
    interface: &IfName,
) -> Result<AttachmentKey, Box<dyn std::error::Error>> {
    let records = match host.store() {
        Some(store) => store.read(|txn| txn.attachments::<Record>())?,
        None => Vec::new(),
    };
    let ours = records.into_iter().map(|(key, _)| key).filter(|key| key.ifname == *interface);
    let found: Vec<AttachmentKey> =
        ours.filter(|key| key.container.as_str().starts_with(container)).collect();
    // An id may be the beginning of another one.
    let exact = found.iter().find(|key| key.container.as_str() == container);
    match (exact, found.as_slice()) {
        (Some(key), _) | (None, [key]) => Ok(key.clone()),
        (None, []) => Err(format!(
            "drop the record of interface {interface} of container {container}: there is none; see \
             `railhead attachments`"
        )
        .into()),
        (None, many) => Err(format!(
            "drop the record of interface {interface} of container {container}: {} containers' ids \
             begin so",
            many.len()
        )
        .into()),
    }
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
        if let Some(name) = host.sysfs().uplink(record.pf)? {
            names.insert(record.pf, name);
        }
    }
    Ok(names)
}
