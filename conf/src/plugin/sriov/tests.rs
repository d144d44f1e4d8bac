use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn read_with(document: Value, args: &str) -> Result<Checked, Error> {
    let Value::Object(mut object) = document else { panic!("an object") };
    object.entry("deviceID").or_insert_with(|| json!("0000:01:10.0"));
    SriovConf::read(&object, &CniArgs::parse(args)?)
}

fn read(document: Value) -> Result<Checked, Error> {
    read_with(document, "")
}

#[test]
fn every_key_is_read() {
    let checked = read(json!({
        "cniVersion": "1.0.0", "name": "n", "type": "sriov", "capabilities": {"mac": true}, "args": {"cni": {}},
        "cni.dev/foo": 1, "vlan": 100, "vlanQoS": 3, "vlanProto": "802.1AD", "mac": "02-AA-00-00-00-01",
        "spoofchk": "off", "trust": "on", "link_state": "enable", "min_tx_rate": 0, "max_tx_rate": 200,
        "mtu": 2000, "resetOnRelease": "always", "ipam": {"type": "host-local"}, "dns": {"nameservers": ["1.1.1.1"]},
        "logLevel": "debug", "logFile": "/var/log/sriov.log",
        "runtimeConfig": {"CNIDeviceInfoFile": "/var/run/k8s.cni.cncf.io/devinfo/cni/ns-net-c_net1", "ips": ["10.0.0.1/24"], "bandwidth": {}},
    }))
    .unwrap();
    assert_eq!(checked.warnings, Vec::<String>::new());
    let conf = checked.conf;
    assert_eq!(conf.device_id.unwrap().to_string(), "0000:01:10.0");
    let vlan = conf.vlan.unwrap();
    assert_eq!((vlan.id.get(), vlan.qos.get(), vlan.proto), (100, 3, VlanProto::Ad));
    assert_eq!(conf.mac.unwrap().to_string(), "02:aa:00:00:00:01");
    assert_eq!((conf.spoofchk, conf.trust), (Some(OnOff::Off), Some(OnOff::On)));
    assert_eq!(conf.link_state, Some(LinkState::Enable));
    assert_eq!((conf.min_tx_rate, conf.max_tx_rate), (Some(0), Some(200)));
    assert_eq!(conf.mtu.unwrap().get(), 2000);
    assert_eq!(conf.reset_on_release, ResetOnRelease::Always);
    assert_eq!(conf.ipam.unwrap().as_str(), "host-local");
    assert_eq!(conf.dns.nameservers, ["1.1.1.1"]);
    let file = "/var/run/k8s.cni.cncf.io/devinfo/cni/ns-net-c_net1";
    assert_eq!(conf.device_info_file.unwrap().to_str(), Some(file));
}

#[test]
fn absent_null_and_empty_leave_everything_as_it_is() {
    let bare = read(json!({})).unwrap();
    for document in [
        json!({"vlan": null, "mac": null, "trust": null, "ipam": null, "runtimeConfig": null, "dns": null}),
        json!({"mac": "", "spoofchk": "", "trust": "", "link_state": "", "vlanProto": "", "ipam": {}}),
        json!({"ipam": {"type": ""}, "logLevel": "", "logFile": "here.log"}),
    ] {
        assert_eq!(read(document.clone()), Ok(bare.clone()), "{document}");
    }
    assert_eq!(bare.conf.vlan, None);
    assert_eq!(bare.conf.reset_on_release, ResetOnRelease::Needed);
}

