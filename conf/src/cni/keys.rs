//! Keys of a plugin's config, matched as Go's `encoding/json` matches them: without regard to
//! case. A NetworkAttachmentDefinition that works with a Go plugin must not be misread here.

use std::fmt;

use serde_json::{Map, Value};

use crate::spelling::distance;

/// A key that the plugin does not know, or one that is written twice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unknown {
    /// The key as written.
    pub key: String,
    /// What it probably should have been.
    pub suggestion: Option<&'static str>,
}

impl fmt::Display for Unknown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "unknown key {:?} is ignored", self.key)?;
        if let Some(suggestion) = self.suggestion {
            write!(f, "; did you mean {suggestion:?}?")?;
        }
        Ok(())
    }
}

/// Keys that mean the same to every plugin: the CNI spec's, those that Multus and device plugins
/// add, and where to log.
pub const SHARED: [&str; 12] = [
    "cniVersion",
    "name",
    "type",
    "args",
    "capabilities",
    "runtimeConfig",
    "prevResult",
    "ipam",
    "dns",
    "deviceID",
    "logLevel",
    "logFile",
];

/// The most keys that are reported: with more of them it is another program's config.
pub const MOST_REPORTED: usize = 32;

/// Renames the keys of `object` to their spelling in `known`, and tells which are not known.
///
/// Where a key occurs in two spellings, the exact one wins and the other is reported. Keys under
/// `cni.dev/` belong to the runtime and are never reported. At most [`MOST_REPORTED`] are.
pub fn fold(object: &mut Map<String, Value>, known: &[&'static str]) -> Vec<Unknown> {
    let mut unknown = Vec::new();
    let odd: Vec<String> =
        object.keys().filter(|key| !known.contains(&key.as_str())).cloned().collect();
    for key in odd {
        if key.starts_with("cni.dev/") {
            continue;
        }
        match known.iter().find(|name| name.eq_ignore_ascii_case(&key)) {
            Some(name) if !object.contains_key(*name) => {
                if let Some(value) = object.remove(&key) {
                    object.insert((*name).to_owned(), value);
                }
            }
            _ if unknown.len() >= MOST_REPORTED => {}
            // Written twice: the exact spelling stands.
            Some(name) => unknown.push(Unknown { key, suggestion: Some(name) }),
            None => {
                let suggestion = nearest(&key, known);
                unknown.push(Unknown { key, suggestion });
            }
        }
    }
    unknown
}

/// The known key that `key` resembles: equal but for `-`, `_` and case, or one or two typing
/// errors away.
fn nearest(key: &str, known: &[&'static str]) -> Option<&'static str> {
    let wanted = letters(key);
    // A key that long is no typing error, and distances cost the product of the lengths.
    if wanted.is_empty() || wanted.len() > 32 {
        return None;
    }
    let allowed = if wanted.len() < 5 { 1 } else { 2 };
    known
        .iter()
        .map(|name| (distance(&wanted, &letters(name)), *name))
        .filter(|(distance, _)| *distance <= allowed)
        .min()
        .map(|(_, name)| name)
}

fn letters(key: &str) -> Vec<u8> {
    key.bytes()
        .filter(|b| !matches!(b, b'-' | b'_' | b' '))
        .map(|b| b.to_ascii_lowercase())
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const KNOWN: [&str; 5] = ["deviceID", "vlan", "vlanQoS", "max_tx_rate", "mac"];

    fn folded(document: Value) -> (Value, Vec<Unknown>) {
        let Value::Object(mut object) = document else { panic!("an object") };
        let unknown = fold(&mut object, &KNOWN);
        (Value::Object(object), unknown)
    }

    #[test]
    fn spelling_does_not_matter() {
        let (object, unknown) = folded(json!({"DeviceId": "x", "VLAN": 1, "vlanqos": 2}));
        assert_eq!(object, json!({"deviceID": "x", "vlan": 1, "vlanQoS": 2}));
        assert_eq!(unknown, []);
    }

    #[test]
    fn the_exact_spelling_wins() {
        let (object, unknown) = folded(json!({"VLAN": 1, "vlan": 2}));
        assert_eq!(object["vlan"], 2);
        assert_eq!(
            unknown[0].to_string(),
            r#"unknown key "VLAN" is ignored; did you mean "vlan"?"#
        );
    }

    #[test]
    fn no_config_floods_the_log() {
        let many: Map<String, Value> =
            (0..1000).map(|number| (format!("vlan{number}"), json!(0))).collect();
        let (object, unknown) = folded(Value::Object(many));
        assert_eq!(unknown.len(), MOST_REPORTED);
        assert_eq!(object.as_object().unwrap().len(), 1000);
        // What is known is found behind them all.
        let mut many = object;
        many["zVLAN"] = json!(0);
        many["VLANQOS"] = json!(1);
        assert_eq!(folded(many).0["vlanQoS"], 1);
    }

    #[test]
    fn near_misses_are_suggested() {
        for (key, suggestion) in [
            ("max-tx-rate", Some("max_tx_rate")),
            ("maxTxRate", Some("max_tx_rate")),
            ("vlam", Some("vlan")),
            ("vlanid", Some("vlan")),
            ("deviceIDs", Some("deviceID")),
            ("banana", None),
            ("x", None),
        ] {
            let (_, unknown) = folded(json!({ key: 0 }));
            assert_eq!(unknown[0].suggestion, suggestion, "{key}");
        }
    }

    #[test]
    fn keys_of_the_runtime_are_left_alone() {
        assert_eq!(folded(json!({"cni.dev/valid-attachments": []})).1, []);
    }
}
