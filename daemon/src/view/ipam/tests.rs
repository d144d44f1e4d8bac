use ipam::{AttachmentKey, PodRef};
use proptest::prelude::*;

use super::*;
use crate::view::Format;
use crate::view::tests::shown;

fn block(pool: &str, first: &str, last: &str, network: &str, more: &str) -> NodeBlock {
    let text = format!(
        r#"{{"version": 1, "pool": "{pool}", "index": 0, "network": "{network}",
            "range": {{"first": "{first}", "last": "{last}"}},
            "static_range": {{"first": "{first}", "last": "{last}"}},
            "default_gateway": false, "routes": [], {more}}}"#
    );
    serde_json::from_str(&text).unwrap()
}

fn key() -> AttachmentKey {
    AttachmentKey {
        container: "cnitool-77383ca0a0715733ca6f".parse().unwrap(),
        ifname: "net1".parse().unwrap(),
    }
}

fn at(seconds: u64) -> BootTime {
    BootTime::from_start(Duration::from_secs(seconds))
}

fn lease(pool: &str, address: &str) -> Lease {
    Lease {
        pool: pool.parse().unwrap(),
        address: address.parse().unwrap(),
        owner: key(),
        network: "blue".parse().unwrap(),
        pod: Some(PodRef {
            namespace: "default".to_owned(),
            name: "web-0\u{1b}[2J".to_owned(),
            uid: String::new(),
        }),
        granted_at: at(400),
        netns_cookie: None,
        netns: None,
        recovered: false,
    }
}

fn resting(pool: &str, address: &str, since: u64) -> Cooling {
    Cooling {
        pool: pool.parse().unwrap(),
        address: address.parse().unwrap(),
        released_at: at(since),
        owner: key(),
    }
}

fn addresses() -> Addresses {
    let exclusions = r#""gateway": "10.0.0.1",
        "exclusions": [{"first": "10.0.0.3", "last": "10.0.0.4"}]"#;
    let none = r#""gateway": null, "exclusions": []"#;
    let facts = Facts {
        blocks: vec![
            block("ippool/blue", "10.0.0.1", "10.0.0.8", "10.0.0.0/24", exclusions),
            block("cidrpool/six", "fd00::1", "fd00::ffff:ffff:ffff:ffff", "fd00::/64", none),
        ],
        damaged: vec![Damaged {
            pool: "ippool/red".parse().unwrap(),
            why: "read /x: not this pool's block".to_owned(),
        }],
        leases: vec![
            lease("ippool/blue", "10.0.0.2"),
            lease("ippool/blue", "10.0.0.5"),
            // Of the block that the pool was before.
            lease("ippool/blue", "10.9.0.5"),
            lease("cidrpool/six", "fd00::1"),
        ],
        cooling: vec![
            resting("ippool/blue", "10.0.0.6", 480),
            // It has rested long enough.
            resting("ippool/blue", "10.0.0.7", 400),
            resting("ippool/red", "10.0.0.8", 480),
        ],
        loss: None,
        cooldown: Duration::from_secs(30),
    };
    Addresses::of(facts, at(500))
}

#[test]
fn as_a_table() {
    insta::assert_snapshot!(shown(Format::Table, &addresses()));
}

#[test]
fn as_json() {
    insta::assert_snapshot!(shown(Format::Json, &addresses()));
}

proptest! {
    /// The sum of its parts: every address of the block is the gateway, excluded, or usable.
    #[test]
    fn usable_counts_each_address_once(
        length in 1u8..20,
        gateway in proptest::option::of(1u8..25),
        ends in proptest::collection::vec((1u8..25, 0u8..4), 0..4),
    ) {
        let text = |octet: u8| format!("10.0.0.{octet}");
        let exclusions: Vec<String> = ends
            .iter()
            .map(|(first, more)| {
                format!(r#"{{"first": "{}", "last": "{}"}}"#, text(*first), text(first + more))
            })
            .collect();
        let gateway_json = gateway.map_or("null".to_owned(), |octet| format!("\"{}\"", text(octet)));
        let more = format!(r#""gateway": {gateway_json}, "exclusions": [{}]"#, exclusions.join(","));
        let block = block("ippool/x", "10.0.0.1", &text(length), "10.0.0.0/24", &more);
        let excluded = |octet: u8| {
            gateway == Some(octet)
                || ends.iter().any(|(first, more)| (*first..=first + more).contains(&octet))
        };
        let expected = (1..=length).filter(|octet| !excluded(*octet)).count();
        prop_assert_eq!(usable(&block), u128::try_from(expected).unwrap());
    }
}
