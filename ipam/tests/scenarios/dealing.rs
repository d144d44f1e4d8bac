//! Which block a host gets, and what its containers get of it.

use serde_json::json;

use crate::bed::{Host, cidr_pool, ip_pool, pool, told};

#[test]
fn s01_two_nodes_of_a_16() {
    let pool = ip_pool("192.168.0.0/16", 4, json!({"gateway": "192.168.0.1"}));
    let hosts = [Host::new(0, 2), Host::new(1, 2)];
    let ranges = [&hosts[0], &hosts[1]].map(|host| host.range(&pool));
    assert_eq!(ranges, ["192.168.0.1-192.168.0.4", "192.168.0.5-192.168.0.8"]);
    let first = [&hosts[0], &hosts[1]].map(|host| told(&host.add("ippool", "c")));
    assert_eq!(first, ["192.168.0.2/16 via 192.168.0.1", "192.168.0.5/16 via 192.168.0.1"]);
}

#[test]
fn s02_two_blocks_for_three_nodes() {
    let pool = ip_pool("10.0.0.0/24", 100, json!({}));
    let ranges: Vec<_> = (0..3).map(|host| Host::new(host, 3).range(&pool)).collect();
    assert_eq!(ranges, ["10.0.0.1-10.0.0.100", "10.0.0.101-10.0.0.200", "none"]);
    let late = Host::new(2, 3);
    late.deal(&pool);
    let error = late.try_add("ippool", "c").unwrap_err();
    assert_eq!(error.code.number(), 11);
    assert!(error.to_string().starts_with("this node has no block of ippool/blue"), "{error}");
}

/// What is left at the end serves nobody, nor does a block that would hold the broadcast address.
#[test]
fn s03_the_end_of_a_subnet() {
    for (size, last) in
        [(127, "10.0.0.128-10.0.0.254"), (128, "none"), (100, "10.0.0.101-10.0.0.200")]
    {
        assert_eq!(Host::new(1, 3).range(&ip_pool("10.0.0.0/24", size, json!({}))), last);
        assert_eq!(Host::new(2, 3).range(&ip_pool("10.0.0.0/24", size, json!({}))), "none");
    }
    // IPv6 has no broadcast address.
    let pool = ip_pool("fd00::/120", 85, json!({}));
    assert_eq!(Host::new(2, 3).range(&pool), "fd00::ab-fd00::ff");
}

#[test]
fn s04_blocks_of_one_and_a_gateway() {
    let pool = ip_pool("10.0.0.0/24", 1, json!({"gateway": "10.0.0.1"}));
    let host = Host::alone();
    assert_eq!(host.range(&pool), "10.0.0.2");
    assert_eq!(told(&host.add("ippool", "c")), "10.0.0.2/24 via 10.0.0.1");
}

#[test]
fn s09_each_node_of_a_cidr_pool_is_a_subnet() {
    let pool = cidr_pool("192.168.0.0/16", 24, json!({"gatewayIndex": 1}));
    for (host, address) in [
        (0, "192.168.0.2/24 via 192.168.0.1"),
        (1, "192.168.1.2/24 via 192.168.1.1"),
        (255, "192.168.255.2/24 via 192.168.255.1"),
    ] {
        let host = Host::new(host, 256);
        host.deal(&pool).unwrap();
        assert_eq!(told(&host.add("cidrpool", "c")), address);
    }
}

#[test]
fn s12_prefixes_without_a_network_address() {
    let addresses = |prefix: i64, more: serde_json::Value| {
        let host = Host::new(1, 2);
        host.deal(&cidr_pool("10.0.0.0/24", prefix, more)).map(|_| {
            let addresses = host.addresses("cidrpool", 9);
            addresses.iter().map(ToString::to_string).collect::<Vec<_>>()
        })
    };
    assert_eq!(addresses(31, json!({})).unwrap(), ["10.0.0.2", "10.0.0.3"]);
    assert_eq!(addresses(31, json!({"gatewayIndex": 0})).unwrap(), ["10.0.0.3"]);
    assert_eq!(addresses(32, json!({})).unwrap(), ["10.0.0.1"]);
    assert_eq!(addresses(32, json!({"gatewayIndex": 0})), None, "all of it is gateway");
    assert_eq!(addresses(30, json!({})).unwrap(), ["10.0.0.5", "10.0.0.6"]);
}

