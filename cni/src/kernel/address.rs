//! IP addresses of a link.

use std::time::Instant;

use ipnetwork::IpNetwork;

use super::netlink::Route;
use super::{Change, Error};

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
    /// Usable while it runs (IFA_F_OPTIMISTIC, RFC 4429); the interface's `optimistic_dad` must be
    /// on.
    Optimistic,
    /// As the kernel does by default: unusable for a second or two.
    Full,
}

impl Route {
    /// The addresses of a link.
    pub fn addresses(&mut self, index: u32) -> Result<Vec<Address>, Error> {
        let _ = index;
        todo!()
    }
    /// Gives a link an address.
    pub fn add_address(
        &mut self,
        index: u32,
        network: IpNetwork,
        dad: Dad,
    ) -> Result<Change, Error> {
        let _ = (index, network, dad);
        todo!()
    }
    /// Takes an address from a link.
    pub fn remove_address(&mut self, index: u32, network: IpNetwork) -> Result<Change, Error> {
        let _ = (index, network);
        todo!()
    }
    /// Waits until no address of the link is tentative; a duplicate one is an error.
    pub fn wait_addresses_usable(&mut self, index: u32, deadline: Instant) -> Result<(), Error> {
        let _ = (index, deadline);
        todo!()
    }
}
