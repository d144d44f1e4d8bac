use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::cni::{Code, Version};

fn full() -> AddResult {
    AddResult {
        interfaces: vec![Interface {
            name: "net1".to_owned(),
            mac: "02:11:22:33:44:55".to_owned(),
            mtu: Some(1500),
            sandbox: "/run/netns/a".to_owned(),
            socket_path: String::new(),
            pci_id: "0000:01:10.0".to_owned(),
        }],
        ips: vec![
            Ip {
                interface: Some(0),
                address: "192.168.0.2/16".parse().unwrap(),
                gateway: Some("192.168.0.1".parse().unwrap()),
            },
            Ip { interface: Some(0), address: "fd00::2/64".parse().unwrap(), gateway: None },
        ],
        routes: vec![Route {
            mtu: Some(1400),
            table: Some(100),
            scope: Some(0),
            ..Route::new("5.5.0.0/24".parse().unwrap(), Some("192.168.0.1".parse().unwrap()))
        }],
        dns: Dns { nameservers: vec!["192.168.0.53".to_owned()], ..Dns::default() },
    }
}

#[test]
fn documents_of_all_versions() {
    let old = |version: &str| {
        json!({
            "cniVersion": version,
            "ip4": {"ip": "192.168.0.2/16", "gateway": "192.168.0.1", "routes": [{"dst": "5.5.0.0/24", "gw": "192.168.0.1"}]},
            "ip6": {"ip": "fd00::2/64"},
            "dns": {"nameservers": ["192.168.0.53"]},
        })
    };
    let middle = |version: &str| {
        json!({
            "cniVersion": version,
            "interfaces": [{"name": "net1", "mac": "02:11:22:33:44:55", "sandbox": "/run/netns/a"}],
            "ips": [
                {"version": "4", "interface": 0, "address": "192.168.0.2/16", "gateway": "192.168.0.1"},
                {"version": "6", "interface": 0, "address": "fd00::2/64"},
            ],
            "routes": [{"dst": "5.5.0.0/24", "gw": "192.168.0.1"}],
            "dns": {"nameservers": ["192.168.0.53"]},
        })
    };
    let one = json!({
        "cniVersion": "1.0.0",
        "interfaces": [{"name": "net1", "mac": "02:11:22:33:44:55", "sandbox": "/run/netns/a"}],
        "ips": [
            {"interface": 0, "address": "192.168.0.2/16", "gateway": "192.168.0.1"},
            {"interface": 0, "address": "fd00::2/64"},
        ],
        "routes": [{"dst": "5.5.0.0/24", "gw": "192.168.0.1"}],
        "dns": {"nameservers": ["192.168.0.53"]},
    });
    let mut newest = one.clone();
    newest["cniVersion"] = json!("1.1.0");
    newest["interfaces"][0]["mtu"] = json!(1500);
    newest["interfaces"][0]["pciID"] = json!("0000:01:10.0");
    newest["routes"][0] =
        json!({"dst": "5.5.0.0/24", "gw": "192.168.0.1", "mtu": 1400, "table": 100, "scope": 0});
    for (version, document) in [
        (Version::V0_1_0, old("0.1.0")),
        (Version::V0_2_0, old("0.2.0")),
        (Version::V0_3_0, middle("0.3.0")),
        (Version::V0_3_1, middle("0.3.1")),
        (Version::V0_4_0, middle("0.4.0")),
        (Version::V1_0_0, one),
        (Version::V1_1_0, newest),
    ] {
        assert_eq!(full().to_json(version), document);
    }
}

#[test]
fn an_attachment_without_addresses_has_a_document_in_every_version() {
    let result = AddResult { ips: vec![], routes: vec![], dns: Dns::default(), ..full() };
    assert_eq!(
        result.to_json(Version::V0_1_0),
        json!({"cniVersion": "0.1.0", "dns": {}}),
        "the Go library reads this as a result without addresses"
    );
    assert_eq!(
        result.to_json(Version::V1_0_0),
        json!({
            "cniVersion": "1.0.0",
            "interfaces": [{"name": "net1", "mac": "02:11:22:33:44:55", "sandbox": "/run/netns/a"}],
        })
    );
}

#[test]
fn what_go_plugins_print_is_read() {
    let document = json!({
        "cniVersion": "0.4.0", "interfaces": null,
        "ips": [{"version": "4", "interface": -1, "address": "10.0.0.5/24", "gateway": ""}],
        "routes": [{"dst": "0.0.0.0/0", "gw": null, "priority": 0}], "dns": {}, "more": 1,
    });
    let result = AddResult::from_json(&document, Version::V1_1_0).unwrap();
    assert_eq!(
        result.ips[0],
        Ip { interface: None, address: "10.0.0.5/24".parse().unwrap(), gateway: None }
    );
    assert_eq!(result.routes[0], Route::new("0.0.0.0/0".parse().unwrap(), None));
}

