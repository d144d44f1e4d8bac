//! From the model to a version's document.

use ipnetwork::IpNetwork;
use serde_json::{Map, Value, json};

use super::{AddResult, Interface, Ip, Route};
use crate::cni::Version;

impl AddResult {
    /// The document of `version`.
    ///
    /// Never fails: before 0.3.0 a result holds one address of each family and no interfaces, so
    /// what does not fit is left out, and an attachment without addresses is an empty result. (The
    /// Go library refuses to write that one, after the interface was moved; it does read it.)
    pub fn to_json(&self, version: Version) -> Value {
        let mut document = Map::new();
        document.insert("cniVersion".to_owned(), json!(version));
        if version.lists_interfaces() {
            self.lists(version, &mut document);
        } else {
            self.families(&mut document);
        }
        if version < Version::V1_0_0 || !self.dns.is_empty() {
            document.insert("dns".to_owned(), json!(self.dns));
        }
        Value::Object(document)
    }

    fn lists(&self, version: Version, document: &mut Map<String, Value>) {
        let mut list = |key: &str, items: Vec<Value>| {
            if !items.is_empty() {
                document.insert(key.to_owned(), Value::Array(items));
            }
        };
        list("interfaces", self.interfaces.iter().map(|item| interface(item, version)).collect());
        list("ips", self.ips.iter().map(|item| ip(item, version)).collect());
        list("routes", self.routes.iter().map(|item| route(item, version)).collect());
    }

    fn families(&self, document: &mut Map<String, Value>) {
        for (key, of_family) in
            [("ip4", IpNetwork::is_ipv4 as fn(&IpNetwork) -> bool), ("ip6", IpNetwork::is_ipv6)]
        {
            let Some(first) = self.ips.iter().find(|ip| of_family(&ip.address)) else { continue };
            let routes: Vec<Value> = self
                .routes
                .iter()
                .filter(|item| of_family(&item.dst))
                .map(|item| route(item, Version::V0_2_0))
                .collect();
            let mut family = Map::new();
            family.insert("ip".to_owned(), json!(first.address));
            put(&mut family, "gateway", first.gateway);
            put(&mut family, "routes", (!routes.is_empty()).then_some(routes));
            document.insert(key.to_owned(), Value::Object(family));
        }
    }
}

fn interface(item: &Interface, version: Version) -> Value {
    let text = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let mut document = Map::new();
    document.insert("name".to_owned(), json!(item.name));
    put(&mut document, "mac", text(&item.mac));
    put(&mut document, "sandbox", text(&item.sandbox));
    if version >= Version::V1_1_0 {
        put(&mut document, "mtu", item.mtu);
        put(&mut document, "socketPath", text(&item.socket_path));
        put(&mut document, "pciID", text(&item.pci_id));
    }
    Value::Object(document)
}

fn ip(item: &Ip, version: Version) -> Value {
    let mut document = Map::new();
    if version < Version::V1_0_0 {
        let family = if item.address.is_ipv4() { "4" } else { "6" };
        document.insert("version".to_owned(), json!(family));
    }
    put(&mut document, "interface", item.interface);
    document.insert("address".to_owned(), json!(item.address));
    put(&mut document, "gateway", item.gateway);
    Value::Object(document)
}

fn route(item: &Route, version: Version) -> Value {
    let mut document = Map::new();
    document.insert("dst".to_owned(), json!(item.dst));
    put(&mut document, "gw", item.gw);
    if version >= Version::V1_1_0 {
        put(&mut document, "mtu", item.mtu);
        put(&mut document, "advmss", item.advmss);
        put(&mut document, "priority", item.priority);
        put(&mut document, "table", item.table);
        put(&mut document, "scope", item.scope);
    }
    Value::Object(document)
}

fn put(document: &mut Map<String, Value>, key: &str, value: Option<impl serde::Serialize>) {
    if let Some(value) = value {
        document.insert(key.to_owned(), json!(value));
    }
}