#[test]
fn what_breaks_a_rule_is_named_with_value_and_rule() {
    for (document, message) in [
        (json!({"vlan": -1}), "vlan: -1: must be between 0 and 4094"),
        (json!({"vlan": 4095}), "vlan: 4095: must be between 0 and 4094"),
        (
            json!({"resetonrelease": "no"}),
            "resetOnRelease: \"no\": must be \"never\", \"needed\" or \"always\"",
        ),
        (json!({"vlan": "100"}), "vlan: \"100\": must be a whole number"),
        (json!({"vlan": 1.5}), "vlan: 1.5: must be a whole number"),
        (json!({"VLAN": 5000}), "vlan: 5000: must be between 0 and 4094"),
        (json!({"vlanQoS": 0}), "vlanQoS: 0: needs vlan to be set as well"),
        (json!({"vlanProto": "802.1q"}), "vlanProto: \"802.1q\": needs vlan to be set as well"),
        (json!({"vlan": 1, "vlanQoS": 8}), "vlanQoS: 8: must be between 0 and 7"),
        (
            json!({"vlan": 0, "vlanQoS": 1}),
            "vlanQoS: 1: must be 0 with vlan 0, which means untagged",
        ),
        (
            json!({"vlan": 0, "vlanProto": "802.1ad"}),
            "vlanProto: \"802.1ad\": must be 802.1q with vlan 0, which means untagged",
        ),
        (json!({"vlan": 1, "vlanProto": "qinq"}), "vlanProto: \"qinq\": must be 802.1q or 802.1ad"),
        (
            json!({"mac": "zz"}),
            "mac: \"zz\": must be a MAC address of six hex octets, like 02:11:22:33:44:55",
        ),
        (
            json!({"mac": "01:00:5e:00:00:01"}),
            "mac: \"01:00:5e:00:00:01\": must be a unicast MAC address other than zero",
        ),
        (
            json!({"mac": "00:00:00:00:00:00"}),
            "mac: \"00:00:00:00:00:00\": must be a unicast MAC address other than zero",
        ),
        (json!({"runtimeConfig": {"mac": 5}}), "runtimeConfig.mac: 5: must be a string"),
        (json!({"spoofchk": "maybe"}), "spoofchk: \"maybe\": must be \"on\" or \"off\""),
        (json!({"spoofchk": "On"}), "spoofchk: \"On\": must be \"on\" or \"off\""),
        (json!({"spoofchk": true}), "spoofchk: true: must be a string"),
        (json!({"trust": "true"}), "trust: \"true\": must be \"on\" or \"off\""),
        (
            json!({"link_state": "up"}),
            "link_state: \"up\": must be \"auto\", \"enable\" or \"disable\"",
        ),
        (
            json!({"max_tx_rate": -1}),
            "max_tx_rate: -1: must be a rate in Mbit/s between 0 and 4294967295",
        ),
        (
            json!({"min_tx_rate": 5, "max_tx_rate": 4}),
            "min_tx_rate: 5: must not be above max_tx_rate 4",
        ),
        (json!({"mtu": 67}), "mtu: 67: must be between 68 and 65535"),
        (
            json!({"ipam": {"type": "../evil"}}),
            "ipam.type: \"../evil\": must be the name of a plugin: letters, digits, '-', '_' and '.', no path",
        ),
        (
            json!({"ipam": {"type": "sriov"}}),
            "ipam.type: \"sriov\": must be a plugin for addresses, not this one",
        ),
        (json!({"ipam": "host-local"}), "ipam: \"host-local\": must be an object"),
        (
            json!({"deviceID": "0000:01:10"}),
            "deviceID: \"0000:01:10\": must be a PCI address like 0000:01:10.0",
        ),
        (json!({"runtimeConfig": []}), "runtimeConfig: []: must be an object"),
    ] {
        let error = read(document.clone()).unwrap_err();
        assert_eq!(error.code, Code::InvalidConfig, "{document}");
        assert_eq!(error.msg, format!("invalid config: {message}"), "{document}");
    }
}

#[test]
fn all_mistakes_are_told_at_once() {
    let error = read(json!({"vlan": 5000, "trust": "yes"})).unwrap_err();
    assert!(error.msg.contains("trust") && error.msg.contains("vlan"), "{error}");
}

#[test]
fn mac_precedence() {
    let mac = |document: Value, args: &str| {
        read_with(document, args).unwrap().conf.mac.map(|mac| mac.to_string())
    };
    let runtime =
        json!({"mac": "02:00:00:00:00:03", "runtimeConfig": {"mac": "02:00:00:00:00:01"}});
    let args = "IgnoreUnknown=1;MAC=02:00:00:00:00:02";
    assert_eq!(mac(runtime, args).as_deref(), Some("02:00:00:00:00:01"));
    assert_eq!(
        mac(json!({"mac": "02:00:00:00:00:03"}), args).as_deref(),
        Some("02:00:00:00:00:02")
    );
    assert_eq!(mac(json!({"mac": "02:00:00:00:00:03"}), "").as_deref(), Some("02:00:00:00:00:03"));
    assert_eq!(read_with(json!({}), "MAC=zz").unwrap_err().code, Code::InvalidEnvironment);
    assert_eq!(read_with(json!({}), "FOO=1").unwrap_err().code, Code::InvalidEnvironment);
}

