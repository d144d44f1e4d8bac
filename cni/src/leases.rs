//! Leases held against what lives on this machine: those of the dead are collected, those of a
//! lost store made again.
//!
//! The plugin does this when an ADD finds nothing to give out, so that no pod waits for a daemon;
//! the daemon does it in every pass. Where something cannot be looked at, nothing is concluded:
//! nothing is collected, and a lost store stays lost.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use conf::cni::{Code, Error};
use ipam::nv_ipam::store_error;
use ipam::recover::{SETTLE, Sighting};
use ipam::{Lease, Root, Store, blocks, cooldown};
use nix::sys::stat::{major, minor};

use crate::kernel;
use crate::kernel::netlink::Route;
use crate::kernel::netns::{Living, Netns};
use crate::kernel::{procfs, vfio};
use crate::log::Log;
use crate::transaction;

/// Makes the leases of a lost store again from the addresses in live namespaces, and tells how
/// many. `None` when nothing is lost.
///
/// An address that no interface carries is not found: that of a VF which a program in user space
/// drives. So while any such program runs, the store stays lost.
///
/// # Errors
/// Code 11 while not all that is in use can be known, saying why.
pub fn recover(root: &Root, store: &Store) -> Result<Option<usize>, Error> {
    let Some(loss) = store.loss().map_err(store_error)? else { return Ok(None) };
    let unknown = |why: &dyn std::fmt::Display| {
        Error::new(Code::TryAgainLater, format!("{loss}; not yet: {why}"))
    };
    let now = transaction::now()?;
    if loss.met_at.is_some_and(|met_at| now.since(met_at) < SETTLE) {
        return Err(unknown(&format_args!(
            "attachments that were under way get {} s to finish",
            SETTLE.as_secs()
        )));
    }
    let mut own = Vec::new();
    for (pool, block) in blocks::list(root).map_err(|error| unknown(&error))? {
        own.push(block.map_err(|error| unknown(&format_args!("{pool}: {error}")))?);
    }
    if !own.is_empty()
        && let Some(device) = in_user_space(root).map_err(|error| unknown(&error))?
    {
        return Err(unknown(&format_args!(
            "a program has {} open, and the address of its VF is on no interface",
            device.display()
        )));
    }
    let living = Netns::living().map_err(|error| unknown(&error))?;
    let seen = addresses(&living).map_err(|error| unknown(&error))?;
    transaction::write(store, |txn| txn.recover(&loss, &own, &seen, now).map_err(store_error))
}

/// Gives back what was leased for containers whose network namespace is gone.
///
/// # Errors
/// What keeps the living from being known; nothing was given back then.
pub fn collect(store: &Store) -> Result<Vec<Lease>, Error> {
    let sandboxes = transaction::read(store, |txn| txn.lease_sandboxes().map_err(store_error))?;
    let is_there = |path: &Path, cookie| Netns::at(path, cookie).is_some();
    let suspects: BTreeSet<u64> = sandboxes
        .into_iter()
        .filter(|(cookie, path)| !path.as_deref().is_some_and(|path| is_there(path, *cookie)))
        .map(|(cookie, _)| cookie)
        .collect();
    if suspects.is_empty() {
        return Ok(Vec::new());
    }
    let living = Netns::living()?;
    let living: BTreeSet<u64> = living.iter().map(|living| living.cookie).collect();
    let dead: BTreeSet<u64> = suspects.difference(&living).copied().collect();
    if dead.is_empty() {
        return Ok(Vec::new());
    }
    let now = transaction::now()?;
    transaction::write(store, |txn| txn.release_dead(&dead, now).map_err(store_error))
}

/// Leases by `attempt`, and once more where it was told to try later and there was something to
/// collect, to recover or to forget.
///
/// # Errors
/// Those of `attempt`, with what keeps a lost store from being made good.
pub(crate) fn lease<T>(
    root: &Root,
    store: &Store,
    log: &Log,
    attempt: impl Fn() -> Result<T, Error>,
) -> Result<T, Error> {
    match attempt() {
        Err(error) if error.code == Code::TryAgainLater => {
            let recovered = recover(root, store)?;
            if let Some(count) = recovered {
                log.warning(&format_args!("a lost store was made good: {count} leases"));
            }
            let collected = match collect(store) {
                Ok(collected) => collected,
                Err(why) => {
                    log.warning(&why);
                    Vec::new()
                }
            };
            for lease in &collected {
                let Lease { address, pool, owner, .. } = lease;
                log.info(&format_args!("gave back {address} of {pool}: {owner} is gone"));
            }
            let freed = free_rested(root, store)?;
            let has_changed = recovered.is_some() || !collected.is_empty() || freed > 0;
            if has_changed { attempt() } else { Err(error) }
        }
        outcome => outcome,
    }
}

