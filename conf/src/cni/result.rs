//! The result of ADD: one model, seven versions on the wire.
//!
//! ```text
//! 0.1.0 0.2.0         ip4, ip6 (one each, routes inside), dns: no interfaces
//! 0.3.0 0.3.1 0.4.0   interfaces, ips with `version`, routes {dst, gw}, dns
//! 1.0.0               ips without `version`
//! 1.1.0               interfaces with mtu, socketPath, pciID; routes with mtu, advmss, priority, table, scope
//! ```
//!
//! Writing is strict: a version's document has that version's fields and no other. Reading is
//! liberal: whatever shape is found is taken, since runtimes keep and convert results freely.

mod read;
mod write;

use std::net::IpAddr;

use ipnetwork::IpNetwork;
use serde::{Deserialize, Serialize};

/// What an attachment consists of.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AddResult {
    /// Interfaces made or moved, in the container or on the host.
    pub interfaces: Vec<Interface>,
    /// Addresses.
    pub ips: Vec<Ip>,
    /// Routes in the container.
    pub routes: Vec<Route>,
    /// Name service for the container.
    pub dns: Dns,
}

/// One interface of an attachment.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Interface {
    /// Its name.
    pub name: String,
    /// Its hardware address, as the plugin that made it wrote it; empty when it has none.
    pub mac: String,
    /// Its MTU in bytes; 1.1.0.
    pub mtu: Option<u32>,
    /// Path of the namespace that holds it; empty on the host.
    pub sandbox: String,
    /// Path of a socket that stands for it; 1.1.0; empty when there is none.
    pub socket_path: String,
    /// PCI address of the device behind it; 1.1.0; empty when there is none.
    pub pci_id: String,
}

/// One address of an attachment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ip {
    /// Index of its interface in [`AddResult::interfaces`].
    pub interface: Option<usize>,
    /// Address and prefix length; host bits are kept.
    pub address: IpNetwork,
    /// Gateway of the address' network.
    pub gateway: Option<IpAddr>,
}

/// One route of an attachment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// Destination.
    pub dst: IpNetwork,
    /// Next hop; absent: the gateway of the first address of the same family.
    pub gw: Option<IpAddr>,
    /// Path MTU in bytes; 1.1.0.
    pub mtu: Option<u32>,
    /// Advertised TCP segment size in bytes; 1.1.0.
    pub advmss: Option<u32>,
    /// Metric; 1.1.0.
    pub priority: Option<u32>,
    /// Routing table; 1.1.0.
    pub table: Option<u32>,
    /// Scope (`rt_scope_t`, 0 global, 253 link); 1.1.0.
    pub scope: Option<u8>,
}

impl Route {
    /// A route to `dst` with nothing but a next hop.
    pub fn new(dst: IpNetwork, gw: Option<IpAddr>) -> Self {
        Self { dst, gw, mtu: None, advmss: None, priority: None, table: None, scope: None }
    }
}

/// Name service settings.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Dns {
    /// Name servers, most wanted first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub nameservers: Vec<String>,
    /// Local domain; empty for none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub domain: String,
    /// Search domains, most wanted first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub search: Vec<String>,
    /// Resolver options.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub options: Vec<String>,
}

impl Dns {
    /// Whether nothing is set.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

#[cfg(test)]
mod tests;