#[test]
fn s13_a_64_of_ipv6() {
    let pool = ip_pool("fd00::/64", 500, json!({}));
    let starts: Vec<_> = (0..3)
        .map(|host| Host::new(host, 3).deal(&pool).unwrap().range.first().to_string())
        .collect();
    assert_eq!(starts, ["fd00::1", "fd00::1f5", "fd00::3e9"]);
    // As a search of 2^55 blocks this would not end.
    let excluded =
        json!({"exclusions": [{"startIP": "fd00::", "endIP": "fd00::ffff:ffff:ffff:ffff"}]});
    assert_eq!(Host::alone().range(&ip_pool("fd00::/64", 500, excluded)), "none");
}

#[test]
fn s14_a_64_dealt_as_128s() {
    let pool = cidr_pool("fd00::/64", 128, json!({}));
    for host in 0..5 {
        let host = Host::new(host, 5);
        let block = host.deal(&pool).unwrap();
        assert_eq!(told(&host.add("cidrpool", "c")), format!("{}/128", block.range.first()));
    }
    let excluded =
        json!({"exclusions": [{"startIP": "fd00::", "endIP": "fd00::ffff:ffff:ffff:ffff"}]});
    assert_eq!(Host::alone().range(&cidr_pool("fd00::/64", 128, excluded)), "none");
}

#[test]
fn s15_prefixes_by_name() {
    let pool = cidr_pool(
        "10.0.0.0/24",
        26,
        json!({"gatewayIndex": 1, "staticAllocations": [
            {"prefix": "10.0.0.0/26"},
            {"nodeName": "node-3", "prefix": "10.0.0.64/26", "gateway": "10.0.0.99"},
        ]}),
    );
    // Whatever its number.
    let named = Host::new(3, 9);
    named.deal(&pool).unwrap();
    assert_eq!(told(&named.add("cidrpool", "c")), "10.0.0.65/26 via 10.0.0.99");
    // The gateway by index is a host like any other where another gateway is named.
    let addresses = named.addresses("cidrpool", 99);
    assert_eq!(addresses.len(), 60, "62, less the gateway and the one above");
    // The others get neither that one nor the one that is promised to nobody.
    let ranges: Vec<_> = (0..3).map(|host| Host::new(host, 3).range(&pool)).collect();
    assert_eq!(ranges, ["10.0.0.193-10.0.0.254", "none", "10.0.0.129-10.0.0.190"]);
}

#[test]
fn s16_a_prefix_is_the_same_however_it_is_written() {
    let pool = cidr_pool(
        "fd00::/48",
        64,
        json!({"staticAllocations": [
            {"nodeName": "node-7", "prefix": "FD00:0:0:1::/64"},
        ]}),
    );
    assert_eq!(Host::new(7, 9).deal(&pool).unwrap().network.to_string(), "fd00:0:0:1::/64");
    let of_others: Vec<_> =
        (0..3).map(|host| Host::new(host, 3).deal(&pool).unwrap().network.to_string()).collect();
    assert_eq!(of_others, ["fd00::/64", "fd00:0:0:4::/64", "fd00:0:0:2::/64"]);
}