/// Frees addresses that have rested long enough, and tells how many: on a full file system what is
/// remembered of them may be the room that is lacking.
fn free_rested(root: &Root, store: &Store) -> Result<usize, Error> {
    let now = transaction::now()?;
    let cooldown = cooldown::load(root).map_err(|error| store_error(error.into()))?;
    let mut freed = 0;
    loop {
        let more = transaction::write(store, |txn| {
            txn.free_rested_anywhere(now, cooldown).map_err(store_error)
        })?;
        if more == 0 {
            return Ok(freed);
        }
        freed += more;
    }
}

/// All addresses on interfaces of these namespaces, but for the calling thread's own: what the
/// host has, it has not from here.
///
/// # Errors
/// A namespace cannot be looked into.
pub fn addresses(living: &[Living]) -> Result<Vec<Sighting>, kernel::Error> {
    let own = Netns::current()?;
    let mut seen = Vec::new();
    for Living { netns, cookie, path } in living {
        if netns.is_same(&own)? {
            continue;
        }
        let mut there = Route::open_in(netns)?;
        let links = there.links()?;
        for found in there.all_addresses()? {
            let link = links.iter().find(|link| link.index == found.index);
            seen.push(Sighting {
                address: found.network.ip(),
                ifname: link.and_then(|link| link.if_name()),
                netns_cookie: *cookie,
                netns: path.clone(),
            });
        }
    }
    Ok(seen)
}

/// A VFIO device of a VF that a process has open.
fn in_user_space(root: &Root) -> Result<Option<PathBuf>, kernel::Error> {
    for process in procfs::all()? {
        for (link, target) in procfs::files(&process)? {
            let number = vfio::number_of_open(&link, &target);
            if number.is_some_and(|number| is_of_vf(root, number)) {
                return Ok(Some(target));
            }
        }
    }
    Ok(None)
}

/// Whether a device file is that of a VF, or of a VFIO group with a VF in it. One that nobody but
/// a GPU or a disk is behind holds no address.
fn is_of_vf(root: &Root, number: u64) -> bool {
    let (major, minor) = (major(number), minor(number));
    let Ok(device) = root.join(&format!("/sys/dev/char/{major}:{minor}")).canonicalize() else {
        return false;
    };
    let (Some(name), Some(parent)) = (device.file_name(), device.parent()) else { return false };
    if parent.ends_with("vfio-dev") {
        return parent.parent().is_some_and(|function| function.join("physfn").exists());
    }
    // `devices/virtual/vfio/12`; what is common to all groups is a `misc` device.
    let group = name.to_str().filter(|_| parent.ends_with("vfio"));
    let Some(group) = group.map(|name| name.strip_prefix("noiommu-").unwrap_or(name)) else {
        return false;
    };
    let devices = root.join(&format!("/sys/kernel/iommu_groups/{group}/devices"));
    match std::fs::read_dir(devices) {
        Ok(devices) => devices
            .into_iter()
            .any(|device| device.is_ok_and(|device| device.path().join("physfn").exists())),
        Err(_) => true,
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use nix::sys::stat::makedev;

    use super::*;

    /// A VF and a GPU, each with a VFIO group and a device of its own.
    #[test]
    fn only_the_device_files_of_vfs_hold_addresses() {
        let directory = tempfile::tempdir().unwrap();
        let root = Root::at(directory.path());
        let sys = directory.path().join("sys");
        for (function, group, minor) in [("0000:01:10.0", "12", 0), ("0000:41:00.0", "13", 1)] {
            let own = sys.join("devices/pci0000:00").join(function);
            for place in [
                own.join(format!("vfio-dev/vfio{minor}")),
                sys.join("devices/virtual/vfio").join(group),
                sys.join("kernel/iommu_groups").join(group).join("devices"),
                sys.join("dev/char"),
                sys.join("devices/virtual/misc/vfio"),
            ] {
                fs::create_dir_all(place).unwrap();
            }
            let member = sys.join("kernel/iommu_groups").join(group).join("devices").join(function);
            symlink(&own, member).unwrap();
            symlink(
                own.join(format!("vfio-dev/vfio{minor}")),
                sys.join(format!("dev/char/511:{minor}")),
            )
            .unwrap();
            let of_group = sys.join("devices/virtual/vfio").join(group);
            symlink(of_group, sys.join(format!("dev/char/244:{minor}"))).unwrap();
        }
        symlink("../0000:01:00.0", sys.join("devices/pci0000:00/0000:01:10.0/physfn")).unwrap();
        fs::create_dir_all(sys.join("devices/pci0000:00/0000:01:00.0")).unwrap();
        symlink(sys.join("devices/virtual/misc/vfio"), sys.join("dev/char/10:196")).unwrap();
        for (major, minor, is) in [
            (511, 0, true),
            (244, 0, true),
            (511, 1, false),
            (244, 1, false),
            (10, 196, false),
            (1, 3, false),
        ] {
            assert_eq!(is_of_vf(&root, makedev(major, minor)), is, "{major}:{minor}");
        }
    }
}
