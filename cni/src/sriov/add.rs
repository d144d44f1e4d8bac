//! ADD: the order of an attachment.

mod attaching;
mod step;

use std::path::Path;
use std::time::Duration;

use conf::cni::{AddResult, Error, Interface};
use ipam::{AttachmentKey, Root};

use self::attaching::{Attaching, Held};
use super::addresses::Source;
use super::claim::Claim;
use super::device::Device;
use super::observe::Observed;
use super::wish::Wish;
use super::{Host, claim, device_info, link};
use crate::attachment::{FORMAT, HostLink, Record, State};
use crate::kernel::netlink::Route;
use crate::leases;
use crate::lock::{Patience, Purpose, VfLock};
use crate::protocol::{Call, Sandbox};

/// How long to wait for a VF that is just being given back, or that the daemon is at work on.
const PATIENCE: Duration = Duration::from_secs(20);

/// Attaches `key`.
pub(super) fn add(
    root: &Root,
    call: &Call,
    key: &AttachmentKey,
    netns: &Path,
) -> Result<AddResult, Error> {
    // What can be known to be wrong is found out before anything is touched.
    let (sandbox, mut in_container) = Sandbox::open(call, netns)?;
    let wish = Wish::read(call)?;
    let previous = call.prev_result()?.unwrap_or_default();
    let source = Source::prepare(root, call, &wish, key, &sandbox)?;
    let device = Device::find(&super::sysfs(root), wish.vf)?;
    if !device.driver.is_userspace() {
        link::refuse_taken_name(&mut in_container, key, &sandbox)?;
    }

    let host = Host::open_for_verb(root.clone())?;
    let patience = Patience::WaitUnlessAttaching(PATIENCE);
    let lock = VfLock::take(root, wish.vf, Purpose::Attach(key.clone()), patience)?;
    let mut on_host = Route::open()?;
    let mut attempt = || {
        let observed = Observed::look(&mut on_host, &host.sysfs, &device, &wish, &call.log)?;
        let record = record(&observed, call, key, &sandbox, &wish, &source);
        let claim = || claim::claim(&host, &record, source.request());
        let claim = match source.request() {
            Some(_) => leases::lease(&host.root, &host.store, &call.log, claim)?,
            None => claim()?,
        };
        Ok((observed, record, claim))
    };
    // A VF is free as a rule. Only where it is not to be had, who has it is looked for.
    let (observed, record, allocation) = match attempt() {
        Ok((observed, record, Claim::Granted(allocation))) => (observed, record, allocation),
        outcome => {
            let there_is_room = claim::make_room(&host, &call.log, wish.vf, key)?;
            if let (false, Err(error)) = (there_is_room, outcome) {
                return Err(error);
            }
            match attempt()? {
                (observed, record, Claim::Granted(allocation)) => (observed, record, allocation),
                (_, _, Claim::Refused) => return Err(claim::refused(wish.vf)),
            }
        }
    };
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
        held: Held::Unasked,
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
    let Observed { device, link, tuning, tuned, by_pf } = observed;
    let host_link =
        |link| HostLink { tuning: tuning.clone(), tuned: tuned.clone(), ..HostLink::from(link) };
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
        link: link.as_ref().map(host_link),
        before: by_pf.as_ref().map(|(_, before)| before.clone()),
        change: by_pf.as_ref().map(|(_, before)| wish.change(before)).unwrap_or_default(),
        mtu: wish.conf.mtu,
        ipam: source.memory(),
        device_info: device_info::wanted(wish),
        reset: wish.conf.reset_on_release,
        fence: None,
    }
}
