use serde_json::json;

use super::*;
use crate::object::{Object, read};

/// What is adopted of a pool with this status, and what is warned about.
fn adopted(kind: &str, spec: &Value, status: &Value) -> (Vec<String>, Vec<String>) {
    let document = json!({
        "apiVersion": "nv-ipam.nvidia.com/v1alpha1", "kind": kind,
        "metadata": {"name": "pool"}, "spec": spec, "status": status,
    });
    let read = read(document);
    let allocations = match read.object.unwrap() {
        Object::IpPool(pool) => pool.allocations,
        Object::CidrPool(pool) => pool.allocations,
        other => panic!("{other:?}"),
    };
    (
        allocations.iter().map(|one| format!("{} {}", one.node, one.range)).collect(),
        read.warnings.iter().map(ToString::to_string).collect(),
    )
}

fn of_ip_pool(allocations: &Value) -> (Vec<String>, Vec<String>) {
    let spec = json!({"subnet": "10.0.0.0/24", "perNodeBlockSize": 10});
    adopted("IPPool", &spec, &json!({ "allocations": allocations }))
}

fn of_cidr_pool(allocations: &Value) -> (Vec<String>, Vec<String>) {
    let spec = json!({"cidr": "fd00::/48", "perNodeNetworkPrefix": 64});
    adopted("CIDRPool", &spec, &json!({ "allocations": allocations }))
}

#[test]
fn what_nv_ipam_dealt_is_adopted() {
    let of_ip_pool = of_ip_pool(&json!([
        {"nodeName": "a", "startIP": "10.0.0.1", "endIP": "10.0.0.10"},
        {"nodeName": "b", "startIP": "10.0.0.241", "endIP": "10.0.0.250"},
    ]));
    assert_eq!(of_ip_pool.0, ["a 10.0.0.1-10.0.0.10", "b 10.0.0.241-10.0.0.250"]);
    let of_cidr_pool = of_cidr_pool(&json!([
        {"nodeName": "a", "prefix": "FD00:0:0:5::/64", "gateway": "fd00:0:0:5::1"},
    ]));
    assert_eq!(of_cidr_pool.0, ["a fd00:0:0:5::-fd00::5:ffff:ffff:ffff:ffff"]);
    assert_eq!((of_ip_pool.1, of_cidr_pool.1), (vec![], vec![]));
    // In a /31 the first block begins with the network.
    let spec = json!({"subnet": "10.0.0.4/31", "perNodeBlockSize": 1});
    let status = json!({"allocations": [
        {"nodeName": "a", "startIP": "10.0.0.4", "endIP": "10.0.0.4"},
    ]});
    assert_eq!(adopted("IPPool", &spec, &status).0, ["a 10.0.0.4"]);
}

#[test]
fn no_status_is_no_adoption() {
    let spec = json!({"subnet": "10.0.0.0/24", "perNodeBlockSize": 10});
    for status in [json!(null), json!({}), json!({"allocations": null}), json!({"x": 1})] {
        assert_eq!(adopted("IPPool", &spec, &status), (vec![], vec![]), "{status}");
    }
}

