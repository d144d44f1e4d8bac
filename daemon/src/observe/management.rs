//! PFs that the machine itself is reached by: what its default routes, or else its addresses,
//! stand on, and what the settings name besides.
//!
//! ```text
//! default routes of the main table, else of any table, else global addresses
//!    |   and whatever has, or leads to, the addresses of guard.addresses
//!    |
//!    v
//! netdev --lower_*, Open vSwitch ports--> netdev --> … --> PF, or VF of a PF
//! ```

use std::collections::BTreeMap;
use std::net::IpAddr;

use cni::kernel::Error;
use conf::IfName;
use conf::settings::Guard;

use super::links::Links;
use crate::host::Host;
use crate::snapshot::{Pf, User};

/// What the machine is reached by.
#[derive(Debug, Default)]
pub(super) struct Reached {
    /// Netdevs, each with why: itself, or as a part of a bond, a bridge, a VLAN.
    pub(super) by: BTreeMap<IfName, String>,
    /// Addresses that are to be guarded, and that no netdev leads to.
    pub(super) lost: Vec<IpAddr>,
}

/// Finds them.
pub(super) fn netdevs(host: &Host, links: &mut Links, guard: &Guard) -> Result<Reached, Error> {
    let mut reached = Reached::default();
    let mut tops = links.ways_out()?;
    for address in &guard.addresses {
        let ways = links.ways_to(*address)?;
        if ways.is_empty() && (host.is_live() || host.told().is_some()) {
            reached.lost.push(*address);
        }
        tops.extend(ways);
    }
    for (top, why) in tops {
        descend(host, links, &top, &why, &mut reached.by)?;
        reached.by.entry(top).or_insert(why);
    }
    Ok(reached)
}

/// Adds all that `top` stands on.
fn descend(
    host: &Host,
    links: &Links,
    top: &IfName,
    why: &str,
    carrying: &mut BTreeMap<IfName, String>,
) -> Result<(), Error> {
    let mut uppers = vec![top.clone()];
    while let Some(upper) = uppers.pop() {
        let lowers = host.sysfs().lower_netdevs(&upper)?;
        for lower in lowers.into_iter().chain(links.switch_ports(&upper)) {
            if !carrying.contains_key(&lower) {
                carrying.insert(lower.clone(), format!("{why} (below {top})"));
                uppers.push(lower);
            }
        }
    }
    Ok(())
}

/// Notes on `pf` why the machine depends on it: by itself, or by one of its VFs, which have no
/// link without it. Such a VF is in use, by the machine.
pub(super) fn mark(pf: &mut Pf, carrying: &BTreeMap<IfName, String>) {
    for vf in pf.vfs.values_mut() {
        let why = vf.netdev.as_ref().and_then(|netdev| carrying.get(&netdev.name));
        if let (Some(why), None | Some(User::Host { .. })) = (why, &vf.user) {
            vf.user = Some(User::Machine { why: why.clone() });
        }
    }
    let own = pf.netdev.as_ref().and_then(|netdev| carrying.get(&netdev.name)).cloned();
    pf.management = own.or_else(|| {
        pf.vfs.iter().find_map(|(index, vf)| {
            let why = carrying.get(&vf.netdev.as_ref()?.name)?;
            Some(format!("of its VF {index}: {why}"))
        })
    });
}
