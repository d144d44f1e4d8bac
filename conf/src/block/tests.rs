use serde_json::{Value, json};

use super::*;

/// A block with `more` in it.
fn document(more: &Value) -> Value {
    let mut block = json!({
        "version": 1, "pool": "ippool/blue", "index": 2,
        "range": {"first": "10.0.0.9", "last": "10.0.0.12"}, "network": "10.0.0.0/24",
        "gateway": "10.0.0.1", "default_gateway": true, "routes": ["5.5.0.0/16"],
        "exclusions": [{"first": "10.0.0.11", "last": "10.0.0.11"}],
        "static_range": {"first": "10.0.0.9", "last": "10.0.0.12"},
    });
    for (key, value) in more.as_object().unwrap() {
        block[key] = value.clone();
    }
    block
}

fn read(more: &Value) -> Result<NodeBlock, String> {
    serde_json::from_value(document(more)).map_err(|error| error.to_string())
}

/// The file that every version of railhead on this node must understand.
#[test]
fn the_format() {
    let block = read(&json!({})).unwrap();
    assert_eq!(serde_json::to_value(&block).unwrap(), document(&json!({})));
    assert_eq!(block.range.len_minus_one(), 3);
}

#[test]
fn the_format_of_a_block_that_nobody_asks_for() {
    let more = json!({
        "gateway_is_leased": true,
        "leaving": {
            "boot": "1d1f2a3b-4c5d-4e6f-8a9b-0c1d2e3f4a5b", "since": 5_000_000_000_u64,
            "gone": true, "retired": true,
        },
    });
    let block = read(&more).unwrap();
    assert_eq!(serde_json::to_value(&block).unwrap(), document(&more));
    assert!(block.is_retired() && !read(&json!({})).unwrap().is_retired());
}

#[test]
fn a_damaged_block_is_not_read() {
    let range = |first: &str, last: &str| json!({"first": first, "last": last});
    for (more, message) in [
        (json!({"version": 2}), "version must be 1"),
        (json!({"pool": "ippool/../x"}), "must start with a letter or digit"),
        (json!({"pool": "blue"}), "must be a pool, KIND/NAME"),
        (json!({"range": range("10.0.0.12", "10.0.0.9")}), "must run from first to last"),
        (json!({"range": range("10.0.0.9", "10.0.1.9")}), "range must lie in network"),
        (
            json!({"static_range": range("10.0.1.9", "10.0.1.9")}),
            "static_range must lie in network",
        ),
        (json!({"network": "fd00::/64"}), "range must lie in network"),
        (json!({"gateway": "10.0.1.1"}), "gateway must lie in network"),
        (json!({"gateway": null}), "need a gateway"),
        (json!({"routes": ["fd00::/64"]}), "routes must be of network's family"),
        (json!({"index": -1}), "invalid value"),
    ] {
        let error = read(&more).unwrap_err();
        assert!(error.contains(message), "{more}: {error}");
    }
    assert!(read(&json!({"gateway": null, "default_gateway": false, "routes": []})).is_ok());
}

#[test]
fn exclusions_are_made_disjoint_and_cut_to_the_block() {
    let range = |first: &str, last: &str| json!({"first": first, "last": last});
    let more = json!({"exclusions": [
        range("10.0.0.11", "10.0.0.200"), range("10.0.0.0", "10.0.0.9"),
        range("10.0.0.5", "10.0.0.6"), range("fd00::", "fd00::1"),
    ]});
    let exclusions = read(&more).unwrap().exclusions;
    let texts: Vec<_> = exclusions.iter().map(ToString::to_string).collect();
    assert_eq!(texts, ["10.0.0.9", "10.0.0.11-10.0.0.12"]);
}

#[test]
fn pools_by_kind_and_name() {
    let pool: PoolRef = "CIDRPool/blue".parse().unwrap();
    assert_eq!(pool.to_string(), "cidrpool/blue");
    for bad in ["", "blue", "pool/blue", "ippool/", "ippool/a/b", "ippool/.."] {
        assert!(bad.parse::<PoolRef>().is_err(), "{bad}");
    }
}

fn ip_pool(subnet: &str, size: u32) -> crate::pool::IpPool {
    crate::pool::IpPool {
        name: "blue".parse().unwrap(),
        subnet: subnet.parse().unwrap(),
        per_node_block_size: size.try_into().unwrap(),
        gateway: None,
        exclusions: Vec::new(),
        per_node_exclusions: Vec::new(),
        node_selector: None,
        default_gateway: false,
        routes: Vec::new(),
        allocations: Vec::new(),
    }
}

/// Other versions of railhead compare it with their own.
#[test]
fn the_format_of_a_geometry() {
    let of_ip_pool = PoolGeometry::of_ip_pool(&ip_pool("192.168.0.0/16", 4));
    let of_prefixes = PoolGeometry {
        pool: "cidrpool/green".parse().unwrap(),
        first: "fd00::".parse().unwrap(),
        size: BlockSize::PerNodeNetworkPrefix(64),
    };
    for (geometry, json, words) in [
        (
            of_ip_pool,
            json!({"pool": "ippool/blue", "first": "192.168.0.1", "perNodeBlockSize": 4}),
            "blocks of 4 addresses from 192.168.0.1",
        ),
        (
            of_prefixes,
            json!({"pool": "cidrpool/green", "first": "fd00::", "perNodeNetworkPrefix": 64}),
            "prefixes of length 64 from fd00::",
        ),
    ] {
        assert_eq!(serde_json::to_value(&geometry).unwrap(), json);
        assert_eq!(serde_json::from_value::<PoolGeometry>(json).unwrap(), geometry);
        assert_eq!(geometry.to_string(), words);
    }
}

#[test]
fn a_pool_that_only_grows_keeps_its_geometry() {
    let of = |subnet, size| PoolGeometry::of_ip_pool(&ip_pool(subnet, size));
    assert_eq!(of("10.0.0.0/24", 4), of("10.0.0.0/23", 4));
    assert_ne!(of("10.0.0.0/24", 4), of("10.0.0.0/24", 8));
    // To the front: what was block 0 is another by now.
    assert_ne!(of("10.0.1.0/24", 4), of("10.0.0.0/23", 4));
}
