//! Whether an attachment is still in use, so that nobody may undo it without a DEL.

use conf::cni::Error;

use super::Host;
use crate::attachment::{Record, State};
use crate::kernel::netns::Netns;
use crate::kernel::vfio;

/// Whether the namespace of an attachment still exists, or someone still uses its VF.
///
/// # Errors
/// The kernel did not say: nothing may be undone then.
pub(super) fn is_alive(host: &Host, record: &Record) -> Result<bool, Error> {
    if let Ok(netns) = Netns::open(&record.netns)
        && netns.cookie()? == record.netns_cookie
    {
        return Ok(true);
    }
    if Netns::by_cookie(record.netns_cookie)?.is_some() {
        return Ok(true);
    }
    // Its VF is free, or another one's; or nobody can use it but from the namespace, which is gone.
    if record.state == State::Released || !record.driver.is_userspace() {
        return Ok(false);
    }
    match host.sysfs.function_while_stuck(record.vf)?.and_then(|found| found.iommu_group) {
        Some(group) => Ok(vfio::is_busy(&host.root.join("/dev"), group)?),
        None => Ok(false),
    }
}
