//! Which pools are accepted, and how the others are refused.

use conf::object::Object;
use serde_json::json;

use crate::bed::{Host, accepted, cidr_pool, ip_pool, refused};

#[test]
fn s05_block_sizes_that_are_none_or_too_large() {
    for (size, most, subnet) in
        [(0, 254, "10.0.0.0/24"), (-1, 254, "10.0.0.0/24"), (255, 254, "10.0.0.0/24")]
    {
        let told = format!(
            "spec.perNodeBlockSize: {size}: must be between 1 and {most}, the usable addresses of {subnet}"
        );
        assert_eq!(refused(&ip_pool(subnet, size, json!({}))), told);
    }
}

/// The largest that are fine.
#[test]
fn s06_a_block_may_be_the_whole_subnet() {
    for (subnet, size, range) in [
        ("10.0.0.0/24", 254, "10.0.0.1-10.0.0.254"),
        ("10.0.0.4/31", 2, "10.0.0.4-10.0.0.5"),
        ("10.0.0.4/32", 1, "10.0.0.4"),
        ("fd00::/120", 255, "fd00::1-fd00::ff"),
        ("fd00::4/127", 2, "fd00::4-fd00::5"),
        ("fd00::4/128", 1, "fd00::4"),
    ] {
        let pool = ip_pool(subnet, size, json!({}));
        assert_eq!(Host::new(0, 2).range(&pool), range);
        assert_eq!(Host::new(1, 2).range(&pool), "none");
    }
}

#[test]
fn s07_host_bits_of_a_subnet_are_dropped() {
    let pool = ip_pool("192.168.0.5/16", 4, json!({}));
    let block = Host::alone().deal(&pool).unwrap();
    assert_eq!(block.network.to_string(), "192.168.0.0/16");
    assert_eq!(block.range.to_string(), "192.168.0.1-192.168.0.4");
}

#[test]
fn s08_host_bits_of_a_cidr_are_refused() {
    let told =
        r#"spec.cidr: "192.168.0.5/16": must have no host bits; did you mean 192.168.0.0/16?"#;
    assert_eq!(refused(&cidr_pool("192.168.0.5/16", 24, json!({}))), told);
}

#[test]
fn s10_a_gateway_by_index_is_a_host() {
    for (prefix, index, between) in
        [(24, 0, "1 and 254"), (24, 255, "1 and 254"), (31, 2, "0 and 1")]
    {
        let told =
            format!("spec.gatewayIndex: {index}: must be between {between}, a host of a /{prefix}");
        assert_eq!(
            refused(&cidr_pool("10.0.0.0/16", prefix, json!({"gatewayIndex": index}))),
            told
        );
    }
    for prefix in [31, 32] {
        accepted(&cidr_pool("10.0.0.0/16", prefix, json!({"gatewayIndex": 0})));
    }
}

#[test]
fn s11_prefixes_that_do_not_fit_the_cidr() {
    for length in [0, 15, 33] {
        let told = format!("spec.perNodeNetworkPrefix: {length}: must be between 16 and 32");
        assert_eq!(refused(&cidr_pool("10.0.0.0/16", length, json!({}))), told);
    }
    let whole = cidr_pool("10.0.0.0/16", 16, json!({}));
    assert_eq!(Host::new(0, 2).range(&whole), "10.0.0.1-10.0.255.254");
    assert_eq!(Host::new(1, 2).range(&whole), "none");
}

#[test]
fn s17_selectors_that_say_nothing_or_the_wrong_thing() {
    let refused = |terms: serde_json::Value| {
        refused(&ip_pool("10.0.0.0/24", 4, json!({"nodeSelector": {"nodeSelectorTerms": terms}})))
    };
    let one = |operator: &str, values: &[&str]| {
        json!([{"matchExpressions": [
            {"key": "rack", "operator": operator, "values": values},
        ]}])
    };
    for (terms, told) in [
        (json!([null]), "must be an object"),
        (json!([]), "must hold a term; leave nodeSelector out to select every node"),
        (one("In", &[]), "must hold a value for In and NotIn"),
        (one("Exists", &["x"]), "must be empty for Exists and DoesNotExist"),
        (one("Gt", &["1", "2"]), "must be one whole number for Gt and Lt"),
        (one("Is", &["x"]), "must be In, NotIn, Exists, DoesNotExist, Gt or Lt"),
        (
            json!([{"matchFields": [{"key": "rack", "operator": "In", "values": ["x"]}]}]),
            "must be metadata.name",
        ),
    ] {
        let all = refused(terms);
        assert!(
            all.starts_with("spec.nodeSelector.nodeSelectorTerms") && all.ends_with(told),
            "{all}"
        );
    }
}

