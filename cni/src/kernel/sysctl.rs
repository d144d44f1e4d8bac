//! `/proc/sys/net` of one namespace.

use conf::IfName;

use super::netns::Netns;
use super::{Change, Error};

/// The IP family that a key belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Family {
    /// `net.ipv4.conf.IF.KEY`
    Ipv4,
    /// `net.ipv6.conf.IF.KEY`
    Ipv6,
}

/// One setting of one interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// Its family.
    pub family: Family,
    /// Its key: `arp_notify`.
    pub key: &'static str,
    /// Its value.
    pub value: u32,
}

/// Sets `settings` of the interface in `netns`, in order; what is so already is not written.
/// The result has one entry for each.
pub fn set(
    netns: &Netns,
    name: &IfName,
    settings: &[Setting],
) -> Result<Vec<Result<Change, Error>>, Error> {
    let _ = (netns, name, settings);
    todo!()
}
