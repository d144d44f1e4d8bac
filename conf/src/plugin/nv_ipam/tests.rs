//! Every key, every precedence, every refusal.

use proptest::prelude::*;
use serde_json::json;

use super::*;

fn read(conf: Value) -> Result<NvIpamConf, String> {
    read_with(conf, None, "")
}

fn read_with(conf: Value, file: Option<Value>, args: &str) -> Result<NvIpamConf, String> {
    let network = "net-a".parse().unwrap();
    let args = CniArgs::parse(args).unwrap();
    NvIpamConf::read(&network, &conf, file.as_ref(), &args)
        .map(|checked| checked.conf)
        .map_err(|error| format!("{} {}", error.code.number(), error.msg))
}

fn pools(conf: &NvIpamConf) -> Vec<String> {
    conf.pools.iter().map(ToString::to_string).collect()
}

fn ips(conf: NvIpamConf) -> Vec<String> {
    match conf.request {
        Requested::Addresses(ips) => ips.iter().map(ToString::to_string).collect(),
        other => vec![format!("{other:?}")],
    }
}

#[test]
fn without_any_key_it_is_any_address_of_the_pool_named_like_the_network() {
    let conf = read(json!({"ipam": {"type": "nv-ipam"}})).unwrap();
    assert_eq!(pools(&conf), ["ippool/net-a"]);
    assert_eq!(conf.request, Requested::Any);
}

#[test]
fn pool_names_by_precedence() {
    let file = json!({"poolName": "of-file"});
    let ipam = json!({"type": "nv-ipam", "poolName": "of-ipam, other"});
    let args = json!({"cni": {"poolNames": ["of-args"]}});
    let with = |conf| pools(&read_with(conf, Some(file.clone()), "").unwrap());
    assert_eq!(with(json!({"ipam": {}})), ["ippool/of-file"]);
    assert_eq!(with(json!({"ipam": ipam})), ["ippool/of-ipam", "ippool/other"]);
    assert_eq!(with(json!({"ipam": ipam, "args": args})), ["ippool/of-args"]);
    assert_eq!(
        with(json!({"ipam": ipam, "args": {"cni": {"poolNames": []}}})),
        ["ippool/of-ipam", "ippool/other"]
    );
}

#[test]
fn pool_types_by_precedence_in_any_case() {
    let file = json!({"poolType": "ippool"});
    let ipam = json!({"poolType": "CIDRPool", "poolName": "a,b"});
    let with = |conf| pools(&read_with(conf, Some(file.clone()), "").unwrap());
    assert_eq!(with(json!({"ipam": ipam})), ["cidrpool/a", "cidrpool/b"]);
    assert_eq!(
        with(json!({"ipam": ipam, "args": {"cni": {"poolType": "IPPOOL"}}})),
        ["ippool/a", "ippool/b"]
    );
}

#[test]
fn force_pool_name_wants_a_name_from_somewhere() {
    let forced = json!({"forcePoolName": true});
    insta::assert_snapshot!(
        read_with(json!({"ipam": {}}), Some(forced.clone()), "").unwrap_err(),
        @"7 invalid config: ipam.poolName: must be set, since forcePoolName is"
    );
    let named = json!({"ipam": {"poolName": "a"}});
    assert!(read_with(named, Some(forced.clone()), "").is_ok());
    let by_args = json!({"ipam": {}, "args": {"cni": {"poolNames": ["a"]}}});
    assert!(read_with(by_args, Some(forced.clone()), "").is_ok());
    // The NetworkAttachmentDefinition has the last word over the node's file.
    assert!(read_with(json!({"ipam": {"forcePoolName": false}}), Some(forced), "").is_ok());
}

