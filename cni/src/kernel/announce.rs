//! Telling the neighbours which MAC address an IP address has now.

use std::net::IpAddr;

use conf::Mac;

use super::Error;
use super::netns::Netns;

/// Sockets for announcements through one link.
pub struct Announcer {
    _private: (),
}

impl Announcer {
    /// For the link with this index in `netns`, whose address is `mac`.
    pub fn open_in(netns: &Netns, index: u32, mac: Mac) -> Result<Self, Error> {
        let _ = (netns, index, mac);
        todo!()
    }

    /// One gratuitous ARP (IPv4) or unsolicited neighbour advertisement (IPv6).
    pub fn announce(&mut self, address: IpAddr) -> Result<(), Error> {
        let _ = address;
        todo!()
    }
}
