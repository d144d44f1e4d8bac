//! ADD: the order of an attachment.

use std::fmt;
use std::path::Path;
use std::time::Duration;

use conf::cni::{AddResult, Error, Interface, Ip};
use ipam::nv_ipam::store_error;
use ipam::{AttachmentKey, Root};

use super::addresses::{self, Source};
use super::by_pf::ByPf;
use super::device::Device;
use super::observe::Observed;
use super::wish::Wish;
use super::{Host, claim, device_info, link, mac, release};
use crate::attachment::{FORMAT, HostLink, Ipam, Record, State};
use crate::kernel::netlink::Route;
use crate::lock::{Patience, Purpose, VfLock};
use crate::protocol::{Call, Sandbox};
use crate::transaction;

/// How long to wait for a VF that is just being given back, or that the daemon is at work on.
const PATIENCE: Duration = Duration::from_secs(20);

/// One step of ADD, after the claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    AskForMac,
    SetVfAttributes,
    MoveIntoContainer,
    SetUpLink,
    AskIpam,
    GiveAddresses,
    DescribeDevice,
    Finish,
}

/// The order for a VF with a netdev. A foreign IPAM comes after the link is up, since a DHCP
/// client needs it so.
const WITH_NETDEV: [Step; 8] = [
    Step::AskForMac,
    Step::SetVfAttributes,
    Step::MoveIntoContainer,
    Step::SetUpLink,
    Step::AskIpam,
    Step::GiveAddresses,
    Step::DescribeDevice,
    Step::Finish,
];

/// The order for a VF that user space drives: addresses are only told.
const FOR_USERSPACE: [Step; 4] =
    [Step::SetVfAttributes, Step::AskIpam, Step::DescribeDevice, Step::Finish];

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AskForMac => "ask for the MAC",
            Self::SetVfAttributes => "set VF attributes",
            Self::MoveIntoContainer => "move into the container",
            Self::SetUpLink => "set up the link",
            Self::AskIpam => "ask for addresses",
            Self::GiveAddresses => "give addresses",
            Self::DescribeDevice => "describe the device",
            Self::Finish => "finish",
        })
    }
}

/// An attachment in the making.
struct Attaching<'a> {
    host: &'a Host,
    call: &'a Call,
    sandbox: &'a Sandbox,
    wish: &'a Wish,
    source: &'a Source,
    on_host: Route,
    in_container: Route,
    observed: Observed,
    record: Record,
    /// Whether a foreign IPAM may have given addresses.
    asked: bool,
    /// The interface as the result tells it.
    interface: Interface,
    /// Its index in the container.
    index: u32,
    /// Addresses, routes and name service.
    addresses: AddResult,
}

/// Attaches `key`.
pub(super) fn add(
    root: &Root,
    call: &Call,
    key: &AttachmentKey,
    netns: &Path,
) -> Result<AddResult, Error> {
    // What can be known to be wrong is found out before anything is touched.
    let sandbox = Sandbox::open(call, netns)?;
    let wish = Wish::read(call)?;
    let previous = call.prev_result()?.unwrap_or_default();
    let source = Source::prepare(root, call, &wish, key, &sandbox)?;
    let device = Device::find(&super::sysfs(root), wish.vf)?;
    let mut in_container = Route::open_in(&sandbox.netns)?;
    if !device.driver.is_userspace() {
        link::refuse_taken_name(&mut in_container, key, &sandbox)?;
    }

    let host = Host::open(root.clone())?;
    let patience = Patience::WaitUnlessAttaching(PATIENCE);
    let lock = VfLock::take(root, wish.vf, Purpose::Attach(key.clone()), patience)?;
    let mut on_host = Route::open()?;
    claim::make_room(&host, &call.log, wish.vf, key)?;
    let observed = Observed::look(&mut on_host, &host.sysfs, &wish, &call.log)?;
    let record = record(&observed, call, key, &sandbox, &wish, &source);
    let allocation = claim::claim(&host, &record, source.request())?;
    if let Some(allocation) = &allocation {
        allocation.notes().iter().for_each(|note| call.log.warning(note));
    }
    let mut attaching = Attaching {
        host: &host,
        call,
        sandbox: &sandbox,
        wish: &wish,
        source: &source,
        on_host,
        in_container,
        observed,
        record,
        asked: false,
        interface: Interface::default(),
        index: 0,
        addresses: allocation.map(|allocation| allocation.result()).unwrap_or_default(),
    };
    match attaching.take_steps() {
        Ok(()) => {
            attaching.announce();
            call.log.info(&format_args!("attached VF {} as {key}", wish.vf));
            Ok(attaching.result(previous))
        }
        Err(error) => Err(attaching.undo(error, lock)),
    }
}

/// What DEL will need, however far this comes.
fn record(
    observed: &Observed,
    call: &Call,
    key: &AttachmentKey,
    sandbox: &Sandbox,
    wish: &Wish,
    source: &Source,
) -> Record {
    let Observed { device, link, by_pf } = observed;
    Record {
        format: FORMAT,
        state: State::Intent,
        key: key.clone(),
        network: call.network.clone(),
        pod: wish.pod.clone(),
        netns: sandbox.path.clone(),
        netns_cookie: sandbox.cookie,
        vf: device.vf,
        incarnation: device.incarnation,
        pf: device.pf,
        vf_index: device.index,
        driver: device.driver.clone(),
        link: link.as_ref().map(HostLink::from),
        before: by_pf.as_ref().map(|(_, before)| before.clone()),
        change: by_pf.as_ref().map(|(_, before)| wish.change(before)).unwrap_or_default(),
        mtu: wish.conf.mtu,
        ipam: source.memory(),
        device_info: device_info::wanted(wish),
    }
}

impl Attaching<'_> {
    fn take_steps(&mut self) -> Result<(), Error> {
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
        let link = link::set_up(&mut self.in_container, self.sandbox, self.wish, ifname, log)?;
        self.index = link.index;
        self.interface.mac = link.mac.map(|mac| mac.to_string()).unwrap_or_default();
        self.interface.mtu = Some(link.mtu);
        Ok(())
    }

    fn ask_ipam(&mut self) -> Result<(), Error> {
        let Source::Foreign(delegate, _) = self.source else { return Ok(()) };
        self.asked = true;
        self.addresses = addresses::ask(delegate, self.call, &self.record.key, self.sandbox)?;
        Ok(())
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
    fn announce(&self) {
        if self.observed.link.is_some()
            && let Ok(mac) = self.interface.mac.parse()
        {
            link::announce(&self.sandbox.netns, self.index, mac, &self.addresses, &self.call.log);
        }
    }

    /// Undoes what was done, by DEL's order; what fails in it joins the failure that led to it.
    fn undo(mut self, error: Error, lock: VfLock) -> Error {
        self.call.log.info(&format_args!("undoing ADD of {}: {error}", self.record.key));
        if !self.asked && matches!(self.source, Source::Foreign(..)) {
            self.record.ipam = Ipam::None;
        }
        let netns = Some(self.sandbox.path.as_path());
        match release::release(self.host, &self.call.log, &self.record, netns, Some(lock)) {
            Ok(()) => error,
            Err(another) => error.and(format_args!("while undoing it: {another}")),
        }
    }

    /// The result, after those of the plugins before this one.
    fn result(&self, previous: AddResult) -> AddResult {
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
