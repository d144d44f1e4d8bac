//! Putting a VF back as it was: only what differs is written, and one refusal does not keep the
//! rest from being put right.

use conf::cni::{Code, Error};
use conf::{Mac, Mtu};

use super::Host;
use super::mac::{self, Assignment};
use crate::attachment::{HostLink, Record};
use crate::failure::Failures;
use crate::kernel::link::Link;
use crate::kernel::netlink::Route;
use crate::kernel::vf::{VfChange, VfConfig};
use crate::log::Log;

/// Flags, MTU and altnames of the netdev, which is home.
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

/// The VF as its PF has it. One request when all goes well; attribute by attribute when not.
pub(super) fn vf(
    host: &Host,
    on_host: &mut Route,
    record: &Record,
    log: &Log,
    failures: &mut Failures,
) {
    let Some(before) = &record.before else { return };
    let userspace = record.link.is_none();
    let applied = record.applied();
    if applied.is_empty() && !userspace {
        return;
    }
    let outcome = pf_index(host, on_host, record).and_then(|pf| {
        // A user-space driver may have had its VF's MAC changed through the PF, unasked.
        if userspace {
            let now = on_host.vf(pf, record.vf_index)?;
            let mac = now.filter(|now| now.mac != before.mac).map(|_| before.mac);
            set(on_host, pf, record, VfChange { mac, ..applied.undoing(before) }, log)
        } else {
            set(on_host, pf, record, applied.undoing(before), log)
        }
    });
    failures.note(outcome);
}

/// The MAC that the PF had assigned, and trust, ahead of [`vf`]: a VF that is closed takes that
/// MAC over, unless it is trusted and insists on its own.
///
/// # Errors
/// The driver's refusal; [`vf`] tries again and tells.
pub(super) fn assignment(
    host: &Host,
    on_host: &mut Route,
    record: &Record,
    log: &Log,
) -> Result<(), Error> {
    let (Some(before), Some(_)) = (&record.before, record.change.mac) else { return Ok(()) };
    let pf = pf_index(host, on_host, record)?;
    let trust = record.applied().trust.and(before.trust);
    set(on_host, pf, record, VfChange { mac: Some(before.mac), trust, ..VfChange::default() }, log)
}

fn set(
    on_host: &mut Route,
    pf: u32,
    record: &Record,
    change: VfChange,
    log: &Log,
) -> Result<(), Error> {
    if change.is_empty() {
        return Ok(());
    }
    let tell = |change: &VfChange, set| {
        log.change(format_args!("set VF {} of {}: {change}", record.vf_index, record.pf), set)
    };
    let set = on_host.set_vf(pf, record.vf_index, &change);
    let Err(first) = tell(&change, set) else { return Ok(()) };
    // Some of it was refused: perhaps what was never changed, because it was refused then too.
    let still = match on_host.vf(pf, record.vf_index) {
        Ok(Some(now)) => change.needed(&now),
        _ => return Err(first.into()),
    };
    let mut failures = Failures::default();
    for single in singles(&still) {
        let set = on_host.set_vf(pf, record.vf_index, &single);
        failures.note(tell(&single, set));
    }
    failures.into_result()
}

/// The same change, one attribute at a time.
fn singles(change: &VfChange) -> impl Iterator<Item = VfChange> {
    let none = VfChange::default();
    [
        VfChange { mac: change.mac, ..none },
        VfChange { vlan: change.vlan, ..none },
        VfChange { rate: change.rate, ..none },
        VfChange { spoofchk: change.spoofchk, ..none },
        VfChange { link_state: change.link_state, ..none },
        VfChange { trust: change.trust, ..none },
        VfChange { node_guid: change.node_guid, ..none },
        VfChange { port_guid: change.port_guid, ..none },
    ]
    .into_iter()
    .filter(|single| !single.is_empty())
}

/// The index of the PF's link now, whatever it is called now.
pub(super) fn pf_index(host: &Host, on_host: &mut Route, record: &Record) -> Result<u32, Error> {
    let gone = || {
        let Record { vf, pf, .. } = record;
        let msg = format!("reach VF {vf}: its PF {pf} has no network interface on the host");
        Error::new(Code::TryAgainLater, msg)
    };
    let name = host.sysfs.uplink(record.pf)?.ok_or_else(gone)?;
    Ok(on_host.link_by_name(&name)?.ok_or_else(gone)?.index)
}

/// The VF's own MAC, and up if it was: after its PF's part, since a driver may refuse an address
/// as long as the PF has assigned another one.
///
/// # Errors
/// When the driver neither takes the MAC nor takes it over from the PF.
pub(super) fn mac(
    host: &Host,
    on_host: &mut Route,
    record: &Record,
    link: &Link,
    own: &HostLink,
    log: &Log,
) -> Result<(), Error> {
    let now = mac::own(on_host, link)?;
    let settled = match own.mac.filter(|mac| now.mac != Some(*mac)) {
        Some(mac) => own_mac(host, on_host, record, &now, mac, log),
        None => Ok(()),
    };
    if own.up && !mac::own(on_host, link)?.up {
        let set = on_host.set_up(link.index);
        log.change(format_args!("set {}: up", now.name), set)?;
    }
    settled
}

fn own_mac(
    host: &Host,
    on_host: &mut Route,
    record: &Record,
    link: &Link,
    mac: Mac,
    log: &Log,
) -> Result<(), Error> {
    let by_pf = match &record.before {
        Some(before) => Some((pf_index(host, on_host, record)?, before)),
        None => None,
    };
    let pf = by_pf.map(|(pf, before)| (pf, before.index));
    let assignment = mac::ask(on_host, pf, link, mac, log);
    if let (Assignment::Lifted, Some((pf, before))) = (assignment, by_pf) {
        let change = VfChange { mac: Some(before.mac), ..VfChange::default() };
        set(on_host, pf, record, change, log)?;
    }
    let now = mac::own(on_host, link)?;
    mac::settle(on_host, &now, mac, log)
}

/// What of `record` the VF does not have any more.
pub(super) fn missing(record: &Record, now: &VfConfig) -> VfChange {
    record.change.needed(now)
}

#[cfg(test)]
mod tests {
    use conf::{OnOff, VfIndex};

    use super::*;
    use crate::sriov::wish::unread;

    #[test]
    fn singles_are_the_whole() {
        let before = unread(VfIndex(0));
        let all = VfChange {
            mac: Some("02:00:00:00:00:01".parse().unwrap()),
            vlan: Some(before.vlan()),
            rate: Some((1, 2)),
            spoofchk: Some(OnOff::Off),
            trust: Some(OnOff::On),
            link_state: before.link_state,
            node_guid: None,
            port_guid: None,
        };
        let texts: Vec<String> = singles(&all).map(|single| single.to_string()).collect();
        assert_eq!(texts.join(", "), all.to_string());
        assert_eq!(singles(&VfChange::default()).count(), 0);
    }
}
