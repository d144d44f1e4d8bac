//! IP addresses of a link.

use std::net::{IpAddr, Ipv4Addr};

use ipnetwork::IpNetwork;
use netlink_packet_core::{NLM_F_CREATE, NLM_F_EXCL, Parseable};
use netlink_packet_route::address::{AddressAttribute, AddressFlags, AddressMessage, AddressScope};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};

use super::netlink::{Route, malformed};
use super::{Cause, Change, Errno, Error};

/// One address of a link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// The link.
    pub index: u32,
    /// Address and prefix length.
    pub network: IpNetwork,
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

    /// The addresses of all links of the namespace by which others can reach it: of the scope
    /// `global`, so neither link-local nor loopback ones.
    pub fn global_addresses(&mut self) -> Result<Vec<Address>, Error> {
        self.addresses_of_all(|found| found.header.scope == AddressScope::Universe)
    }

    /// The addresses of all links of the namespace.
    pub fn all_addresses(&mut self) -> Result<Vec<Address>, Error> {
        self.addresses_of_all(|_| true)
    }

    fn addresses_of_all(
        &mut self,
        is_wanted: impl Fn(&AddressMessage) -> bool,
    ) -> Result<Vec<Address>, Error> {
        let read = |payload: &[u8]| {
            let found = AddressMessage::parse(payload).map_err(malformed)?;
            Ok(read_address(&found).filter(|_| is_wanted(&found)))
        };
        self.dump(&RouteNetlinkMessage::GetAddress(AddressMessage::default()), read)
            .map_err(|cause| Error::new("list", "addresses", cause))
    }

    /// Gives a link an address. An IPv4 address gets its broadcast address where it has one; an
    /// IPv6 address is usable at once (IFA_F_NODAD): the IPAM vouches that nobody else has it, and
    /// looking for another owner would take a second and more.
    pub fn add_address(&mut self, index: u32, network: IpNetwork) -> Result<Change, Error> {
        let message = RouteNetlinkMessage::NewAddress(address_message(index, network));
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
}

fn address_message(index: u32, network: IpNetwork) -> AddressMessage {
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
            message.attributes.push(AddressAttribute::Flags(AddressFlags::Nodad));
        }
    }
    message
}

/// `None` when it has no address of a family that railhead knows.
fn read_address(message: &AddressMessage) -> Option<Address> {
    let (mut local, mut peer) = (None, None);
    for attribute in &message.attributes {
        match attribute {
            // IFA_LOCAL is the link's own; IFA_ADDRESS is the peer's on a point-to-point link.
            AddressAttribute::Local(address) => local = Some(*address),
            AddressAttribute::Address(address) => peer = Some(*address),
            _ => {}
        }
    }
    let address: IpAddr = local.or(peer)?;
    Some(Address {
        index: message.header.index,
        network: IpNetwork::new(address, message.header.prefix_len).ok()?,
    })
}