#[test]
fn static_addresses_by_precedence() {
    let all = json!({
        "ipam": {},
        "runtimeConfig": {"ips": ["10.0.0.1/24"]},
        "args": {"cni": {"ips": ["10.0.0.2"]}},
    });
    assert_eq!(ips(read_with(all.clone(), None, "IP=10.0.0.3").unwrap()), ["10.0.0.1"]);
    let mut rest = all;
    rest["runtimeConfig"]["ips"] = json!([]);
    assert_eq!(ips(read_with(rest.clone(), None, "IP=10.0.0.3").unwrap()), ["10.0.0.2"]);
    rest["args"]["cni"]["ips"] = Value::Null;
    assert_eq!(ips(read_with(rest.clone(), None, "IP=10.0.0.3/8").unwrap()), ["10.0.0.3"]);
    assert_eq!(ips(read_with(rest, None, "IP=").unwrap()), ["Any"]);
    let mapped = json!({"ipam": {}, "runtimeConfig": {"ips": ["::ffff:10.0.0.4/120"]}});
    assert_eq!(ips(read(mapped).unwrap()), ["10.0.0.4"]);
    let two = json!({"ipam": {"poolName": "a,b"}});
    assert_eq!(ips(read_with(two, None, "IP=10.0.0.3,fd00::1").unwrap()), ["10.0.0.3", "fd00::1"]);
}

#[test]
fn gateway_and_index() {
    let with =
        |cni: Value| read(json!({"ipam": {}, "args": {"cni": cni}})).map(|conf| conf.request);
    assert_eq!(with(json!({"allocateDefaultGateway": true})), Ok(Requested::Gateway));
    assert_eq!(with(json!({"allocateDefaultGateway": false})), Ok(Requested::Any));
    assert_eq!(with(json!({"allocateIPWithIndex": 0})), Ok(Requested::Index(0)));
    assert_eq!(with(json!({"allocateipwithindex": 7})), Ok(Requested::Index(7)));
    // Go finds keys in any case at every level.
    let runtime = json!({"ipam": {}, "runtimeConfig": {"IPs": ["10.0.0.1"]}});
    assert_eq!(ips(read(runtime).unwrap()), ["10.0.0.1"]);
    let args = json!({"ipam": {}, "args": {"CNI": {"PoolNames": ["p"]}}});
    assert_eq!(pools(&read(args).unwrap()), ["ippool/p"]);
}

#[test]
fn what_others_put_there_is_left_alone() {
    for args in [json!({"x": {}}), json!({}), Value::Null, json!({"cni": null})] {
        assert!(read(json!({"ipam": {}, "args": args})).is_ok());
    }
    let conf = json!({"ipam": {}, "args": {"cni": {"mac": 1}}, "capabilities": {"ips": true}});
    assert!(read(conf).is_ok());
}

#[test]
fn keys_without_effect_are_accepted_and_unknown_ones_told() {
    let network = "n".parse().unwrap();
    let conf = json!({"ipam": {
        "type": "nv-ipam", "daemonSocket": "unix:///x", "daemonCallTimeoutSeconds": 5,
        "logFile": "/x", "logLevel": "debug", "confDir": "/x", "poolname": "p", "pool": 1,
    }});
    let checked = NvIpamConf::read(&network, &conf, None, &CniArgs::default()).unwrap();
    assert_eq!(pools(&checked.conf), ["ippool/p"]);
    assert_eq!(checked.warnings.len(), 1, "{:?}", checked.warnings);
    assert!(checked.warnings[0].contains("\"pool\""));
}

#[test]
fn conf_dir() {
    assert_eq!(NvIpamConf::conf_dir(&json!({"ipam": {}})).unwrap(), CONF_DIR);
    assert_eq!(NvIpamConf::conf_dir(&json!({"ipam": {"confdir": "/x"}})).unwrap(), "/x");
    assert!(NvIpamConf::conf_dir(&json!({"ipam": {"confDir": "../x"}})).is_err());
}

