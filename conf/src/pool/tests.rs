use serde_json::{Value, json};

use super::*;
use crate::object::{Object, read};

fn document(kind: &str, base: Value, more: &Value) -> Value {
    let mut spec = base;
    for (key, value) in more.as_object().unwrap() {
        spec[key] = value.clone();
    }
    json!({
        "apiVersion": "nv-ipam.nvidia.com/v1alpha1",
        "kind": kind,
        "metadata": {"name": "pool", "namespace": "kube-system"},
        "spec": spec,
    })
}

fn ip(more: &Value) -> Value {
    let base =
        json!({"subnet": "192.168.0.0/16", "perNodeBlockSize": 100, "gateway": "192.168.0.1"});
    document("IPPool", base, more)
}

fn cidr(more: &Value) -> Value {
    let base = json!({"cidr": "192.168.0.0/16", "perNodeNetworkPrefix": 24, "gatewayIndex": 1});
    document("CIDRPool", base, more)
}

fn ip_pool(more: Value) -> IpPool {
    match read(ip(&more)).object {
        Ok(Object::IpPool(pool)) => pool,
        other => panic!("{more}: {other:?}"),
    }
}

fn cidr_pool(more: Value) -> CidrPool {
    match read(cidr(&more)).object {
        Ok(Object::CidrPool(pool)) => pool,
        other => panic!("{more}: {other:?}"),
    }
}

