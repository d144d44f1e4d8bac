//! The VF as it is before anything is done to it.

use conf::cni::{Code, Error};

use super::device::Device;
use super::wish::{self, Wish};
use crate::in_use::Tables;
use crate::kernel::Cause;
use crate::kernel::link::{Hardware, Link};
use crate::kernel::netlink::Route;
use crate::kernel::sysfs::Sysfs;
use crate::kernel::tuning::{self, Tuned, Tuning};
use crate::kernel::vf::VfConfig;
use crate::log::Log;

/// What was found.
#[derive(Debug)]
pub(super) struct Observed {
    pub(super) device: Device,
    /// Its netdev; absent for a VF that user space drives.
    pub(super) link: Option<Link>,
    /// How that is tuned.
    pub(super) tuning: Option<Tuning>,
    /// What makes it so again.
    pub(super) tuned: Option<Tuned>,
    /// Its PF's link and what that tells of it; absent when the PF has no part in the attachment.
    pub(super) by_pf: Option<(u32, VfConfig)>,
}

impl Observed {
    /// Looks at the VF. At most one request is answered with more than a constant length: that
    /// for the VFs of the PF, and only when the PF has a part in it.
    ///
    /// # Errors
    /// Code 7 when the VF cannot be what is asked for, code 11 when it cannot be now.
    pub(super) fn look(
        host: &mut Route,
        sysfs: &Sysfs,
        device: &Device,
        wish: &Wish,
        log: &Log,
    ) -> Result<Self, Error> {
        let device = device.again(sysfs)?;
        let userspace = device.driver.is_userspace();
        let link = if userspace { None } else { Some(own_link(host, sysfs, &device)?) };
        if let Some(link) = &link {
            refuse_used(host, sysfs, &device, link)?;
        }
        match &link {
            Some(link) => wish.check_mtu(link.min_mtu, link.max_mtu)?,
            // Those who use a VF one way and another share one config.
            None if wish.conf.mtu.is_some() => {
                let hint = format!("mtu has no effect: user space drives VF {}", device.vf);
                log.warning(&hint);
            }
            None => {}
        }
        // The MAC of a user-space VF is only known to its PF, and the result names it.
        let by_pf = if userspace || wish.concerns_pf() {
            Some(as_pf_has_it(host, sysfs, &device, log)?)
        } else {
            None
        };
        let (tuning, tuned) =
            link.as_ref().map(|link| tuning::look(host, sysfs, device.vf, &link.name)).unzip();
        Ok(Self { device, link, tuning, tuned, by_pf })
    }
}

/// The VF's netdev, which must be on the host and speak Ethernet.
fn own_link(host: &mut Route, sysfs: &Sysfs, device: &Device) -> Result<Link, Error> {
    let found = match sysfs.netdevs(device.vf)?.first() {
        // It may have been renamed since.
        Some(name) => host.link_by_name_or_pci(sysfs, name, device.vf)?,
        None => None,
    };
    let link = found.ok_or_else(|| {
        Error::new(
            Code::TryAgainLater,
            format!("use VF {}: it has no network interface on the host", device.vf),
        )
        .details(format!(
            "driver {} makes one, so it may be in another container's namespace, or not be made yet",
            device.driver
        ))
    })?;
    match link.hardware {
        Hardware::Ethernet => Ok(link),
        Hardware::InfiniBand => Err(refused(device, "it is InfiniBand, which needs type ib-sriov")),
        _ => Err(refused(device, "it is not Ethernet")),
    }
}

/// Nobody has it attached: that shows in the store. What the host does with it would be gone for
/// good by DEL.
fn refuse_used(host: &mut Route, sysfs: &Sysfs, device: &Device, link: &Link) -> Result<(), Error> {
    let tables = Tables::of_one(host, link)?;
    let Some(sign) = tables.sign(host, sysfs, link)? else { return Ok(()) };
    let why = format!("use VF {}: the host uses {}: {sign}", device.vf, link.name);
    Err(Error::new(Code::TryAgainLater, why).details(
        "take that off the interface, and keep whatever put it there (NetworkManager, \
         systemd-networkd, a person) from VFs that pods are to have",
    ))
}

fn as_pf_has_it(
    host: &mut Route,
    sysfs: &Sysfs,
    device: &Device,
    log: &Log,
) -> Result<(u32, VfConfig), Error> {
    let Device { vf, pf, index, .. } = device;
    let missing = |what: String| Error::new(Code::TryAgainLater, format!("use VF {vf}: {what}"));
    let name = sysfs
        .uplink(*pf)?
        .ok_or_else(|| missing(format!("its PF {pf} has no network interface on the host")))?;
    let gone = || missing(format!("interface {name} of its PF {pf} is gone"));
    match host.pf_and_vf(&name, *index) {
        Ok(Some((link, Some(config)))) => Ok((link, config)),
        Ok(Some((_, None))) => Err(missing(format!("PF {name} does not know VF {index}"))),
        Ok(None) => Err(gone()),
        Err(error) if matches!(error.cause, Cause::VfInfoTooBig) => {
            log.warning(&format_args!("{error}; DEL will set VF {index} as a new one is"));
            Ok((host.link_by_name(&name)?.ok_or_else(gone)?.index, wish::unread(*index)))
        }
        Err(error) => Err(error.into()),
    }
}

fn refused(device: &Device, why: &str) -> Error {
    Error::new(Code::InvalidConfig, format!("use VF {}: {why}", device.vf))
}
