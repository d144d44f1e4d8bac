//! What a step works on.

use cni::kernel::child::Writer;
use conf::PciAddress;

use super::{Deadlines, Job};
use crate::host::Host;

/// The kernel, as the steps of one PF see it.
pub(super) struct Kernel<'a> {
    pub(super) host: &'a Host,
    pub(super) pf: PciAddress,
    pub(super) deadlines: Deadlines,
    pub(super) writer: Writer,
    /// Whether somebody asks for its VFs, so that those which are made are for containers.
    pub(super) is_wished: bool,
    /// Whether a VF driver makes a netdev here: not on InfiniBand, where another module does.
    pub(super) makes_netdevs: bool,
}

impl<'a> Kernel<'a> {
    pub(super) fn new(job: Job<'a>, pf: PciAddress) -> Self {
        let found = job.snapshot.pfs.get(&pf).and_then(|pf| pf.netdev.as_ref());
        Self {
            host: job.host,
            pf,
            deadlines: job.deadlines,
            writer: Writer::with_deadline(job.deadlines.write),
            is_wished: job.owners.contains_key(&pf),
            makes_netdevs: found.is_some_and(|netdev| !netdev.infiniband),
        }
    }
}
