//! IP addresses of a link.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Instant;

use ipnetwork::IpNetwork;
use netlink_packet_core::{NLM_F_CREATE, NLM_F_EXCL, Parseable};
use netlink_packet_route::address::{AddressAttribute, AddressFlags, AddressMessage};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};

use super::monitor::{Monitor, Topic};
use super::netlink::{Route, malformed};
use super::{Cause, Change, Errno, Error};

/// One address of a link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// The link.
    pub index: u32,
    /// Address and prefix length.
    pub network: IpNetwork,
    /// Duplicate address detection has not finished (IFA_F_TENTATIVE without IFA_F_OPTIMISTIC):
    /// it cannot be used yet.
    pub tentative: bool,
    /// Another host has it (IFA_F_DADFAILED): it cannot be used.
    pub duplicate: bool,
}

/// Duplicate address detection of an IPv6 address; IPv4 has none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Dad {
    /// None (IFA_F_NODAD): usable at once. Right where an IPAM vouches for uniqueness.
    #[default]
    Skip,
    /// Usable while it runs (IFA_F_OPTIMISTIC, RFC 4429), where the interface's `optimistic_dad`
    /// is on.
    Optimistic,
    /// As the kernel does by default: unusable for a second or two.
    Full,
}

impl Route {
    /// The addresses of a link.
    pub fn addresses(&mut self, index: u32) -> Result<Vec<Address>, Error> {
        let mut message = AddressMessage::default();
        message.header.index = index;
        let read = |payload: &[u8]| {
            let found = AddressMessage::parse(payload).map_err(malformed)?;
            Ok(read_address(&found).filter(|address| address.index == index))
        };
        match self.dump(&RouteNetlinkMessage::GetAddress(message), read) {
            Ok(addresses) => Ok(addresses),
            Err(cause) => Err(self.failed(index, "list", "addresses", cause)),
        }
    }

    /// Gives a link an address. An IPv4 address gets its broadcast address where it has one.
    pub fn add_address(
        &mut self,
        index: u32,
        network: IpNetwork,
        dad: Dad,
    ) -> Result<Change, Error> {
        let message = RouteNetlinkMessage::NewAddress(address_message(index, network, dad));
        let Err(cause) = self.change(message, NLM_F_CREATE | NLM_F_EXCL) else {
            return Ok(Change::Changed);
        };
        // EEXIST is also said of the same IPv6 address with another prefix length.
        let exists = matches!(cause, Cause::Errno { errno: Errno::EEXIST, .. });
        if exists && self.addresses(index)?.iter().any(|address| address.network == network) {
            return Ok(Change::Same);
        }
        Err(self.failed(index, "add", format_args!("address {network}"), cause))
    }

    /// Takes an address from a link.
    pub fn remove_address(&mut self, index: u32, network: IpNetwork) -> Result<Change, Error> {
        let message = address_message(index, network, Dad::Full);
        match self.change(RouteNetlinkMessage::DelAddress(message), 0) {
            Ok(()) => Ok(Change::Changed),
            Err(Cause::Errno { errno: Errno::EADDRNOTAVAIL, .. }) => Ok(Change::Same),
            Err(cause) => {
                Err(self.failed(index, "remove", format_args!("address {network}"), cause))
            }
        }
    }

    /// Waits until no address of the link is tentative. An address that another host has is an
    /// error (EADDRINUSE), and so is the deadline.
    pub fn wait_addresses_usable(&mut self, index: u32, deadline: Instant) -> Result<(), Error> {
        // Listening begins before the first look: nothing is missed in between.
        let mut monitor = Monitor::open_in(&self.netns()?, &[Topic::Addresses])?;
        let begun = Instant::now();
        let settled = monitor.until(deadline, || {
            let addresses = self.addresses(index)?;
            if let Some(address) = addresses.iter().find(|address| address.duplicate) {
                let what = format!("address {}", address.network);
                return Err(self.failed(index, "use", what, Errno::EADDRINUSE.into()));
            }
            Ok((!addresses.iter().any(|address| address.tentative)).then_some(()))
        })?;
        settled.ok_or_else(|| {
            let cause = Cause::Deadline(deadline.saturating_duration_since(begun));
            self.failed(index, "wait for", "addresses to be usable", cause)
        })
    }
}

fn address_message(index: u32, network: IpNetwork, dad: Dad) -> AddressMessage {
    let mut message = AddressMessage::default();
    message.header.index = index;
    message.header.prefix_len = network.prefix();
    let address = network.ip();
    message.attributes.push(AddressAttribute::Local(address));
    message.attributes.push(AddressAttribute::Address(address));
    match network {
        IpNetwork::V4(network) => {
            message.header.family = AddressFamily::Inet;
            // RFC 3021: a point-to-point /31 has no broadcast address, nor has a /32.
            if network.prefix() < 31 {
                let broadcast: Ipv4Addr = network.broadcast();
                message.attributes.push(AddressAttribute::Broadcast(broadcast));
            }
        }
        IpNetwork::V6(_) => {
            message.header.family = AddressFamily::Inet6;
            let flags = match dad {
                Dad::Skip => AddressFlags::Nodad,
                Dad::Optimistic => AddressFlags::Optimistic,
                Dad::Full => AddressFlags::empty(),
            };
            message.attributes.push(AddressAttribute::Flags(flags));
        }
    }
    message
}

/// `None` when it has no address of a family that railhead knows.
fn read_address(message: &AddressMessage) -> Option<Address> {
    let (mut local, mut peer) = (None, None);
    let mut flags = AddressFlags::from_bits_retain(u32::from(message.header.flags.bits()));
    for attribute in &message.attributes {
        match attribute {
            // IFA_LOCAL is the link's own; IFA_ADDRESS is the peer's on a point-to-point link.
            AddressAttribute::Local(address) => local = Some(*address),
            AddressAttribute::Address(address) => peer = Some(*address),
            AddressAttribute::Flags(all) => flags = *all,
            _ => {}
        }
    }
    let address: IpAddr = local.or(peer)?;
    let usable =
        !flags.contains(AddressFlags::Tentative) || flags.contains(AddressFlags::Optimistic);
    Some(Address {
        index: message.header.index,
        network: IpNetwork::new(address, message.header.prefix_len).ok()?,
        tentative: !usable,
        duplicate: flags.contains(AddressFlags::Dadfailed),
    })
}
