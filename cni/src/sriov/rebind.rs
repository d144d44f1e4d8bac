//! Taking a VF from its driver and giving it back: the netdev goes, with whatever is on it and
//! wherever it is, and a fresh one appears on the host.
//!
//! ```text
//! fence     the record says why, before anything is done: a VF that is found without a driver
//!           afterwards is bound by the next DEL, and given to nobody before
//! unbind    works in whatever namespace the netdev is
//! bind      the same driver again
//! wait      until the netdev is there
//! ```

use std::time::{Duration, Instant};

use conf::cni::{Code, Error};
use ipam::nv_ipam::store_error;

use super::Host;
use crate::attachment::Record;
use crate::kernel;
use crate::kernel::child::{Writer, stragglers};
use crate::kernel::monitor::{Monitor, Topic};
use crate::kernel::netlink::Route;
use crate::kernel::processes;
use crate::log::Log;
use crate::transaction;

/// How long a driver may take to let the VF go, and to take it.
const DRIVER: Duration = Duration::from_secs(30);

/// How long its netdev may take to appear: drivers make it in work of their own.
const NETDEV: Duration = Duration::from_secs(20);

/// Binds the VF's driver anew, or binds it where that had begun.
///
/// # Errors
/// Code 11: the VF is fenced, and the next DEL tries again.
pub(super) fn rebind(host: &Host, log: &Log, record: &Record, why: &str) -> Result<(), Error> {
    let Record { vf, driver, .. } = record;
    log.warning(&format_args!("bind VF {vf} to {driver} anew: {why}"));
    fence(host, record, why)?;
    bind_anew(host, record).map_err(|cause| {
        let error = Error::new(
            Code::TryAgainLater,
            format!("give VF {vf} to nobody else: {}", cause.msg),
        )
        .details(format!(
            "its driver is bound anew, since {why}; DEL tries again when it is called again, and \
             so does the daemon once the container is gone"
        ));
        if let Err(unwritten) = fence(host, record, &format!("{why}; {}", cause.msg)) {
            return error.and(unwritten);
        }
        error
    })
}

fn bind_anew(host: &Host, record: &Record) -> Result<(), Error> {
    let Record { vf, driver, .. } = record;
    // Another one would hang behind it, by the device's lock.
    if let Some(stuck) = stragglers(&processes::all()?).iter().find(|one| one.function == Some(*vf))
    {
        return Err(Error::new(
            Code::TryAgainLater,
            format!("process {} still hangs in a write to {}", stuck.pid, stuck.path.display()),
        ));
    }
    let writer = Writer::with_deadline(DRIVER);
    let mut monitor = Monitor::open(&[Topic::Links])?;
    host.sysfs.unbind(&writer, *vf).map(drop)?;
    host.sysfs.bind(&writer, *vf, driver).map(drop)?;
    let mut on_host = Route::open()?;
    let is_there = || -> Result<Option<()>, kernel::Error> {
        Ok(on_host.link_by_pci(&host.sysfs, *vf)?.map(|_link| ()))
    };
    monitor.until(Instant::now() + NETDEV, is_there)?.ok_or_else(|| {
        let msg = format!("its driver {driver} made no interface within {NETDEV:?}");
        Error::new(Code::TryAgainLater, msg)
    })
}

/// Writes down why the VF goes to nobody.
fn fence(host: &Host, record: &Record, why: &str) -> Result<(), Error> {
    let fenced = Record { fence: Some(why.to_owned()), ..record.clone() };
    transaction::write(&host.store, |txn| {
        txn.put_attachment(&record.key, &fenced).map_err(store_error)
    })
}
