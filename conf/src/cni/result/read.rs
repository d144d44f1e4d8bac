//! From a document of any version to the model.

use std::borrow::Cow;
use std::net::{IpAddr, Ipv4Addr};

use ipnetwork::IpNetwork;
use serde::Deserialize;
use serde_json::Value;

use super::{AddResult, Dns, Interface, Ip, Route};
use crate::cni::{Code, Error, Version};

impl AddResult {
    /// Reads a result: a plugin's output or a config's `prevResult`.
    ///
    /// `version` is the config's and counts only where the document names none. Both shapes are
    /// taken whatever version is named, and fields that this crate does not know are ignored.
    ///
    /// # Errors
    /// Code 1 when the document names a version that does not exist, code 6 when it is no result.
    pub fn from_json(document: &Value, version: Version) -> Result<Self, Error> {
        let raw = Document::deserialize(document)
            .map_err(|cause| Error::new(Code::Decode, format!("read a CNI result: {cause}")))?;
        let version = match raw.cni_version.as_deref() {
            None | Some("") => version,
            Some(named) => named.parse().map_err(|cause| {
                Error::new(
                    Code::IncompatibleVersion,
                    format!("read a CNI result: cniVersion {named:?}: {cause}"),
                )
            })?,
        };
        let mut result = Self { dns: raw.dns.unwrap_or_default(), ..Self::default() };
        // An old document may hold both shapes' keys as null; the version only breaks the tie.
        let old = raw.ip4.is_some() || raw.ip6.is_some();
        if old && (!version.lists_interfaces() || raw.ips.is_none()) {
            for family in [raw.ip4, raw.ip6].into_iter().flatten() {
                result.ips.push(Ip {
                    interface: None,
                    address: family.ip.0,
                    gateway: family.gateway.0,
                });
                result.routes.extend(family.routes.into_iter().flatten().map(Route::from));
            }
        } else {
            result.interfaces = raw.interfaces.into_iter().flatten().map(Interface::from).collect();
            result.ips = raw.ips.into_iter().flatten().map(Ip::from).collect();
            result.routes = raw.routes.into_iter().flatten().map(Route::from).collect();
        }
        Ok(result)
    }
}

impl AddResult {
    /// Refuses a result with an address that no interface can have: the kernel would drop it without
    /// a word, or the container never be reached by it.
    ///
    /// # Errors
    /// Code 6, naming the address.
    pub fn expect_usable_addresses(&self) -> Result<(), Error> {
        for (number, Ip { address, .. }) in self.ips.iter().enumerate() {
            if let Some(kind) = unusable(address.ip()) {
                return Err(Error::new(
                    Code::Decode,
                    format!(
                        "read a CNI result: ips[{number}]: {address} is {kind}, which no interface \
                         can have"
                    ),
                ));
            }
        }
        Ok(())
    }
}

fn unusable(address: IpAddr) -> Option<&'static str> {
    match address.to_canonical() {
        address if address.is_unspecified() => Some("the unspecified address"),
        address if address.is_multicast() => Some("a multicast address"),
        address if address.is_loopback() => Some("a loopback address"),
        IpAddr::V4(Ipv4Addr::BROADCAST) => Some("the broadcast address"),
        _ => None,
    }
}

/// A network with its prefix length, without which the specification knows none: an address alone
/// would be one without neighbours.
struct Prefixed(IpNetwork);

impl<'de> Deserialize<'de> for Prefixed {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        if !text.contains('/') {
            let why = format!("{text:?} has no prefix length, as in 192.0.2.1/24");
            return Err(serde::de::Error::custom(why));
        }
        text.parse()
            .map(Self)
            .map_err(|cause| serde::de::Error::custom(format!("{text:?}: {cause}")))
    }
}

#[derive(Deserialize)]
struct Document {
    #[serde(rename = "cniVersion")]
    cni_version: Option<String>,
    interfaces: Option<Vec<RawInterface>>,
    ips: Option<Vec<RawIp>>,
    routes: Option<Vec<RawRoute>>,
    ip4: Option<Family>,
    ip6: Option<Family>,
    dns: Option<Dns>,
}

#[derive(Deserialize)]
struct Family {
    ip: Prefixed,
    #[serde(default)]
    gateway: Address,
    routes: Option<Vec<RawRoute>>,
}

#[derive(Deserialize)]
struct RawInterface {
    name: Option<String>,
    mac: Option<String>,
    mtu: Option<u32>,
    sandbox: Option<String>,
    #[serde(rename = "socketPath")]
    socket_path: Option<String>,
    #[serde(rename = "pciID")]
    pci_id: Option<String>,
}

impl From<RawInterface> for Interface {
    fn from(raw: RawInterface) -> Self {
        Self {
            name: raw.name.unwrap_or_default(),
            mac: raw.mac.unwrap_or_default(),
            mtu: raw.mtu.filter(|mtu| *mtu != 0),
            sandbox: raw.sandbox.unwrap_or_default(),
            socket_path: raw.socket_path.unwrap_or_default(),
            pci_id: raw.pci_id.unwrap_or_default(),
        }
    }
}

#[derive(Deserialize)]
struct RawIp {
    interface: Option<i64>,
    address: Prefixed,
    #[serde(default)]
    gateway: Address,
}

impl From<RawIp> for Ip {
    fn from(raw: RawIp) -> Self {
        Self {
            // A negative index is how some plugins say "none".
            interface: raw.interface.and_then(|index| usize::try_from(index).ok()),
            address: raw.address.0,
            gateway: raw.gateway.0,
        }
    }
}

#[derive(Deserialize)]
struct RawRoute {
    dst: Prefixed,
    #[serde(default)]
    gw: Address,
    mtu: Option<u32>,
    advmss: Option<u32>,
    priority: Option<u32>,
    table: Option<u32>,
    scope: Option<u8>,
}

impl From<RawRoute> for Route {
    fn from(raw: RawRoute) -> Self {
        // The Go types cannot tell 0 from absent in these three.
        let set = |number: Option<u32>| number.filter(|number| *number != 0);
        Self {
            dst: raw.dst.0,
            gw: raw.gw.0,
            mtu: set(raw.mtu),
            advmss: set(raw.advmss),
            priority: set(raw.priority),
            table: raw.table,
            scope: raw.scope,
        }
    }
}

/// An address that may be null or an empty text, as Go writes a nil `net.IP`.
#[derive(Default)]
struct Address(Option<IpAddr>);

impl<'de> Deserialize<'de> for Address {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Option::<String>::deserialize(deserializer)?.as_deref() {
            None | Some("") => Ok(Self(None)),
            Some(text) => match text.parse() {
                Ok(address) => Ok(Self(Some(address))),
                Err(_) => Err(serde::de::Error::custom(format!("{text:?} is not an IP address"))),
            },
        }
    }
}