/// The messages about a document, one a line.
fn refused(document: Value) -> String {
    let violations = match read(document.clone()).object {
        Err(violations) => violations.0,
        Ok(object) => panic!("{document}: {object:?}"),
    };
    violations.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

/// Every field of either kind.
fn full() -> Value {
    json!({
        "exclusions": [
            {"startIP": "192.168.0.10", "endIP": "192.168.0.20"},
            {"startIP": "192.168.0.15", "endIP": "192.168.0.15"},
        ],
        "perNodeExclusions": [{"startIndex": 0, "endIndex": 10}],
        "defaultGateway": true,
        "routes": [{"dst": "5.5.0.7/24"}],
        "nodeSelector": {"nodeSelectorTerms": [
            {"matchExpressions": [{"key": "kubernetes.io/os", "operator": "In", "values": ["linux"]}]},
            {"matchFields": [{"key": "metadata.name", "operator": "NotIn", "values": ["n1"]}]},
        ]},
    })
}

#[test]
fn every_field_of_an_ip_pool_arrives() {
    let read = read(ip(&full()));
    assert_eq!(read.warnings, []);
    insta::assert_json_snapshot!(ip_pool(full()));
}

#[test]
fn every_field_of_a_cidr_pool_arrives() {
    let mut spec = full();
    spec["staticAllocations"] = json!([
        {"nodeName": "n1", "gateway": "192.168.5.9", "prefix": "192.168.5.0/24"},
        {"prefix": "192.168.6.0/24"},
    ]);
    assert_eq!(read(cidr(&spec)).warnings, []);
    insta::assert_json_snapshot!(cidr_pool(spec));
}

#[test]
fn host_bits_of_a_subnet_are_dropped_and_of_a_cidr_refused() {
    let pool = ip_pool(json!({"subnet": "192.168.0.5/16"}));
    assert_eq!(pool.subnet.to_string(), "192.168.0.0/16");
    assert_eq!(
        refused(cidr(&json!({"cidr": "192.168.0.5/16"}))),
        r#"spec.cidr: "192.168.0.5/16": must have no host bits; did you mean 192.168.0.0/16?"#
    );
}

#[test]
fn block_sizes_end_at_what_the_subnet_has() {
    for (subnet, gateway, most) in [
        ("10.0.0.0/24", "10.0.0.1", 254),
        ("10.0.0.0/31", "", 2),
        ("10.0.0.0/32", "", 1),
        ("fd00::/120", "fd00::1", 255),
        ("fd00::/127", "", 2),
        ("fd00::/128", "", 1),
    ] {
        let with =
            |size: i64| json!({"subnet": subnet, "gateway": gateway, "perNodeBlockSize": size});
        assert_eq!(i64::from(ip_pool(with(most)).per_node_block_size.get()), most);
        for wrong in [0, -1, most + 1] {
            let message = format!(
                "spec.perNodeBlockSize: {wrong}: must be between 1 and {most}, \
                 the usable addresses of {subnet}"
            );
            assert_eq!(refused(ip(&with(wrong))), message);
        }
    }
}

/// The messages are read by people: all of them are spelled out.
#[test]
fn rules_of_an_ip_pool() {
    for (more, message) in [
        (json!({"subnet": null}), "spec.subnet: must be given"),
        (
            json!({"subnet": "10.0.0.0"}),
            r#"spec.subnet: "10.0.0.0": must be a prefix, like 192.168.0.0/16 or fd00::/64"#,
        ),
        (
            json!({"subnet": "10.0.0.0/33"}),
            r#"spec.subnet: "10.0.0.0/33": must be a prefix, like 192.168.0.0/16 or fd00::/64"#,
        ),
        (
            json!({"subnet": "10.0.0.0/255.0.0.0"}),
            r#"spec.subnet: "10.0.0.0/255.0.0.0": must be a prefix, like 192.168.0.0/16 or fd00::/64"#,
        ),
        (json!({"perNodeBlockSize": null}), "spec.perNodeBlockSize: must be given"),
        (json!({"gateway": "10.0.0.1"}), r#"spec.gateway: "10.0.0.1": must lie in 192.168.0.0/16"#),
        (json!({"gateway": "fd00::1"}), r#"spec.gateway: "fd00::1": must lie in 192.168.0.0/16"#),
        (json!({"gateway": "x"}), r#"spec.gateway: "x": must be an IP address"#),
        (
            json!({"exclusions": [{"startIP": "192.168.0.9", "endIP": "192.168.0.8"}]}),
            r#"spec.exclusions[0].endIP: "192.168.0.8": must not be below startIP, which is 192.168.0.9"#,
        ),
        (
            json!({"exclusions": [{"startIP": "192.168.0.9", "endIP": "192.169.0.8"}]}),
            r#"spec.exclusions[0].endIP: "192.169.0.8": must lie in 192.168.0.0/16"#,
        ),
        (
            json!({"exclusions": [{"startIP": "192.168.0.9"}]}),
            r#"spec.exclusions[0].endIP: "": must be an IP address"#,
        ),
        (
            json!({"perNodeExclusions": [{"startIndex": 0, "endIndex": 100}]}),
            "spec.perNodeExclusions[0].endIndex: 100: must be between 0 and 99, the last address of a node",
        ),
        (
            json!({"perNodeExclusions": [{"startIndex": -1, "endIndex": 0}]}),
            "spec.perNodeExclusions[0].startIndex: -1: must be between 0 and 99, the last address of a node",
        ),
        (
            json!({"perNodeExclusions": [{"startIndex": 5, "endIndex": 4}]}),
            "spec.perNodeExclusions[0].endIndex: 4: must not be below startIndex, which is 5",
        ),
        (
            json!({"perNodeExclusions": [{"startIndex": 5}]}),
            "spec.perNodeExclusions[0].endIndex: must be given",
        ),
        (
            json!({"gateway": "", "defaultGateway": true}),
            "spec.defaultGateway: true: needs gateway",
        ),
        (json!({"gateway": "", "routes": [{"dst": "5.5.0.0/24"}]}), "spec.routes: needs gateway"),
        (
            json!({"routes": [{"dst": "5.5.0.0"}]}),
            r#"spec.routes[0].dst: "5.5.0.0": must be a prefix, like 192.168.0.0/16 or fd00::/64"#,
        ),
        (
            json!({"routes": [{"dst": "fd01::/64"}]}),
            r#"spec.routes[0].dst: "fd01::/64": must be IPv4, as the pool is"#,
        ),
        (
            json!({"defaultGateway": true, "routes": [{"dst": "0.0.0.0/0"}]}),
            r#"spec.routes[0].dst: "0.0.0.0/0": must not be the default route, which defaultGateway makes"#,
        ),
        (
            json!({"nodeSelector": {}}),
            "spec.nodeSelector.nodeSelectorTerms: must hold a term; leave nodeSelector out to select every node",
        ),
    ] {
        assert_eq!(refused(ip(&more)), message, "{more}");
    }
}

#[test]
fn rules_of_a_cidr_pool() {
    let statics = |items: Value| json!({ "staticAllocations": items });
    for (more, message) in [
        (json!({"cidr": null}), "spec.cidr: must be given"),
        (json!({"perNodeNetworkPrefix": null}), "spec.perNodeNetworkPrefix: must be given"),
        (
            json!({"perNodeNetworkPrefix": 15}),
            "spec.perNodeNetworkPrefix: 15: must be between 16 and 32",
        ),
        (
            json!({"perNodeNetworkPrefix": 33}),
            "spec.perNodeNetworkPrefix: 33: must be between 16 and 32",
        ),
        (
            json!({"cidr": "::/0", "perNodeNetworkPrefix": 0}),
            "spec.perNodeNetworkPrefix: 0: must be between 1 and 128",
        ),
        (
            json!({"gatewayIndex": 0}),
            "spec.gatewayIndex: 0: must be between 1 and 254, a host of a /24",
        ),
        (
            json!({"gatewayIndex": 255}),
            "spec.gatewayIndex: 255: must be between 1 and 254, a host of a /24",
        ),
        (
            json!({"gatewayIndex": -1}),
            "spec.gatewayIndex: -1: must be between 1 and 254, a host of a /24",
        ),
        (
            json!({"perNodeNetworkPrefix": 31, "gatewayIndex": 2}),
            "spec.gatewayIndex: 2: must be between 0 and 1, a host of a /31",
        ),
        (
            json!({"gatewayIndex": null, "defaultGateway": true}),
            "spec.defaultGateway: true: needs gatewayIndex",
        ),
        (
            json!({"perNodeExclusions": [{"startIndex": 0, "endIndex": 256}]}),
            "spec.perNodeExclusions[0].endIndex: 256: must be between 0 and 255, the last address of a node",
        ),
        (
            statics(json!([{"prefix": "192.168.1.1/24"}])),
            r#"spec.staticAllocations[0].prefix: "192.168.1.1/24": must have no host bits; did you mean 192.168.1.0/24?"#,
        ),
        (
            statics(json!([{"prefix": "10.0.0.0/24"}])),
            r#"spec.staticAllocations[0].prefix: "10.0.0.0/24": must lie in 192.168.0.0/16"#,
        ),
        (
            statics(json!([{"prefix": "192.168.1.0/25"}])),
            r#"spec.staticAllocations[0].prefix: "192.168.1.0/25": must be a /24, as perNodeNetworkPrefix says"#,
        ),
        (
            statics(json!([{"prefix": "192.168.1.0/24", "gateway": "192.168.2.1"}])),
            r#"spec.staticAllocations[0].gateway: "192.168.2.1": must lie in 192.168.1.0/24"#,
        ),
        (
            statics(json!([{"prefix": "192.168.1.0/24"}, {"prefix": "192.168.1.0/24"}])),
            r#"spec.staticAllocations[1].prefix: "192.168.1.0/24": must not be given twice"#,
        ),
        (
            statics(
                json!([{"nodeName": "a", "prefix": "192.168.1.0/24"}, {"nodeName": "a", "prefix": "192.168.2.0/24"}]),
            ),
            r#"spec.staticAllocations[1].nodeName: "a": must not be given twice"#,
        ),
    ] {
        assert_eq!(refused(cidr(&more)), message, "{more}");
    }
}

#[test]
fn gateways_of_every_size_of_prefix() {
    for (cidr, prefix, index) in [
        ("10.0.0.0/24", 31, 0),
        ("10.0.0.0/24", 31, 1),
        ("10.0.0.0/24", 32, 0),
        ("10.0.0.0/8", 8, (1 << 24) - 2),
        ("fd00::/64", 127, 1),
        ("fd00::/64", 128, 0),
        ("fd00::/64", 120, 255),
        ("fd00::/48", 64, i32::MAX),
    ] {
        let spec = json!({"cidr": cidr, "perNodeNetworkPrefix": prefix, "gatewayIndex": index});
        let index = u32::try_from(index).unwrap();
        assert_eq!(cidr_pool(spec).gateway_index, Some(index), "{cidr} {prefix}");
    }
    assert_eq!(cidr_pool(json!({"gatewayIndex": null})).gateway_index, None);
}

/// However they are written, equal prefixes are equal.
#[test]
fn static_prefixes_are_compared_as_networks() {
    let spec = json!({"cidr": "fd00::/48", "perNodeNetworkPrefix": 64, "staticAllocations": [
        {"nodeName": "a", "prefix": "FD00:0:0:1::/64"},
        {"nodeName": "b", "prefix": "fd00:0000:0:1:0::/64"},
    ]});
    assert_eq!(
        refused(cidr(&spec)),
        r#"spec.staticAllocations[1].prefix: "fd00:0000:0:1:0::/64": must not be given twice"#
    );
}

#[test]
fn all_violations_are_told_at_once() {
    insta::assert_snapshot!(refused(ip(&json!({
        "subnet": "10.0.0.0/24", "perNodeBlockSize": 255, "gateway": "10.0.1.1",
        "exclusions": [{"startIP": "10.0.0.9", "endIP": "10.0.0.1"}, "x", {}],
        "routes": [{"dst": "::/0"}, {"dst": 5}], "defaultGateway": true,
        "nodeSelector": {"nodeSelectorTerms": [{"matchExpressions": [
            {"key": "a", "operator": "In"}, {"key": "b", "operator": "Is", "values": ["x"]},
        ]}]},
    }))));
}
