//! Who uses a VF: every sign of use, and none that costs anything to look for.

use std::collections::BTreeMap;

use cni::kernel::sysfs::Sysfs;
use cni::kernel::vfio::{self, Holder, Holders};
use cni::lock;
use conf::PciAddress;
use ipam::{AttachmentKey, PodRef, Root, StoreError};
use serde::Deserialize;

use crate::host::Host;
use crate::snapshot::{User, Vf};

/// What is known of users before a VF is looked at.
pub(super) struct Users {
    root: Root,
    attached: BTreeMap<PciAddress, User>,
    sysfs: Sysfs,
    /// Processes with device files; looked for only when a VF has one.
    processes: Option<Holders>,
    is_live: bool,
    /// What was told of a machine that is not here: that, and nothing else.
    told: Option<BTreeMap<PciAddress, User>>,
}

/// The part of an attachment's record that matters here.
#[derive(Deserialize)]
struct Record {
    #[serde(default)]
    pod: Option<PodRef>,
    /// Which device had the VF's address then.
    incarnation: u64,
}

impl Users {
    pub(super) fn read(host: &Host) -> Self {
        Self {
            root: host.root().clone(),
            sysfs: host.sysfs().clone(),
            attached: attached(host),
            processes: None,
            is_live: host.is_live(),
            told: host.told().map(|told| told.users.clone()),
        }
    }

    /// Who uses `vf`; `master` is the netdev that it is a port of, `elsewhere` says that somebody
    /// has its netdev in another network namespace. Without a netdev in any it is bound to its
    /// driver just now, or to one that makes none.
    pub(super) fn of(&mut self, vf: &Vf, master: Option<String>, elsewhere: bool) -> Option<User> {
        if let Some(told) = &self.told {
            return told.get(&vf.address).cloned();
        }
        if let Some(user) = self.attached.get(&vf.address) {
            return Some(user.clone());
        }
        if let Some(user) = self.verb(vf.address) {
            return Some(user);
        }
        let is_for_userspace = vf.driver.as_ref().is_some_and(|driver| driver.is_userspace());
        if let Some(user) = self.process(vf, is_for_userspace) {
            return Some(user);
        }
        if is_for_userspace {
            return None;
        }
        if let Some(of) = master {
            return Some(User::Port { of });
        }
        elsewhere.then_some(User::OtherNamespace)
    }

    /// The plugin that works on it.
    fn verb(&self, vf: PciAddress) -> Option<User> {
        let holder = self.holder(vf).filter(|holder| !holder.does_a_step())?;
        Some(User::Verb { holder: holder.to_string() })
    }

    /// The railhead that does a step on it right now: work on the PF, and no use of the VF.
    pub(super) fn step(&self, vf: PciAddress) -> Option<String> {
        if self.told.is_some() {
            return None;
        }
        let holder = self.holder(vf).filter(lock::Holder::does_a_step)?;
        Some(holder.to_string())
    }

    /// Who holds its lock, but for our own steps, which look again while they do. A lock that cannot
    /// be looked at is told of when it is taken.
    fn holder(&self, vf: PciAddress) -> Option<lock::Holder> {
        let holder = lock::holder(&self.root, vf).ok()??;
        (holder.pid != std::process::id()).then_some(holder)
    }

    /// Who has its group, or a device file of its own, open.
    fn process(&mut self, vf: &Vf, is_for_userspace: bool) -> Option<User> {
        if !self.is_live {
            return None;
        }
        let mut numbers = vfio::device_numbers(&self.sysfs, vf.address);
        let group = vf.iommu_group.filter(|_| is_for_userspace);
        numbers.extend(group.and_then(|group| vfio::group_number(&self.sysfs, group)));
        if numbers.is_empty() {
            return None;
        }
        let Holder { pid, name } = self.processes.get_or_insert_with(Holders::look).of(&numbers)?;
        Some(User::Process { pid: i32::try_from(*pid).unwrap_or_default(), name: name.clone() })
    }
}

/// VFs that a plugin has attached to a container. A store that cannot be read is no sign of use by
/// itself: what is attached shows by its netdev and its VFIO group as well.
fn attached(host: &Host) -> BTreeMap<PciAddress, User> {
    read_store(host).unwrap_or_else(|error| {
        tracing::warn!("attachments are unknown: {}", crate::chain::Chain(&error));
        BTreeMap::new()
    })
}

fn read_store(host: &Host) -> Result<BTreeMap<PciAddress, User>, StoreError> {
    let Some(store) = host.store() else { return Ok(BTreeMap::new()) };
    let (owners, records) =
        store.read(|txn| Ok::<_, StoreError>((txn.vf_owners()?, txn.attachments::<Record>()?)))?;
    // Of one that cannot be read nothing is known but that it is there.
    let records: BTreeMap<AttachmentKey, Record> =
        records.into_iter().filter_map(|(key, record)| Some((key, record.ok()?))).collect();
    let used = owners.into_iter().filter_map(|(vf, key)| {
        let record = records.get(&key);
        let is_its_own = record.is_none_or(|record| is_still_there(host, vf, record));
        is_its_own.then(|| (vf, container(&key, record)))
    });
    Ok(used.collect())
}

/// Whether the VF is the one that was attached. One that was made since, where a card was pulled
/// out and put back, is nobody's yet.
fn is_still_there(host: &Host, vf: PciAddress, record: &Record) -> bool {
    let now = if host.is_live() { host.sysfs().incarnation(vf) } else { Ok(None) };
    !matches!(now, Ok(Some(now)) if now != record.incarnation)
}

fn container(key: &AttachmentKey, record: Option<&Record>) -> User {
    User::Container {
        container: key.container.to_string(),
        interface: key.ifname.to_string(),
        pod: record.and_then(|record| record.pod.as_ref()).map(ToString::to_string),
    }
}