#[test]
fn s18_selectors_select_as_kubernetes_does() {
    let labels = [("rack", "r1"), ("gpus", "8")].map(|(key, value)| (key.into(), value.into()));
    let selects = |term: serde_json::Value| {
        let selector = json!({"nodeSelector": {"nodeSelectorTerms": [term]}});
        match accepted(&ip_pool("10.0.0.0/24", 4, selector)) {
            Object::IpPool(pool) => {
                pool.node_selector.unwrap().matches("n1", &labels.clone().into())
            }
            other => panic!("{other:?}"),
        }
    };
    let label = |key: &str, operator: &str, values: &[&str]| {
        let one = json!({"key": key, "operator": operator, "values": values});
        selects(json!({"matchExpressions": [one]}))
    };
    assert!(label("rack", "In", &["r0", "r1"]) && !label("rack", "In", &["r0"]));
    assert!(label("rack", "NotIn", &["r0"]) && label("other", "NotIn", &["r0"]));
    assert!(label("rack", "Exists", &[]) && label("other", "DoesNotExist", &[]));
    assert!(
        label("gpus", "Gt", &["7"]) && label("gpus", "Lt", &["9"]) && !label("rack", "Lt", &["9"])
    );
    let name = |operator: &str, name: &str| {
        selects(json!({"matchFields": [
            {"key": "metadata.name", "operator": operator, "values": [name]},
        ]}))
    };
    assert!(name("In", "n1") && !name("NotIn", "n1") && name("NotIn", "n2"));
    assert!(!selects(json!({})), "an empty term selects nobody");
}

#[test]
fn s19_exclusions_that_lie_outside_or_run_backwards() {
    let of = |more: serde_json::Value| refused(&ip_pool("10.0.0.0/24", 10, more));
    let range =
        |first: &str, last: &str| json!({"exclusions": [{"startIP": first, "endIP": last}]});
    let indices = |first: i64, last: i64| json!({"perNodeExclusions": [{"startIndex": first, "endIndex": last}]});
    for (more, told) in [
        (
            range("10.0.0.9", "10.0.1.9"),
            r#"spec.exclusions[0].endIP: "10.0.1.9": must lie in 10.0.0.0/24"#,
        ),
        (
            range("10.0.0.9", "10.0.0.8"),
            r#"spec.exclusions[0].endIP: "10.0.0.8": must not be below startIP, which is 10.0.0.9"#,
        ),
        (
            indices(0, 10),
            "spec.perNodeExclusions[0].endIndex: 10: must be between 0 and 9, the last address of a node",
        ),
        (
            indices(-1, 0),
            "spec.perNodeExclusions[0].startIndex: -1: must be between 0 and 9, the last address of a node",
        ),
        (
            indices(5, 4),
            "spec.perNodeExclusions[0].endIndex: 4: must not be below startIndex, which is 5",
        ),
    ] {
        assert_eq!(of(more), told);
    }
}

#[test]
fn s24_routes_need_a_gateway_and_its_family() {
    let of = |more: serde_json::Value| refused(&ip_pool("10.0.0.0/24", 4, more));
    let routes = |dst: &str| json!({"gateway": "10.0.0.1", "routes": [{"dst": dst}]});
    assert_eq!(of(json!({"defaultGateway": true})), "spec.defaultGateway: true: needs gateway");
    assert_eq!(of(json!({"routes": [{"dst": "5.5.0.0/16"}]})), "spec.routes: needs gateway");
    assert_eq!(
        of(routes("fd00::/64")),
        r#"spec.routes[0].dst: "fd00::/64": must be IPv4, as the pool is"#
    );
    let twice =
        json!({"gateway": "10.0.0.1", "defaultGateway": true, "routes": [{"dst": "0.0.0.0/0"}]});
    assert_eq!(
        of(twice),
        r#"spec.routes[0].dst: "0.0.0.0/0": must not be the default route, which defaultGateway makes"#
    );
    // The gateway of one node's prefix is none of the others'.
    let of_one = json!({
        "staticAllocations": [{"nodeName": "a", "prefix": "10.0.0.0/26", "gateway": "10.0.0.1"}],
        "defaultGateway": true,
    });
    assert_eq!(
        refused(&cidr_pool("10.0.0.0/24", 26, of_one)),
        "spec.defaultGateway: true: needs gatewayIndex"
    );
}
