//! The `sriov` plugin: a VF for a container.
//!
//! ```text
//! ADD    wish      the config, checked                          nothing touched yet
//!        device    which VF, which PF, which driver
//!        observe   the VF as it is                              under the VF's lock from here on
//!        claim     owner, record, own addresses                 one transaction
//!        steps     VF attributes, move, link, IPAM, addresses   each undone by DEL's order
//!        announce  neighbours
//! DEL    the record  ->  home, link, VF attributes, MAC, leftovers, addresses, record
//! ```
//!
//! A failed ADD undoes itself by DEL's order, and so does the DEL that follows a killed ADD: the
//! record written before the first change says how everything was, DEL's order looks at the
//! kernel and changes what differs. There is one way home, however far ADD came.

mod add;
mod addresses;
mod alive;
mod by_pf;
mod check;
mod claim;
mod device;
mod device_info;
mod forget;
mod gc;
mod home;
mod leftovers;
mod link;
mod mac;
mod observe;
mod rebind;
mod release;
mod restore;
mod routes;
mod status;
mod upstream;
mod wish;

use std::collections::BTreeSet;
use std::path::Path;

use conf::cni::{AddResult, Error};
use ipam::nv_ipam::store_error;
use ipam::{AttachmentKey, Root, Store};

use crate::kernel::sysfs::Sysfs;
use crate::protocol::{Added, Call, Plugin};

pub use self::alive::Keeper;
pub use self::forget::forget;
pub use self::release::{Reclaimed, reclaim};

/// The machine: where its state and its devices are.
#[derive(Debug, Clone)]
pub struct Host {
    root: Root,
    sysfs: Sysfs,
    store: Store,
}

impl Host {
    /// The machine with its state under `root`.
    ///
    /// # Errors
    /// Code 5 or 11 when the store cannot be opened.
    pub fn open(root: Root) -> Result<Self, Error> {
        let store = Store::open(&root).map_err(store_error)?;
        Ok(Self { sysfs: sysfs(&root), root, store })
    }

    /// As [`Self::open`], for a process that serves one verb ([`Store::keep_open`]).
    fn open_for_verb(root: Root) -> Result<Self, Error> {
        let Self { root, sysfs, store } = Self::open(root)?;
        Ok(Self { root, sysfs, store: store.keep_open() })
    }
}

fn sysfs(root: &Root) -> Sysfs {
    Sysfs::at(root.join("/sys"))
}

/// The plugin.
#[derive(Debug)]
pub struct Sriov {
    root: Root,
}

impl Sriov {
    /// The plugin for the machine with its state under `root`.
    pub fn new(root: Root) -> Self {
        Self { root }
    }

    fn host(&self) -> Result<Host, Error> {
        Host::open_for_verb(self.root.clone())
    }
}

impl Plugin for Sriov {
    const NAME: &'static str = "sriov";

    fn add(&self, call: &Call, key: &AttachmentKey, netns: &Path) -> Result<Added, Error> {
        // One that is there is refused.
        add::add(&self.root, call, key, netns).map(|result| Added { result, is_repeated: false })
    }

    fn del(&self, call: &Call, key: &AttachmentKey, netns: Option<&Path>) -> Result<(), Error> {
        release::del(&self.host()?, call, key, netns)
    }

    fn check(
        &self,
        call: &Call,
        key: &AttachmentKey,
        netns: &Path,
        added: &AddResult,
    ) -> Result<(), Error> {
        check::check(&self.host()?, call, key, netns, added)
    }

    fn status(&self, call: &Call) -> Result<(), Error> {
        status::status(&self.root, call)
    }

    fn gc(&self, call: &Call, valid: &BTreeSet<AttachmentKey>) -> Result<(), Error> {
        gc::gc(&self.host()?, call, valid)
    }
}
