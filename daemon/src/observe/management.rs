//! PFs that the machine's own traffic depends on: those below a default route.

use std::collections::BTreeMap;

use cni::kernel::Error;
use conf::IfName;

use super::links::Links;
use crate::host::Host;
use crate::snapshot::Pf;

/// The netdevs that carry the default route, IPv4 or IPv6, and why: directly, or below a bond, a
/// bridge, a VLAN that has it.
pub(super) fn netdevs(host: &Host, links: &mut Links) -> Result<BTreeMap<IfName, String>, Error> {
    let mut carrying = BTreeMap::new();
    for top in links.with_default_route()? {
        carrying.insert(top.clone(), "it carries the default route".to_owned());
        descend(host, &top, &mut carrying)?;
    }
    Ok(carrying)
}

/// Adds all that `top` stands on.
fn descend(
    host: &Host,
    top: &IfName,
    carrying: &mut BTreeMap<IfName, String>,
) -> Result<(), Error> {
    let mut uppers = vec![top.clone()];
    while let Some(upper) = uppers.pop() {
        for lower in host.sysfs().lower_netdevs(&upper)? {
            if !carrying.contains_key(&lower) {
                carrying
                    .insert(lower.clone(), format!("it carries the default route (below {top})"));
                uppers.push(lower);
            }
        }
    }
    Ok(())
}

/// Why the machine's own traffic depends on `pf`, by itself or by one of its VFs, which have no
/// link without it.
pub(super) fn of(pf: &Pf, carrying: &BTreeMap<IfName, String>) -> Option<String> {
    let own = pf.netdev.as_ref().and_then(|netdev| carrying.get(&netdev.name)).cloned();
    own.or_else(|| {
        pf.vfs.iter().find_map(|(index, vf)| {
            let why = carrying.get(&vf.netdev.as_ref()?.name)?;
            Some(format!("of its VF {index}: {why}"))
        })
    })
}
