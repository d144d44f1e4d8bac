//! The VF's netdev on its way into the container, and there.

use std::net::IpAddr;

use conf::cni::{AddResult, Code, Error};
use conf::{IfName, Mac};
use ipam::AttachmentKey;
use ipnetwork::IpNetwork;

use super::wish::Wish;
use super::{mac, routes};
use crate::kernel::announce::Announcer;
use crate::kernel::link::{Link, Moved};
use crate::kernel::netlink::Route;
use crate::kernel::netns::Netns;
use crate::kernel::sysctl::{self, Family, Setting};
use crate::kernel::sysfs::Sysfs;
use crate::kernel::{Change, Errno};
use crate::log::Log;
use crate::protocol::Sandbox;

/// Refuses an interface name that the container has already, before anything is touched: the
/// kernel itself would only tell after the move.
pub(super) fn refuse_taken_name(
    in_container: &mut Route,
    key: &AttachmentKey,
    sandbox: &Sandbox,
) -> Result<(), Error> {
    match in_container.link_by_name(&key.ifname)? {
        None => Ok(()),
        Some(_) => Err(Error::new(
            Code::InvalidEnvironment,
            format!(
                "CNI_IFNAME {}: the namespace {} has an interface of that name",
                key.ifname,
                sandbox.path.display()
            ),
        )),
    }
}

/// Moves the VF's netdev into the container, under its name there.
pub(super) fn move_into(
    on_host: &mut Route,
    own: &Link,
    sandbox: &Sandbox,
    ifname: &IfName,
    log: &Log,
) -> Result<(), Error> {
    // A link cannot have a name that is an altname of its own (EEXIST). DEL puts it back.
    if own.altnames.iter().any(|altname| altname == ifname.as_str()) {
        let removed = on_host.remove_altname(own.index, ifname.as_str());
        log.change(format_args!("remove altname {ifname} of {}", own.name), removed)?;
    }
    let what = format_args!("move {} to {} as {ifname}", own.name, sandbox.path.display());
    log.debug(&what);
    match on_host.move_and_rename(own.index, &sandbox.netns, ifname) {
        Ok(Moved::Renamed) => Ok(()),
        Ok(Moved::NotRenamed(error)) => Err(error.into()),
        Err(error) if error.is(Errno::EEXIST) && !own.altnames.is_empty() => {
            let altnames = own.altnames.join(", ");
            Err(Error::from(error).details(format!(
                "one of its altnames ({altnames}) is a name in the container's namespace"
            )))
        }
        Err(error) => Err(error.into()),
    }
}

/// MTU, MAC and sysctls, then up; the link as it is then.
pub(super) fn set_up(
    in_container: &mut Route,
    sysfs: &Sysfs,
    sandbox: &Sandbox,
    wish: &Wish,
    ifname: &IfName,
    log: &Log,
) -> Result<Link, Error> {
    if wish.conf.mtu.is_some() || wish.conf.mac.is_some() {
        settle(in_container, sysfs, wish, ifname, log)?;
    }
    notify_neighbours(sandbox, ifname, log)?;
    let set = in_container.set_up_by_name(ifname);
    log.change(format_args!("set {ifname}: up"), set)?;
    let link = own_link(in_container, sysfs, wish, ifname)?;
    match wish.conf.mac.filter(|mac| link.mac != Some(*mac)) {
        None => Ok(link),
        Some(mac) => Err(Error::new(
            Code::KernelRefused,
            format!(
                "set MAC {mac} of VF {}: its driver accepted it, but shows {}",
                wish.vf,
                link.mac.map_or_else(|| "none".to_owned(), |mac| mac.to_string())
            ),
        )),
    }
}

fn settle(
    in_container: &mut Route,
    sysfs: &Sysfs,
    wish: &Wish,
    ifname: &IfName,
    log: &Log,
) -> Result<(), Error> {
    let link = own_link(in_container, sysfs, wish, ifname)?;
    if let Some(mtu) = wish.conf.mtu.filter(|mtu| mtu.get() != link.mtu) {
        let set = in_container.set_mtu(link.index, mtu);
        log.change(format_args!("set {ifname}: mtu {mtu}"), set)?;
    }
    wish.conf.mac.map_or(Ok(()), |mac| mac::settle(in_container, &link, mac, log))
}