#[test]
fn a_shape_that_does_not_fit_its_version_is_read_all_the_same() {
    let old = json!({"cniVersion": "1.0.0", "ip4": {"ip": "10.0.0.5/24"}});
    assert_eq!(AddResult::from_json(&old, Version::V1_0_0).unwrap().ips.len(), 1);
    let new = json!({"cniVersion": "0.2.0", "ips": [{"address": "10.0.0.5/24"}]});
    assert_eq!(AddResult::from_json(&new, Version::V1_0_0).unwrap().ips.len(), 1);
}

#[test]
fn what_is_no_result_is_refused() {
    for (document, code) in [
        (json!([]), Code::Decode),
        (json!("text"), Code::Decode),
        (json!({"ips": [{"address": "10.0.0.5/99"}]}), Code::Decode),
        (json!({"ips": [{"address": "10.0.0.5/24", "gateway": "x"}]}), Code::Decode),
        (json!({"cniVersion": "7"}), Code::IncompatibleVersion),
    ] {
        assert_eq!(AddResult::from_json(&document, Version::V1_0_0).unwrap_err().code, code);
    }
}

#[test]
fn an_address_without_a_prefix_length_is_refused() {
    for bare in ["10.1.1.2", "fd00::2", "10.1.1.2/", "10.1.1.2/x", "/24", ""] {
        for document in [
            json!({"ips": [{"address": bare}]}),
            json!({"cniVersion": "0.2.0", "ip4": {"ip": bare}}),
            json!({"routes": [{"dst": bare, "gw": "10.1.1.1"}]}),
        ] {
            let error = AddResult::from_json(&document, Version::V1_0_0).unwrap_err();
            assert_eq!(error.code, Code::Decode);
            assert!(error.msg.contains(&format!("{bare:?}")), "{error}");
        }
    }
}

#[test]
fn addresses_that_no_interface_can_have_are_refused() {
    let check = |address: &str| {
        let document = json!({"ips": [{"address": "10.0.0.5/24"}, {"address": address}]});
        AddResult::from_json(&document, Version::V1_0_0).unwrap().expect_usable_addresses()
    };
    for bad in [
        "0.0.0.0/0",
        "0.0.0.0/24",
        "224.0.0.5/24",
        "239.255.255.255/32",
        "127.0.0.1/8",
        "255.255.255.255/32",
        "::/0",
        "::/64",
        "ff02::1/64",
        "::1/128",
        "::ffff:127.0.0.1/128",
    ] {
        let error = check(bad).unwrap_err();
        assert_eq!(error.code, Code::Decode);
        assert!(error.msg.contains("ips[1]") && error.msg.contains(bad), "{bad}: {error}");
    }
    for good in ["10.1.1.2/32", "192.168.0.0/31", "169.254.1.1/16", "fe80::1/64", "fd00::2/128"] {
        assert_eq!(check(good), Ok(()), "{good}");
    }
}

fn json_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "[0-9a-f:./]{0,12}".prop_map(Value::from),
        Just(json!("10.0.0.1/24")),
        Just(json!("0.2.0")),
    ];
    leaf.prop_recursive(4, 32, 4, |inner| {
        let key = prop_oneof![
            "cniVersion",
            "interfaces",
            "ips",
            "routes",
            "ip4",
            "ip6",
            "dns",
            "address",
            "gateway",
            "dst",
            "ip",
            "interface",
            "mtu",
            "scope",
        ];
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::btree_map(key, inner, 0..6)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn no_json_makes_reading_panic(document in json_value()) {
        drop(AddResult::from_json(&document, Version::V1_0_0));
    }

    /// Writing keeps all that the newest version can say.
    #[test]
    fn newest_round_trips(mtu in proptest::option::of(1u32..), scope: Option<u8>, prefix in 0u8..=32, address: [u8; 4]) {
        let mut result = full();
        result.interfaces[0].mtu = mtu;
        result.routes[0].scope = scope;
        result.ips[0].address = IpNetwork::new(address.into(), prefix).unwrap();
        let document = result.to_json(Version::V1_1_0);
        prop_assert_eq!(AddResult::from_json(&document, Version::V1_1_0), Ok(result));
    }

    /// A result that went through any version still has its first address of each family.
    #[test]
    fn every_version_keeps_the_first_addresses(at in 0usize..7) {
        let version = Version::ALL[at];
        let back = AddResult::from_json(&full().to_json(version), version).unwrap();
        let addresses = |result: &AddResult| result.ips.iter().map(|ip| ip.address).collect::<Vec<_>>();
        prop_assert_eq!(addresses(&back), addresses(&full()));
    }
}
