//! The VF's part of an attachment's end.

use std::path::Path;

use crate::attachment::Record;
use crate::failure::Failures;
use crate::kernel::netlink::Route;
use crate::log::Log;
use crate::sriov::by_pf::ByPf;
use crate::sriov::home::Homecoming;
use crate::sriov::{Host, restore};

/// Puts the VF right. Tells whether it has left the container.
pub(super) fn give_back(
    host: &Host,
    log: &Log,
    record: &Record,
    netns: Option<&Path>,
    failures: &mut Failures,
) -> bool {
    let Some(mut on_host) = failures.note(Route::open()) else { return false };
    let by_pf = failures.note(ByPf::find(host, &mut on_host, record)).flatten();
    let link = match &record.link {
        Some(own) if has_link(host, log, record, failures) => {
            let homecoming = Homecoming { host, log, record, own, by_pf, netns };
            let brought = homecoming.bring(&mut on_host, failures);
            let Some(link) = failures.note(brought) else { return false };
            restore::link(&mut on_host, &link, own, log, failures);
            Some((link, own))
        }
        _ => None,
    };
    if let Some(by_pf) = by_pf {
        failures.note(by_pf.restore(&mut on_host, log));
    }
    if let Some((link, own)) = link {
        failures.note(restore::mac(&mut on_host, by_pf, &link, own, log));
    }
    true
}

/// Whether the VF still has the driver that made its netdev. Where somebody bound another one
/// meanwhile, the netdev is gone, and there is nothing of it to put right.
fn has_link(host: &Host, log: &Log, record: &Record, failures: &mut Failures) -> bool {
    // Unless that is certain, the netdev may be in the container still.
    let Some(driver) = failures.note(host.sysfs.driver(record.vf)) else { return true };
    let same = driver.as_ref() == Some(&record.driver);
    if !same {
        log.warning(&format_args!("VF {} is not bound to {} any more", record.vf, record.driver));
    }
    same
}
