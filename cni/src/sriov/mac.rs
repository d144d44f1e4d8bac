//! A VF's own MAC, which not every driver lets it change.
//!
//! Once the PF has assigned one, igb refuses every address that an untrusted VF asks for, the
//! assigned one included (`igb_set_vf_mac_addr`, drivers/net/ethernet/intel/igb/igb_main.c), and
//! igbvf takes the assigned one over only when it is closed (`igbvf_reset`, igbvf/netdev.c).
//! Others take it over by themselves, or want to be told. So: ask; when that is refused have the
//! PF lift its assignment and ask again; and when that is refused too, open and close, and look.

use conf::cni::{Code, Error};
use conf::{Mac, VfIndex};

use crate::kernel::link::Link;
use crate::kernel::netlink::Route;
use crate::kernel::vf::VfChange;
use crate::log::Log;

/// Whether the PF must assign the VF's MAC anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Assignment {
    /// It is as it was.
    Untouched,
    /// It was lifted.
    Lifted,
}

/// Gives the VF's link, which is on the host, this MAC, lifting what its PF (by index) has
/// assigned if need be. A refusal is no failure yet: [`settle`] comes later.
pub(super) fn ask(
    on_host: &mut Route,
    by_pf: Option<(u32, VfIndex)>,
    link: &Link,
    mac: Mac,
    log: &Log,
) -> Assignment {
    if link.mac == Some(mac) {
        return Assignment::Untouched;
    }
    let name = &link.name;
    let set = on_host.set_mac(link.index, mac);
    let Err(refused) = log.change(format_args!("set {name}: address {mac}"), set) else {
        return Assignment::Untouched;
    };
    log.debug(&refused);
    let Some((pf, index)) = by_pf else { return Assignment::Untouched };
    let change = VfChange { mac: Some(Mac::ZERO), ..VfChange::default() };
    let lifted = on_host.set_vf(pf, index, &change);
    if let Err(refused) = log.change(format_args!("set VF {index}: {change}"), lifted) {
        log.debug(&refused);
        return Assignment::Untouched;
    }
    let set = on_host.set_mac(link.index, mac);
    if let Err(refused) = log.change(format_args!("set {name}: address {mac}"), set) {
        log.debug(&refused);
    }
    Assignment::Lifted
}

/// Gives the link this MAC, which its PF has assigned. One that was down is down afterwards, one
/// that was up may be either.
///
/// # Errors
/// The driver's refusal, when opening and closing did not help either.
pub(super) fn settle(route: &mut Route, link: &Link, mac: Mac, log: &Log) -> Result<(), Error> {
    if link.mac == Some(mac) {
        return Ok(());
    }
    let (index, name) = (link.index, &link.name);
    let set = route.set_mac(index, mac);
    let Err(refused) = log.change(format_args!("set {name}: address {mac}"), set) else {
        return Ok(());
    };
    let set = route.set_up(index).and_then(|()| route.set_down(index));
    log.change(format_args!("set {name}: up and down, for the MAC of its PF"), set)?;
    let taken_over = own(route, link)?.mac == Some(mac);
    if taken_over { Ok(()) } else { Err(refused.into()) }
}

/// The link as it is now.
pub(super) fn own(route: &mut Route, link: &Link) -> Result<Link, Error> {
    route.link_by_index(link.index)?.ok_or_else(|| {
        Error::new(Code::TryAgainLater, format!("look at {}: it is gone", link.name))
    })
}
