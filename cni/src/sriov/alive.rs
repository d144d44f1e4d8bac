//! Whether an attachment is still in use, so that nobody may undo it without a DEL.

use std::path::PathBuf;

use conf::cni::Error;

use super::Host;
use crate::attachment::{Record, State};
use crate::kernel::netns::Netns;
use crate::kernel::vfio;

/// What keeps an attachment alive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Keeper {
    /// Its namespace, with a way to it: its own path, another mount or a process
    /// (`/proc/PID/task/TID/ns/net`).
    Namespace(PathBuf),
    /// Whoever has the VFIO group of that number open.
    Group(u32),
    /// The process that has the VF's own device file open (`/dev/vfio/devices/vfioN`).
    Process(u32),
}

/// Whether an attachment is in use: its VF is there, and so is its namespace or whoever else uses
/// it.
///
/// # Errors
/// The kernel did not say: nothing may be undone then.
pub(super) fn is_alive(host: &Host, record: &Record) -> Result<bool, Error> {
    keeper(host, record).map(|keeper| keeper.is_some())
}

/// What keeps an attachment alive; `None` when nothing does.
///
/// # Errors
/// Those of [`is_alive`].
pub(super) fn keeper(host: &Host, record: &Record) -> Result<Option<Keeper>, Error> {
    // Its VF went, with its card for one; what has its address now is none of its own.
    if record.state != State::Released
        && host.sysfs.incarnation(record.vf)? != Some(record.incarnation)
    {
        return Ok(None);
    }
    if let Ok(netns) = Netns::open(&record.netns)
        && netns.cookie()? == record.netns_cookie
    {
        return Ok(Some(Keeper::Namespace(record.netns.clone())));
    }
    if let Some(found) = Netns::by_cookie(record.netns_cookie)? {
        return Ok(Some(Keeper::Namespace(found.path)));
    }
    // Its VF is free, or another one's; or nobody can use it but from the namespace, which is gone.
    if record.state == State::Released || !record.driver.is_userspace() {
        return Ok(None);
    }
    let function = host.sysfs.function_while_stuck(record.vf)?;
    if let Some(group) = function.and_then(|found| found.iommu_group)
        && vfio::is_busy(&host.root.join("/dev"), group)?
    {
        return Ok(Some(Keeper::Group(group)));
    }
    // Where the kernel makes no groups, or beside them.
    let own = vfio::device_numbers(&host.sysfs, record.vf);
    if own.is_empty() {
        return Ok(None);
    }
    let holder = vfio::Holders::look().surely_of(&own)?;
    Ok(holder.map(|holder| Keeper::Process(holder.pid)))
}