fn own_link(
    in_container: &mut Route,
    sysfs: &Sysfs,
    wish: &Wish,
    ifname: &IfName,
) -> Result<Link, Error> {
    let link = in_container.link_by_name(ifname)?;
    link.filter(|link| link.pci(sysfs).is_none_or(|pci| pci == wish.vf)).ok_or_else(|| {
        Error::new(
            Code::KernelRefused,
            format!("find VF {} as {ifname} in the container: it is not there", wish.vf),
        )
    })
}

/// Lets the kernel tell the neighbours when the link is set up again, or gets another MAC.
fn notify_neighbours(sandbox: &Sandbox, ifname: &IfName, log: &Log) -> Result<(), Error> {
    let settings = [
        Setting { family: Family::Ipv4, key: "arp_notify", value: 1 },
        Setting { family: Family::Ipv6, key: "ndisc_notify", value: 1 },
    ];
    tune(sandbox, ifname, &settings, log)
}

/// Sets what nothing depends on: with a read-only /proc/sys the neighbours learn by themselves.
fn tune(sandbox: &Sandbox, ifname: &IfName, settings: &[Setting], log: &Log) -> Result<(), Error> {
    let outcomes = sysctl::set(&sandbox.netns, ifname, settings)?;
    for (setting, outcome) in settings.iter().zip(outcomes) {
        match outcome {
            Ok(Change::Changed) => {
                log.debug(&format_args!("set {ifname}: {} {}", setting.key, setting.value));
            }
            Ok(Change::Same) => {}
            // A kernel without IPv6 has none of its keys.
            Err(error) if error.is(Errno::ENOENT) => {}
            Err(error) => log.warning(&error),
        }
    }
    Ok(())
}

/// Gives the link its addresses and routes.
pub(super) fn give(
    in_container: &mut Route,
    sandbox: &Sandbox,
    ifname: &IfName,
    index: u32,
    wanted: &AddResult,
    log: &Log,
) -> Result<(), Error> {
    if wanted.ips.iter().any(|ip| ip.address.is_ipv6()) {
        allow_ipv6(sandbox, ifname, log)?;
    }
    for ip in &wanted.ips {
        let added = in_container.add_address(index, ip.address);
        log.change(format_args!("add {ifname}: address {}", ip.address), added)?;
    }
    routes::add(in_container, ifname, index, wanted, log)
}

fn allow_ipv6(sandbox: &Sandbox, ifname: &IfName, log: &Log) -> Result<(), Error> {
    let settings = [
        Setting { family: Family::Ipv6, key: "disable_ipv6", value: 0 },
        Setting { family: Family::Ipv6, key: "keep_addr_on_down", value: 1 },
    ];
    // Whether addresses can be given is for the kernel to say when they are.
    tune(sandbox, ifname, &settings, log)?;
    // What a pod sends to its own address goes by its loopback.
    let Ok(loopback) = "lo".parse() else { return Ok(()) };
    let on = Setting { family: Family::Ipv6, key: "disable_ipv6", value: 0 };
    tune(sandbox, &loopback, &[on], log)
}

/// Tells the neighbours, once. Nobody waits for a link that has no carrier yet, and drops it: they
/// ask again when what they remember does not answer.
pub(super) fn announce(
    in_container: &mut Route,
    netns: &Netns,
    index: u32,
    mac: Mac,
    given: &AddResult,
    log: &Log,
) {
    let networks: Vec<IpNetwork> = given.ips.iter().map(|ip| ip.address).collect();
    for network in &networks {
        let announced = match network.ip() {
            IpAddr::V4(address) if is_alone(*network, &networks) => {
                in_container.announce(index, address)
            }
            address => Announcer::open_in(netns, index, mac, address)
                .and_then(|mut announcer| announcer.announce(address)),
        };
        if let Err(error) = announced {
            log.warning(&error);
        }
    }
}

/// Whether no other address lies in the network of this one, nor this one in another's: the kernel
/// has no choice then from which one it asks for neighbours.
fn is_alone(network: IpNetwork, all: &[IpNetwork]) -> bool {
    let meets = |other: &&IpNetwork| other.contains(network.ip()) || network.contains(other.ip());
    all.iter().filter(meets).count() == 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_one_network_are_not_alone_in_it() {
        let all = ["10.0.0.2/24", "10.0.0.3/24", "10.0.1.2/24", "10.2.0.1/16", "10.2.3.1/24"];
        let all = all.map(|text| text.parse().unwrap());
        let alone = all.map(|network| is_alone(network, &all));
        assert_eq!(alone, [false, false, true, false, false]);
    }
}