/// The sample of nv-ipam's README, on which its own plugin fails.
#[test]
fn s20_exclusions_are_their_union() {
    let pool = ip_pool(
        "192.168.0.0/16",
        100,
        json!({
            "gateway": "192.168.0.1", "defaultGateway": true, "routes": [{"dst": "5.5.0.0/24"}],
            "exclusions": [{"startIP": "192.168.0.10", "endIP": "192.168.0.20"}],
            "perNodeExclusions": [{"startIndex": 0, "endIndex": 10}],
        }),
    );
    let host = Host::alone();
    host.deal(&pool).unwrap();
    let addresses = host.addresses("ippool", 200);
    assert_eq!((addresses.len(), addresses[0].to_string().as_str()), (80, "192.168.0.21"));
    let routes = host.add("ippool", "c0").routes;
    let routes: Vec<_> = routes.iter().map(|route| route.dst.to_string()).collect();
    assert_eq!(routes, ["5.5.0.0/24", "0.0.0.0/0"]);
    // Identical, nested, adjacent, overlapping.
    let exclusions = [("1", "3"), ("1", "3"), ("2", "2"), ("4", "5"), ("5", "7")];
    let exclusions = exclusions.map(|(first, last)| {
        json!({"startIP": format!("10.0.0.{first}"), "endIP": format!("10.0.0.{last}")})
    });
    let host = Host::alone();
    host.deal(&ip_pool("10.0.0.0/24", 10, json!({ "exclusions": exclusions }))).unwrap();
    let addresses = host.addresses("ippool", 99);
    assert_eq!(
        addresses.iter().map(ToString::to_string).collect::<Vec<_>>(),
        ["10.0.0.8", "10.0.0.9", "10.0.0.10"]
    );
}

#[test]
fn s21_what_index_0_is() {
    let first = json!({"perNodeExclusions": [{"startIndex": 0, "endIndex": 0}]});
    let ip = Host::new(1, 2);
    assert_eq!(ip.range(&ip_pool("10.0.0.0/24", 4, first.clone())), "10.0.0.5-10.0.0.8");
    assert_eq!(told(&ip.add("ippool", "c")), "10.0.0.6/24", "the block's first address");
    let cidr = Host::new(1, 2);
    cidr.deal(&cidr_pool("10.0.0.0/24", 28, first)).unwrap();
    assert_eq!(told(&cidr.add("cidrpool", "c")), "10.0.0.17/28", "the network address");
}

#[test]
fn s22_a_block_that_holds_nothing_is_not_dealt() {
    let pool = ip_pool(
        "10.0.0.0/24",
        4,
        json!({
            "gateway": "10.0.0.2",
            "exclusions": [
                {"startIP": "10.0.0.1", "endIP": "10.0.0.1"}, {"startIP": "10.0.0.3", "endIP": "10.0.0.4"},
            ],
        }),
    );
    assert_eq!(Host::alone().range(&pool), "10.0.0.5-10.0.0.8");
    // Not even where it is promised by name.
    let pool = cidr_pool(
        "10.0.0.0/24",
        28,
        json!({
            "staticAllocations": [{"nodeName": "node-0", "prefix": "10.0.0.16/28"}],
            "exclusions": [{"startIP": "10.0.0.16", "endIP": "10.0.0.31"}],
        }),
    );
    assert_eq!(Host::alone().range(&pool), "none");
}

#[test]
fn s25_one_name_and_two_kinds() {
    let host = Host::alone();
    host.deal(&ip_pool("10.0.0.0/24", 1, json!({}))).unwrap();
    host.deal(&pool("CIDRPool", json!({"cidr": "10.1.0.0/24", "perNodeNetworkPrefix": 32})))
        .unwrap();
    assert_eq!(told(&host.add("ippool", "a")), "10.0.0.1/24");
    assert_eq!(told(&host.add("cidrpool", "b")), "10.1.0.0/32");
    // One is full, and the other does not care.
    assert!(host.try_add("ippool", "c").is_err() && host.try_add("cidrpool", "c").is_err());
    let ranges =
        ["ippool/blue", "cidrpool/blue"].map(|pool| host.block(pool).unwrap().range.to_string());
    assert_eq!(ranges, ["10.0.0.1", "10.1.0.0"]);
}