#[test]
fn device_precedence_and_spellings() {
    let device = |document: Value| {
        let checked = read(document).unwrap();
        (checked.conf.device_id.unwrap().to_string(), checked.warnings)
    };
    let (address, warnings) =
        device(json!({"deviceID": "0000:01:10.2", "runtimeConfig": {"deviceID": "0000:01:10.4"}}));
    assert_eq!(address, "0000:01:10.4");
    assert_eq!(
        warnings,
        ["deviceID 0000:01:10.2 is ignored: runtimeConfig.deviceID says 0000:01:10.4"]
    );
    assert_eq!(device(json!({"deviceID": null, "pciBusID": "01:1F.7"})).0, "0000:01:1f.7");
    assert_eq!(device(json!({"deviceID": "0000:AB:10.0"})).0, "0000:ab:10.0");
}

#[test]
fn a_missing_device_tells_the_likely_cause() {
    let args = CniArgs::parse("K8S_POD_NAMESPACE=ns;K8S_POD_NAME=p").unwrap();
    let checked = SriovConf::read(&Map::new(), &args).unwrap();
    let error = checked.conf.device(&args).unwrap_err();
    assert_eq!(error.code, Code::InvalidConfig);
    assert!(error.msg.contains("for pod ns/p"), "{error}");
    assert!(error.details.contains("k8s.v1.cni.cncf.io/resourceName"), "{error}");
}

#[test]
fn odd_but_harmless_is_warned_about() {
    let warnings = |document: Value| read(document).unwrap().warnings.join("\n");
    assert_eq!(
        warnings(json!({"max-tx-rate": 100})),
        r#"unknown key "max-tx-rate" is ignored; did you mean "max_tx_rate"?"#
    );
    assert!(warnings(json!({"runtimeConfig": {"ips": []}})).contains("runtimeConfig.ips"));
}

#[test]
fn device_info_goes_nowhere_else() {
    for path in [
        "/etc/cron.d/x",
        "/run/k8s.cni.cncf.io/devinfo/cni/../x",
        "/run/k8s.cni.cncf.io/devinfo/cni/a/b",
        "/run/k8s.cni.cncf.io/devinfo/cni/",
        "x",
    ] {
        let checked = read(json!({"runtimeConfig": {"CNIDeviceInfoFile": path}})).unwrap();
        assert_eq!(checked.conf.device_info_file, None, "{path}");
        assert_eq!(checked.warnings.len(), 1, "{path}");
    }
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "\\PC{0,20}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::btree_map("[a-zA-Z_]{0,8}", inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

fn any_key() -> impl Strategy<Value = String> {
    proptest::sample::select([keys::SHARED.as_slice(), &KEYS].concat()).prop_map(str::to_owned)
}

proptest! {
    #[test]
    fn no_config_makes_reading_panic(
        values in proptest::collection::vec((any_key(), any_json()), 0..6),
        args in "\\PC{0,32}",
    ) {
        let document: Map<String, Value> = values.into_iter().collect();
        if let Ok(args) = CniArgs::parse(&args)
            && let Err(error) = SriovConf::read(&document, &args)
        {
            prop_assert!(matches!(error.code, Code::InvalidConfig | Code::InvalidEnvironment));
        }
    }

    /// Case of a key never changes what it means.
    #[test]
    fn case_of_keys_does_not_matter(vlan in 1i64..4095, upper: bool) {
        let document = json!({"vlan": vlan, "min_tx_rate": 3, "trust": "on"});
        let recased: Map<String, Value> = document
            .as_object()
            .unwrap()
            .iter()
            .map(|(key, value)| (if upper { key.to_uppercase() } else { key.clone() }, value.clone()))
            .collect();
        prop_assert_eq!(read(Value::Object(recased)), read(document));
    }
}