#[test]
fn refusals_name_key_value_and_rule() {
    let refused = [
        json!({}),
        json!({"ipam": null}),
        json!({"ipam": "nv-ipam"}),
        json!({"ipam": {"poolName": 5}}),
        json!({"ipam": {"poolName": "a,,b"}}),
        json!({"ipam": {"poolName": "a,b,c"}}),
        json!({"ipam": {"poolName": "a,a"}}),
        json!({"ipam": {"poolName": "../../etc/x"}}),
        json!({"ipam": {"poolType": "foo"}}),
        json!({"ipam": {"forcePoolName": "yes"}}),
        json!({"ipam": {"daemonCallTimeoutSeconds": -1}}),
        json!({"ipam": {"logFile": 1, "logLevel": true}}),
        json!({"ipam": {}, "args": []}),
        json!({"ipam": {}, "args": {"cni": "x"}}),
        json!({"ipam": {}, "args": {"cni": {"poolNames": "a"}}}),
        json!({"ipam": {}, "args": {"cni": {"poolNames": ["a", 1]}}}),
        json!({"ipam": {}, "args": {"cni": {"poolNames": ["/"]}}}),
        json!({"ipam": {}, "args": {"cni": {"allocateIPWithIndex": -1}}}),
        json!({"ipam": {}, "args": {"cni": {"allocateIPWithIndex": "1"}}}),
        json!({"ipam": {}, "args": {"cni": {"allocateDefaultGateway": 1}}}),
        json!({"ipam": {}, "args": {"cni": {"allocateDefaultGateway": true, "allocateIPWithIndex": 1}}}),
        json!({"ipam": {}, "args": {"cni": {"allocateDefaultGateway": true, "ips": ["10.0.0.1"]}}}),
        json!({"ipam": {}, "runtimeConfig": {"ips": ["10.0.0.1"]}, "args": {"cni": {"allocateIPWithIndex": 1}}}),
        json!({"ipam": {}, "runtimeConfig": {"ips": ["10.0.0"]}}),
        json!({"ipam": {}, "runtimeConfig": {"ips": ["10.0.0.1/33"]}}),
        json!({"ipam": {}, "runtimeConfig": {"ips": "10.0.0.1"}}),
        json!({"ipam": {}, "runtimeConfig": {"ips": ["10.0.0.1", "10.0.0.2"]}}),
        json!({"ipam": {"poolName": "a,b"}, "runtimeConfig": {"ips": ["10.0.0.1", "10.0.0.1"]}}),
    ];
    let told: Vec<String> = refused
        .into_iter()
        .map(|conf| format!("{conf}\n    {}", read(conf.clone()).unwrap_err()))
        .collect();
    insta::assert_snapshot!(told.join("\n"));
}

#[test]
fn the_environment_and_the_file_are_refused_by_name() {
    insta::assert_snapshot!(
        read_with(json!({"ipam": {}}), None, "IP=10.0.0").unwrap_err(),
        @"4 CNI_ARGS IP: 10.0.0: must be an IP address"
    );
    insta::assert_snapshot!(
        read_with(json!({"ipam": {}}), Some(json!({"poolType": "x"})), "").unwrap_err(),
        @r#"7 invalid config: nv-ipam.conf poolType: "x": must be ippool or cidrpool"#
    );
    assert!(read_with(json!({"ipam": {}}), Some(json!([])), "").is_err());
}

#[test]
fn a_network_whose_name_is_no_pools_name_needs_one() {
    let network = "n".repeat(255).parse().unwrap();
    let conf = json!({"ipam": {}});
    let error = NvIpamConf::read(&network, &conf, None, &CniArgs::default()).unwrap_err();
    assert!(error.msg.contains("ipam.poolName: is missing, and the network's name"), "{error}");
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "[a-z0-9.,/:]{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 6, |inner| {
        let key = prop_oneof![
            Just("ipam".to_owned()),
            Just("args".to_owned()),
            Just("cni".to_owned()),
            Just("runtimeConfig".to_owned()),
            Just("ips".to_owned()),
            Just("poolNames".to_owned()),
            Just("poolName".to_owned()),
            Just("allocateIPWithIndex".to_owned()),
        ];
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::hash_map(key, inner, 0..5)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn whatever_comes_is_answered_and_never_names_a_third_pool(conf in any_json(), file in any_json()) {
        if let Ok(conf) = read_with(conf, Some(file), "") {
            prop_assert!((1..=2).contains(&conf.pools.len()));
            if let Requested::Addresses(ips) = conf.request {
                prop_assert!(ips.len() <= conf.pools.len());
            }
        }
    }
}
