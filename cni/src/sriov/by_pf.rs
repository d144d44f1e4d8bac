//! A VF as its PF has it: finding it, comparing it, and putting it back.

use conf::Mac;
use conf::cni::{Code, Error};

use super::Host;
use crate::attachment::Record;
use crate::failure::Failures;
use crate::kernel::netlink::Route;
use crate::kernel::vf::{VfChange, VfConfig};
use crate::log::Log;

/// A recorded VF on its PF's link.
#[derive(Debug, Clone, Copy)]
pub(super) struct ByPf<'a> {
    record: &'a Record,
    before: &'a VfConfig,
    /// Index of the PF's link, whatever it is called now.
    pf: u32,
}

impl<'a> ByPf<'a> {
    /// The VF of `record`; `None` when nothing of it was in play.
    ///
    /// # Errors
    /// Code 11 when the PF has no link on the host.
    pub(super) fn find(
        host: &Host,
        on_host: &mut Route,
        record: &'a Record,
    ) -> Result<Option<Self>, Error> {
        let Some(before) = &record.before else { return Ok(None) };
        let gone = || {
            let Record { vf, pf, .. } = record;
            let msg = format!("reach VF {vf}: its PF {pf} has no network interface on the host");
            Error::new(Code::TryAgainLater, msg)
        };
        let name = host.sysfs.uplink(record.pf)?.ok_or_else(gone)?;
        let pf = on_host.link_by_name(&name)?.ok_or_else(gone)?.index;
        Ok(Some(Self { record, before, pf }))
    }

    /// The VF of `record`, whose PF's link has the index `pf`; `None` when nothing of it is in
    /// play.
    pub(super) fn at(record: &'a Record, pf: u32) -> Option<Self> {
        Some(Self { record, before: record.before.as_ref()?, pf })
    }

    /// What was asked for and is not so.
    ///
    /// # Errors
    /// When the PF does not tell.
    pub(super) fn missing(&self, on_host: &mut Route) -> Result<VfChange, Error> {
        let Record { pf, vf_index, change, .. } = self.record;
        let now = on_host.vf(self.pf, *vf_index)?.ok_or_else(|| {
            Error::new(Code::KernelRefused, format!("PF {pf} does not know VF {vf_index} any more"))
        })?;
        Ok(change.needed(&now))
    }

    /// Puts back all that ADD has set. One request when all goes well; attribute by attribute when
    /// not.
    ///
    /// # Errors
    /// Every attribute that the driver refuses and that is not as it was.
    pub(super) fn restore(&self, on_host: &mut Route, log: &Log) -> Result<(), Error> {
        let mut change = self.record.applied().undoing(self.before);
        // A user-space driver may have had its VF's MAC changed through the PF, unasked.
        if self.record.link.is_none() {
            let now = on_host.vf(self.pf, self.before.index)?;
            let changed = now.is_some_and(|now| now.mac != self.before.mac);
            change.mac = changed.then_some(self.before.mac);
        }
        self.set(on_host, change, log)
    }

    /// Puts back the assigned MAC, and trust, ahead of the rest: a VF that is closed takes that
    /// MAC over, unless it is trusted and insists on its own.
    pub(super) fn restore_assignment(&self, on_host: &mut Route, log: &Log) {
        if self.record.change.mac.is_none() {
            return;
        }
        let trust = self.record.applied().trust.and(self.before.trust);
        let change = VfChange { mac: Some(self.before.mac), trust, ..VfChange::default() };
        if let Err(error) = self.set(on_host, change, log) {
            // [`ByPf::restore`] tries again, and tells.
            log.debug(&error);
        }
    }

    /// Has the PF assign the MAC that it had assigned.
    ///
    /// # Errors
    /// The driver's refusal.
    pub(super) fn assign_mac_again(&self, on_host: &mut Route, log: &Log) -> Result<(), Error> {
        self.assign_mac(on_host, self.before.mac, log)
    }

    /// Has the PF assign a MAC; zero lifts its assignment.
    ///
    /// # Errors
    /// The driver's refusal.
    pub(super) fn assign_mac(&self, on_host: &mut Route, mac: Mac, log: &Log) -> Result<(), Error> {
        self.set(on_host, VfChange { mac: Some(mac), ..VfChange::default() }, log)
    }

    fn set(&self, on_host: &mut Route, change: VfChange, log: &Log) -> Result<(), Error> {
        if change.is_empty() {
            return Ok(());
        }
        let Record { pf, vf_index, .. } = self.record;
        let tell = |change: &VfChange, set| {
            log.change(format_args!("set VF {vf_index} of {pf}: {change}"), set)
        };
        let set = on_host.set_vf(self.pf, *vf_index, &change);
        let Err(first) = tell(&change, set) else { return Ok(()) };
        // Some of it was refused: perhaps what was never changed, because it was refused then too.
        let still = match on_host.vf(self.pf, *vf_index) {
            Ok(Some(now)) => change.needed(&now),
            _ => return Err(first.into()),
        };
        let mut failures = Failures::default();
        for single in singles(&still) {
            let set = on_host.set_vf(self.pf, *vf_index, &single);
            failures.note(tell(&single, set));
        }
        failures.into_result()
    }
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
