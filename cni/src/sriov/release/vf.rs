//! The VF's part of an attachment's end.

use std::path::Path;

use conf::ResetOnRelease;
use conf::cni::{Code, Error};

use crate::attachment::Record;
use crate::failure::Failures;
use crate::kernel::link::Link;
use crate::kernel::netlink::Route;
use crate::log::Log;
use crate::sriov::by_pf::ByPf;
use crate::sriov::home::Homecoming;
use crate::sriov::leftovers::Leftovers;
use crate::sriov::rebind::rebind;
use crate::sriov::{Host, restore};

/// How far a VF was given back.
#[derive(Debug, Default)]
pub(super) struct Given {
    /// Whether it has left the container.
    pub(super) left_container: bool,
    /// Why its driver had to be bound anew.
    pub(super) fence: Option<String>,
}

/// What is to be done about its netdev.
enum Netdev {
    /// It is somewhere, and to be brought home.
    Somewhere,
    /// Its driver was taken away for that very purpose, and is to be bound again.
    ToBeMade,
    /// Another driver, or none, by somebody else's doing: there is nothing of it to put right.
    Gone,
}

/// Puts the VF right.
pub(super) fn give_back(
    host: &Host,
    log: &Log,
    record: &Record,
    netns: Option<&Path>,
    failures: &mut Failures,
) -> Given {
    let Some(mut on_host) = failures.note(Route::open()) else { return Given::default() };
    let by_pf = failures.note(ByPf::find(host, &mut on_host, record)).flatten();
    let netdev = record.link.as_ref().map(|own| (own, netdev(host, log, record, failures)));
    let (own, netdev) = match netdev {
        Some((own, netdev @ (Netdev::Somewhere | Netdev::ToBeMade))) => (own, netdev),
        Some((_, Netdev::Gone)) | None => {
            if let Some(by_pf) = by_pf {
                failures.note(by_pf.restore(&mut on_host, log));
            }
            return Given { left_container: true, fence: None };
        }
    };
    let homecoming = Homecoming { host, log, record, own, by_pf, netns };
    let mut given = Given::default();
    let mut first = Failures::default();
    let why = match netdev {
        Netdev::ToBeMade | Netdev::Gone => record.fence.clone(),
        Netdev::Somewhere => match homecoming.bring(&mut on_host, &mut first) {
            Ok(link) => {
                given.left_container = true;
                let left = put_right(&homecoming, &mut on_host, link, &mut first);
                why(record.reset, &left, log)
            }
            Err(error) => {
                let again = record.reset != ResetOnRelease::Never && is_away(host, record);
                let why = again.then(|| error.to_string());
                first.add(error);
                why
            }
        },
    };
    let Some(why) = why else {
        failures.absorb(first);
        return given;
    };
    if !given.left_container
        && let Some(by_pf) = by_pf
    {
        // A driver takes over then what its PF has assigned.
        first.note(by_pf.restore(&mut on_host, log));
    }
    if let Err(error) = rebind(host, log, record, &why) {
        given.left_container |= host.sysfs.driver(record.vf).is_ok_and(|driver| driver.is_none());
        given.fence = Some(format!("{why}; {error}"));
        failures.add(error);
        return given;
    }
    // What had failed is looked at once more.
    given = Given { left_container: true, fence: Some(why) };
    let brought = homecoming.bring(&mut on_host, failures);
    let Some(link) = failures.note(brought) else { return given };
    restore::tuning(host, &on_host, record.vf, &link.name, own, log);
    let left = put_right(&homecoming, &mut on_host, link, failures);
    for program in &left.programs {
        let msg = format!("give VF {} back: it still has {program}", record.vf);
        failures.add(Error::new(Code::TryAgainLater, msg));
    }
    for setting in &left.settings {
        log.warning(&format_args!("VF {} has its driver's own {setting} now", record.vf));
    }
    given
}

/// Puts right what can be put right on a netdev that is home, and tells what is left.
fn put_right(
    homecoming: &Homecoming<'_>,
    on_host: &mut Route,
    link: Link,
    failures: &mut Failures,
) -> Leftovers {
    let Homecoming { host, log, record, own, by_pf, .. } = homecoming;
    restore::link(on_host, &link, own, log, failures);
    if let Some(by_pf) = by_pf {
        failures.note(by_pf.restore(on_host, log));
    }
    let seen = failures.note(restore::mac(on_host, *by_pf, &link, own, log));
    let Some(seen) = seen else { return Leftovers::default() };
    let mut left = Leftovers::find(host, on_host, record.vf, &seen, own);
    // The namespace died with it: the host's sysctls are those of a link without neighbours.
    if own.settings.as_ref().is_some_and(|own| !own.is_without_arp())
        && link.settings.is_without_arp()
    {
        left.settings.push("sysctls of a link without ARP".to_owned());
    }
    left
}

/// Why the driver has to be bound anew, if it has.
fn why(reset: ResetOnRelease, left: &Leftovers, log: &Log) -> Option<String> {
    match reset {
        ResetOnRelease::Always => Some("resetOnRelease is always".to_owned()),
        ResetOnRelease::Needed => (!left.is_empty()).then(|| format!("its container left {left}")),
        ResetOnRelease::Never => {
            if !left.is_empty() {
                log.warning(&format_args!(
                    "the container left {left}, and resetOnRelease is never: the next one finds it"
                ));
            }
            None
        }
    }
}

/// Whether the VF's netdev is certainly not on the host.
fn is_away(host: &Host, record: &Record) -> bool {
    host.sysfs.netdev_names(record.vf).is_ok_and(|names| names.is_empty())
}

/// Whether the VF still has the driver that made its netdev.
fn netdev(host: &Host, log: &Log, record: &Record, failures: &mut Failures) -> Netdev {
    // Unless that is certain, the netdev may be in the container still.
    let Some(driver) = failures.note(host.sysfs.driver(record.vf)) else {
        return Netdev::Somewhere;
    };
    match driver {
        Some(driver) if driver == record.driver => Netdev::Somewhere,
        None if record.fence.is_some() => Netdev::ToBeMade,
        _ => {
            let Record { vf, driver, .. } = record;
            log.warning(&format_args!("VF {vf} is not bound to {driver} any more"));
            Netdev::Gone
        }
    }
}
