//! Taking the steps of ADD, and undoing what they did.

use conf::cni::{AddResult, Error, Interface, Ip};
use ipam::nv_ipam::store_error;

use super::step::{FOR_USERSPACE, Step, WITH_NETDEV};
use crate::attachment::{Ipam, Record, State};
use crate::delegate::FailedAdd;
use crate::kernel::netlink::Route;
use crate::lock::VfLock;
use crate::protocol::{Call, Sandbox};
use crate::sriov::addresses::{self, Source};
use crate::sriov::by_pf::ByPf;
use crate::sriov::observe::Observed;
use crate::sriov::wish::Wish;
use crate::sriov::{Host, device_info, link, mac, release};
use crate::transaction;

/// An attachment in the making.
pub(super) struct Attaching<'a> {
    pub(super) host: &'a Host,
    pub(super) call: &'a Call,
    pub(super) sandbox: &'a Sandbox,
    pub(super) wish: &'a Wish,
    pub(super) source: &'a Source,
    pub(super) on_host: Route,
    pub(super) in_container: Route,
    pub(super) observed: Observed,
    pub(super) record: Record,
    /// What a foreign IPAM holds for it.
    pub(super) held: Held,
    /// The interface as the result tells it.
    pub(super) interface: Interface,
    /// Its index in the container.
    pub(super) index: u32,
    /// Addresses, routes and name service.
    pub(super) addresses: AddResult,
}

/// What a foreign IPAM holds for an attachment in the making.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Held {
    /// Nothing: it was not asked.
    Unasked,
    /// Nothing: its ADD failed.
    Refused,
    /// Addresses, or nobody knows.
    Perhaps,
}

