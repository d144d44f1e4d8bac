//! Putting a netdev back as it was: only what differs is written, and one refusal does not keep
//! the rest from being put right.

use conf::cni::Error;
use conf::{Mac, Mtu, PciAddress};

use super::Host;
use super::by_pf::ByPf;
use super::mac::{self, Assignment};
use crate::attachment::HostLink;
use crate::failure::Failures;
use crate::kernel;
use crate::kernel::link::Link;
use crate::kernel::netlink::Route;
use crate::kernel::tuning;
use crate::log::Log;

/// Flags, MTU, altnames, settings and XDP programs of the netdev, which is home. What is refused of
/// settings and programs is no failure: [`leftovers`](super::leftovers) finds it again.
pub(super) fn link(
    on_host: &mut Route,
    now: &Link,
    own: &HostLink,
    log: &Log,
    failures: &mut Failures,
) {
    let (index, name) = (now.index, &now.name);
    if now.up && !own.up {
        let set = on_host.set_down(index);
        failures.note(log.change(format_args!("set {name}: down"), set));
    }
    // The verb takes back both flags: leave them where one of them belongs to the host.
    if (now.promisc || now.allmulti) && !own.promisc && !own.allmulti {
        let set = on_host.set_promiscuity_off(index);
        failures.note(log.change(format_args!("set {name}: promisc off, allmulti off"), set));
    }
    if now.mtu != own.mtu
        && let Ok(mtu) = Mtu::try_from(i64::from(own.mtu))
    {
        let set = on_host.set_mtu(index, mtu);
        failures.note(log.change(format_args!("set {name}: mtu {mtu}"), set));
    }
    for mode in &now.xdp {
        let removed = on_host.remove_xdp(index, *mode);
        told(log, log.change(format_args!("set {name}: {mode} off"), removed));
    }
    for setting in own.settings.iter().flat_map(|own| now.settings.changes(own)) {
        let set = on_host.set_setting(index, &setting);
        told(log, log.change(format_args!("set {name}: {setting}"), set));
    }
    let Some(altnames) = &own.altnames else { return };
    for altname in now.altnames.iter().filter(|altname| !altnames.contains(altname)) {
        let removed = on_host.remove_altname(index, altname);
        failures.note(log.change(format_args!("remove {name}: altname {altname}"), removed));
    }
    for altname in altnames.iter().filter(|altname| !now.altnames.contains(altname)) {
        let added = on_host.add_altname(index, altname);
        failures.note(log.change(format_args!("add {name}: altname {altname}"), added));
    }
}

/// How the netdev was tuned, where its driver was bound anew: that made it as the driver makes it.
/// What is refused is found again.
pub(super) fn tuning(
    host: &Host,
    on_host: &Route,
    vf: PciAddress,
    name: &str,
    own: &HostLink,
    log: &Log,
) {
    let Some(tuned) = &own.tuned else { return };
    let (_, now) = tuning::look(on_host, &host.sysfs, vf, name);
    for (what, set) in tuned.set(&now, on_host, &host.sysfs, (vf, name)) {
        told(log, log.change(format_args!("set {name}: {what} as it was"), set));
    }
}

fn told(log: &Log, outcome: Result<(), kernel::Error>) {
    if let Err(refused) = outcome {
        log.debug(&refused);
    }
}

/// The VF's own MACs, and up if it was: after its PF's part, since a driver may refuse an address
/// as long as the PF has assigned another one. Gives the link as it was seen last.
///
/// # Errors
/// When the driver neither takes the MAC nor takes it over from the PF.
pub(super) fn mac(
    on_host: &mut Route,
    by_pf: Option<ByPf<'_>>,
    link: &Link,
    own: &HostLink,
    log: &Log,
) -> Result<Link, Error> {
    let mut now = mac::own(on_host, link)?;
    let mut settled = Ok(());
    if let Some(mac) = own.mac.filter(|mac| now.mac != Some(*mac)) {
        settled = own_mac(on_host, by_pf, &now, mac, log);
        now = mac::own(on_host, link)?;
    }
    // igbvf takes what its PF has assigned for its permanent address too, whenever it is closed:
    // the pod's MAC, when the namespace went and closed it before anybody could put that right.
    let other_mac = own.permanent_mac.is_some_and(|mac| now.permanent_mac != Some(mac));
    // Where the container had it listen to further addresses, a driver that has no filter for them
    // made it promiscuous, and the kernel takes that back when it is next up (`__dev_set_rx_mode`).
    let still_promiscuous = now.promiscuity > 0 && !own.promisc;
    if (other_mac || still_promiscuous) && !now.up {
        let set = on_host.set_up(link.index).and_then(|()| on_host.set_down(link.index));
        let what = if other_mac { "permanent MAC" } else { "promiscuity" };
        log.change(format_args!("set {}: up and down, for its {what}", now.name), set)?;
    }
    if own.up && !now.up {
        let set = on_host.set_up(link.index);
        log.change(format_args!("set {}: up", now.name), set)?;
    }
    settled.map(|()| now)
}

fn own_mac(
    on_host: &mut Route,
    by_pf: Option<ByPf<'_>>,
    link: &Link,
    mac: Mac,
    log: &Log,
) -> Result<(), Error> {
    let assignment = mac::ask(on_host, by_pf, link, mac, log);
    if let (Assignment::Lifted, Some(by_pf)) = (assignment, by_pf) {
        by_pf.assign_mac_again(on_host, log)?;
    }
    let now = mac::own(on_host, link)?;
    mac::settle(on_host, &now, mac, log)
}
