//! CHECK: whether an attachment is still what ADD made of it.

use std::path::Path;

use conf::cni::{AddResult, Code, Error};
use ipam::AttachmentKey;

use super::addresses::Source;
use super::by_pf::ByPf;
use super::wish::Wish;
use super::{Host, release, routes};
use crate::attachment::{Ipam, Record, State};
use crate::delegate::Invocation;
use crate::failure::Failures;
use crate::kernel::link::Link;
use crate::kernel::netlink::Route;
use crate::protocol::{Call, Sandbox};
use crate::transaction;

/// Compares the container's side with `added`, since later plugins of the chain may have changed
/// what this one answered, and the PF's side with the record; then asks the IPAM. Tells every
/// difference.
pub(super) fn check(
    host: &Host,
    call: &Call,
    key: &AttachmentKey,
    netns: &Path,
    added: &AddResult,
) -> Result<(), Error> {
    let (sandbox, there) = Sandbox::open(call, netns)?;
    let wish = Wish::read(call)?;
    let source = Source::prepare(&host.root, call, &wish, key, &sandbox)?;
    let record = release::find(host, key)?
        .filter(|record| record.state == State::Attached)
        .ok_or_else(|| differs(format!("{key} is not attached")))?;
    let mut failures = Failures::default();
    if record.netns_cookie != sandbox.cookie {
        let msg = format!("{} is not the namespace that {key} was attached in", netns.display());
        failures.add(differs(msg));
    }
    if record.link.is_some() {
        failures.note(in_container(host, &record, there, added));
    }
    failures.note(on_pf(host, &record));
    failures.note(ipam(host, call, &record, &source, added));
    failures.into_result()
}

fn in_container(
    host: &Host,
    record: &Record,
    mut there: Route,
    added: &AddResult,
) -> Result<(), Error> {
    let ifname = &record.key.ifname;
    let link = there
        .link_by_name(ifname)?
        .filter(|link| link.pci(&host.sysfs) == Some(record.vf))
        .ok_or_else(|| differs(format!("{ifname} in the container is not VF {}", record.vf)))?;

    let mut failures = Failures::default();
    let mut differ =
        |msg: String| failures.add(differs(format!("{ifname} in the container {msg}")));
    if !link.up {
        differ("is down".to_owned());
    }
    let told =
        added.interfaces.iter().enumerate().find(|(_, interface)| {
            interface.name == ifname.as_str() && !interface.sandbox.is_empty()
        });
    let master = kind_of_master(&mut there, &link)?;
    // A bond or team gives its ports one MAC, and what leads by them leads by itself now.
    let port = master.as_deref().is_some_and(|kind| ["bond", "team"].contains(&kind));
    // Into a VRF the kernel takes no routes along. `vrf` adds them there, but for those that it
    // cannot read as its own: next hops of an IPv6 route that eth0 has a part in.
    let routed = master.as_deref() == Some("vrf");
    if let Some((_, told)) = told {
        let mac = link.mac.map(|mac| mac.to_string()).unwrap_or_default();
        let differs = !told.mac.is_empty() && !told.mac.eq_ignore_ascii_case(&mac);
        if differs && !port {
            differ(format!("has MAC {mac} instead of {}", told.mac));
        }
        // Nor is its MTU looked at: `tuning` sets another one, and does not tell.
    }
    if port {
        return failures.into_result();
    }
    let index = told.map(|(index, _)| index);
    let ours = AddResult {
        ips: added.ips.iter().filter(|ip| ip.interface == index).cloned().collect(),
        routes: added.routes.clone(),
        ..AddResult::default()
    };
    let addresses = there.addresses(link.index)?;
    for ip in &ours.ips {
        if !addresses.iter().any(|address| address.network == ip.address) {
            differ(format!("has not the address {}", ip.address));
        }
    }
    if routed {
        return failures.into_result();
    }
    let found = there.routes(link.index)?;
    for route in routes::wanted_by(&ours, link.index).filter(|route| leads_by(&ours, route.gateway))
    {
        // `sbr` moves routes to tables of its own, and does not tell.
        if !found.iter().any(|found| found.satisfies_in_any_table(&route)) {
            differ(format!("has not the route to {}", route.destination));
        }
    }
    failures.into_result()
}

/// What kind of interface enslaves the link, if any does.
fn kind_of_master(there: &mut Route, link: &Link) -> Result<Option<String>, Error> {
    let Some(index) = link.master else { return Ok(None) };
    Ok(there.link_by_index(index)?.and_then(|master| master.kind))
}

/// A result does not say which interface a route belongs to: those by a gateway that lies in a
/// network of this interface are its own.
fn leads_by(ours: &AddResult, gateway: Option<std::net::IpAddr>) -> bool {
    gateway.is_some_and(|gateway| ours.ips.iter().any(|ip| ip.address.contains(gateway)))
}

fn on_pf(host: &Host, record: &Record) -> Result<(), Error> {
    if record.change.is_empty() {
        return Ok(());
    }
    let mut on_host = Route::open()?;
    let Some(by_pf) = ByPf::find(host, &mut on_host, record)? else { return Ok(()) };
    let missing = by_pf.missing(&mut on_host)?;
    if missing.is_empty() {
        return Ok(());
    }
    Err(differs(format!("VF {} of PF {} has not: {missing}", record.vf_index, record.pf)))
}

fn ipam(
    host: &Host,
    call: &Call,
    record: &Record,
    source: &Source,
    added: &AddResult,
) -> Result<(), Error> {
    match (source, &record.ipam) {
        (Source::Own(request), Ipam::Own) => {
            transaction::read(&host.store, |txn| ipam::nv_ipam::check(txn, request, added))
        }
        (Source::Foreign(delegate, _), Ipam::Foreign(_)) => delegate
            .call("CHECK", Invocation::handed_on(call, Some((&record.key, Some(&record.netns))))),
        _ => Ok(()),
    }
}

fn differs(msg: String) -> Error {
    Error::new(Code::Differs, msg)
}
