//! A VF's own MAC, which not every driver lets it change.
//!
//! Once the PF has assigned one, igb refuses every address that an untrusted VF asks for, the
//! assigned one included (`igb_set_vf_mac_addr`, drivers/net/ethernet/intel/igb/igb_main.c), and
//! igbvf takes the assigned one over only when it is closed (`igbvf_reset`, igbvf/netdev.c).
//! Others take it over by themselves, or want to be told. So: ask; when that is refused have the
//! PF lift its assignment and ask again; and when that is refused too, open and close, and look.

use conf::Mac;
use conf::cni::{Code, Error};

use super::by_pf::ByPf;
use crate::kernel;
use crate::kernel::link::Link;
use crate::kernel::netlink::Route;
use crate::log::Log;

/// Whether the PF must assign the VF's MAC anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Assignment {
    /// It is as it was.
    Untouched,
    /// It was lifted.
    Lifted,
}

/// Gives the VF's link, which is on the host, this MAC; when that is refused, once more after the
/// PF has lifted its assignment. A refusal is no failure yet: [`settle`] comes later.
pub(super) fn ask(
    on_host: &mut Route,
    by_pf: Option<ByPf<'_>>,
    link: &Link,
    mac: Mac,
    log: &Log,
) -> Assignment {
    if link.mac == Some(mac) || set(on_host, link, mac, log).is_ok() {
        return Assignment::Untouched;
    }
    let Some(by_pf) = by_pf else { return Assignment::Untouched };
    match by_pf.assign_mac(on_host, Mac::ZERO, log) {
        Ok(()) => {
            // Refused again, it is for `settle` to tell.
            set(on_host, link, mac, log).ok();
            Assignment::Lifted
        }
        Err(refused) => {
            log.debug(&refused);
            Assignment::Untouched
        }
    }
}

fn set(route: &mut Route, link: &Link, mac: Mac, log: &Log) -> Result<(), kernel::Error> {
    let set = route.set_mac(link.index, mac);
    let told = log.change(format_args!("set {}: address {mac}", link.name), set);
    told.inspect_err(|refused| log.debug(refused))
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
    let Err(refused) = set(route, link, mac, log) else { return Ok(()) };
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