/// The messages are read by people: all of them are spelled out.
#[test]
fn what_makes_no_sense_is_told_and_left_out() {
    let block = |more: Value| {
        let mut entry = json!({"nodeName": "a", "startIP": "10.0.0.11", "endIP": "10.0.0.20"});
        entry.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!([entry])
    };
    let of_the_pool = "must be a block of the pool: 10 addresses, the first of them 10.0.0.1 or a \
                       multiple of 10 after it";
    for (entries, warning) in [
        (json!("x"), r#"status.allocations: "x": must be a list; nothing is adopted"#.to_owned()),
        (json!([5]), "status.allocations[0].nodeName: must be given".to_owned()),
        (block(json!({"nodeName": 5})), "status.allocations[0].nodeName: 5: must be a text".into()),
        (
            block(json!({"nodeName": "../a"})),
            r#"status.allocations[0].nodeName: "../a": must be 1 to 253 lower-case letters"#.into(),
        ),
        (
            block(json!({"startIP": "x"})),
            r#"status.allocations[0].startIP: "x": must be an IP address"#.into(),
        ),
        (
            block(json!({"endIP": "10.0.1.20"})),
            r#"status.allocations[0].endIP: "10.0.1.20": must lie in 10.0.0.0/24"#.into(),
        ),
        (
            block(json!({"endIP": "10.0.0.9"})),
            "status.allocations[0].endIP: 10.0.0.9: must not be below startIP, 10.0.0.11".into(),
        ),
        // Misaligned, of another size, beyond the last whole block.
        (
            block(json!({"startIP": "10.0.0.12", "endIP": "10.0.0.21"})),
            format!("status.allocations[0]: 10.0.0.12-10.0.0.21: {of_the_pool}"),
        ),
        (
            block(json!({"endIP": "10.0.0.19"})),
            format!("status.allocations[0]: 10.0.0.11-10.0.0.19: {of_the_pool}"),
        ),
        (
            block(json!({"startIP": "10.0.0.0", "endIP": "10.0.0.9"})),
            format!("status.allocations[0]: 10.0.0.0-10.0.0.9: {of_the_pool}"),
        ),
        (
            block(json!({"startIP": "10.0.0.251", "endIP": "10.0.0.255"})),
            format!("status.allocations[0]: 10.0.0.251-10.0.0.255: {of_the_pool}"),
        ),
    ] {
        let (adopted, warnings) = of_ip_pool(&entries);
        assert_eq!(adopted, [""; 0], "{entries}");
        assert!(warnings[0].starts_with(&warning), "{entries}: {warnings:?}");
        assert!(warnings[0].ends_with("adopted"), "{warnings:?}");
    }
    for prefix in ["fd00:0:0:5::1/64", "fd00:0:0:5::/80", "fd01::/64", "10.0.0.0/24"] {
        let (adopted, warnings) = of_cidr_pool(&json!([{"nodeName": "a", "prefix": prefix}]));
        let warning = format!(
            "status.allocations[0].prefix: \"{prefix}\": must be a /64 in fd00::/48; this entry \
             is not adopted"
        );
        assert_eq!((adopted, warnings), (vec![], vec![warning]));
    }
}

#[test]
fn of_two_for_one_node_or_one_block_the_first_counts() {
    let entry = |node: &str, prefix: &str| json!({"nodeName": node, "prefix": prefix});
    let (adopted, warnings) = of_cidr_pool(&json!([
        entry("a", "fd00::/64"),
        entry("b", "fd00::/64"),
        entry("a", "fd00:0:0:1::/64"),
        entry("c", "fd00:0:0:2::/64"),
    ]));
    assert_eq!(adopted.len(), 2);
    assert!(adopted[0].starts_with("a fd00::-") && adopted[1].starts_with("c fd00:0:0:2::-"));
    assert_eq!(warnings.len(), 2);
    assert!(warnings[0].contains("another entry has; this entry is not adopted"), "{warnings:?}");
}

#[test]
fn a_status_of_another_pool_does_not_flood_the_log() {
    let entries: Vec<Value> = (0..5000)
        .map(|at| json!({"nodeName": format!("n{at}"), "prefix": format!("fd77:0:0:{at:x}::/64")}))
        .collect();
    let (adopted, warnings) = of_cidr_pool(&json!(entries));
    assert_eq!((adopted.len(), warnings.len()), (0, TOLD + 1));
    assert_eq!(warnings[TOLD], "status.allocations: 4980 more mistakes; these were the first");
}

/// A status makes no pool invalid, and an invalid pool deals nothing.
#[test]
fn a_status_does_not_change_what_the_spec_is_worth() {
    let read = |spec: Value| {
        read(json!({
            "apiVersion": "nv-ipam.nvidia.com/v1alpha1", "kind": "IPPool",
            "metadata": {"name": "pool"}, "spec": spec, "status": {"allocations": [{}]},
        }))
    };
    assert!(read(json!({"subnet": "10.0.0.0/24", "perNodeBlockSize": 10})).object.is_ok());
    let broken = read(json!({"subnet": "10.0.0.0/24", "perNodeBlockSize": 0}));
    assert!(broken.object.is_err() && broken.warnings.is_empty());
}