impl Attaching<'_> {
    /// Takes all steps of its kind of VF, in order.
    ///
    /// # Errors
    /// The first failure.
    pub(super) fn take_steps(&mut self) -> Result<(), Error> {
        let steps: &[Step] =
            if self.observed.link.is_some() { &WITH_NETDEV } else { &FOR_USERSPACE };
        for step in steps {
            self.call.log.debug(step);
            self.take(*step)?;
        }
        Ok(())
    }

    fn take(&mut self, step: Step) -> Result<(), Error> {
        match step {
            Step::AskForMac => self.ask_for_mac(),
            Step::SetVfAttributes => self.set_vf_attributes(),
            Step::MoveIntoContainer => self.move_into_container(),
            Step::SetUpLink => self.set_up_link(),
            Step::AskIpam => self.ask_ipam(),
            Step::GiveAddresses => self.give_addresses(),
            Step::DescribeDevice => self.describe_device(),
            Step::Finish => self.finish(),
        }
    }

    fn ask_for_mac(&mut self) -> Result<(), Error> {
        if let (Some(link), Some(mac)) = (&self.observed.link, self.wish.conf.mac) {
            let by_pf = self.observed.by_pf.as_ref();
            let by_pf = by_pf.and_then(|(pf, _)| ByPf::at(&self.record, *pf));
            // The next step has the PF assign it, lifted or not.
            mac::ask(&mut self.on_host, by_pf, link, mac, &self.call.log);
        }
        Ok(())
    }

    fn set_vf_attributes(&mut self) -> Result<(), Error> {
        let Some((pf, before)) = &self.observed.by_pf else { return Ok(()) };
        self.interface.mac = Some(before.mac)
            .filter(|mac| !mac.is_zero())
            .or(self.record.change.mac)
            .map(|mac| mac.to_string())
            .unwrap_or_default();
        let change = self.record.applied();
        if change.is_empty() {
            return Ok(());
        }
        if let Some(mac) = change.mac {
            self.interface.mac = mac.to_string();
        }
        let set = self.on_host.set_vf(*pf, self.record.vf_index, &change);
        let Record { vf_index, pf, .. } = &self.record;
        self.call.log.change(format_args!("set VF {vf_index} of {pf}: {change}"), set)?;
        Ok(())
    }

    fn move_into_container(&mut self) -> Result<(), Error> {
        let Some(own) = &self.observed.link else { return Ok(()) };
        let ifname = &self.record.key.ifname;
        link::move_into(&mut self.on_host, own, self.sandbox, ifname, &self.call.log)
    }

    fn set_up_link(&mut self) -> Result<(), Error> {
        let (ifname, log) = (&self.record.key.ifname, &self.call.log);
        let container = &mut self.in_container;
        let sysfs = &self.host.sysfs;
        let link = link::set_up(container, sysfs, self.sandbox, self.wish, ifname, log)?;
        self.index = link.index;
        self.interface.mac = link.mac.map(|mac| mac.to_string()).unwrap_or_default();
        self.interface.mtu = Some(link.mtu);
        Ok(())
    }

    fn ask_ipam(&mut self) -> Result<(), Error> {
        let Source::Foreign(delegate, _) = self.source else { return Ok(()) };
        self.held = Held::Perhaps;
        match addresses::ask(delegate, self.call, &self.record.key, self.sandbox) {
            Ok(addresses) => {
                self.addresses = addresses;
                Ok(())
            }
            Err(FailedAdd { error, gave_nothing }) => {
                if gave_nothing {
                    self.held = Held::Refused;
                }
                Err(error)
            }
        }
    }

    fn give_addresses(&mut self) -> Result<(), Error> {
        let (ifname, log) = (&self.record.key.ifname, &self.call.log);
        let there = &mut self.in_container;
        link::give(there, self.sandbox, ifname, self.index, &self.addresses, log)
    }

    fn describe_device(&mut self) -> Result<(), Error> {
        if let Some(path) = &self.record.device_info {
            let made = device_info::write(&self.host.sysfs, path, &self.observed.device)?;
            if !made {
                self.record.device_info = None;
            }
        }
        Ok(())
    }

    fn finish(&mut self) -> Result<(), Error> {
        self.record.state = State::Attached;
        transaction::write(&self.host.store, |txn| {
            txn.put_attachment(&self.record.key, &self.record).map_err(store_error)
        })
    }

    /// Nobody waits for it, and nothing fails by it: neighbours that do not hear it learn later.
    pub(super) fn announce(&mut self) {
        if self.observed.link.is_some()
            && let Ok(mac) = self.interface.mac.parse()
        {
            let (there, netns) = (&mut self.in_container, &self.sandbox.netns);
            link::announce(there, netns, self.index, mac, &self.addresses, &self.call.log);
        }
    }

    /// Undoes what was done, by DEL's order; what fails in it joins the failure that led to it.
    pub(super) fn undo(mut self, error: Error, lock: VfLock) -> Error {
        self.call.log.info(&format_args!("undoing ADD of {}: {error}", self.record.key));
        match (&mut self.record.ipam, self.held) {
            (Ipam::Foreign(_), Held::Unasked) => self.record.ipam = Ipam::None,
            (Ipam::Foreign(memory), Held::Refused) => memory.refused = true,
            _ => {}
        }
        let netns = Some(self.sandbox.path.as_path());
        let log = &self.call.log;
        match release::release(self.host, log, None, &self.record, netns, Some(lock)) {
            Ok(()) => error,
            Err(another) => error.and(format_args!("while undoing it: {another}")),
        }
    }

    /// The result, after those of the plugins before this one.
    pub(super) fn result(&self, previous: AddResult) -> AddResult {
        let mut result = previous;
        let own = result.interfaces.len();
        result.interfaces.push(Interface {
            name: self.record.key.ifname.to_string(),
            sandbox: self.sandbox.path.display().to_string(),
            pci_id: self.record.vf.to_string(),
            ..self.interface.clone()
        });
        let ips = self.addresses.ips.iter().cloned();
        result.ips.extend(ips.map(|ip| Ip { interface: Some(own), ..ip }));
        result.routes.extend(self.addresses.routes.iter().cloned());
        for dns in [&self.addresses.dns, &self.wish.conf.dns] {
            if !dns.is_empty() {
                result.dns = dns.clone();
            }
        }
        result
    }
}
