//! One finding of each kind, and none where all agrees.

use serde_json::json;

use super::*;

fn key(container: &str) -> AttachmentKey {
    AttachmentKey { container: container.parse().unwrap(), ifname: "net1".parse().unwrap() }
}

fn block() -> NodeBlock {
    serde_json::from_value(json!({
        "version": 1, "pool": "ippool/blue", "index": 0,
        "range": {"first": "10.0.0.1", "last": "10.0.0.9"}, "network": "10.0.0.0/24",
        "gateway": null, "default_gateway": false, "routes": [], "exclusions": [],
        "static_range": {"first": "10.0.0.1", "last": "10.0.0.9"},
    }))
    .unwrap()
}

fn lease(container: &str, address: &str, cookie: u64) -> Lease {
    serde_json::from_value(json!({
        "pool": "ippool/blue", "address": address, "container": container, "ifname": "net1",
        "network": "n", "granted_at": 5, "netns_cookie": cookie,
    }))
    .unwrap()
}

fn seen(address: &str, cookie: u64) -> Sighting {
    Sighting {
        address: address.parse().unwrap(),
        ifname: Some("net1".parse().unwrap()),
        netns_cookie: cookie,
        netns: format!("/run/netns/{cookie}").into(),
    }
}

fn sound() -> Facts {
    Facts {
        blocks: vec![block()],
        leases: vec![lease("a", "10.0.0.1", 1), lease("b", "10.0.0.2", 2)],
        living: [1, 2].into(),
        seen: vec![seen("10.0.0.1", 1), seen("10.0.0.2", 2), seen("192.168.0.1", 1)],
        ..Facts::default()
    }
}

fn told(facts: &Facts) -> Vec<String> {
    let told = |finding: Finding| format!("{}: {}", finding.reason, finding.message);
    verify(facts).into_iter().map(told).collect()
}

#[test]
fn what_agrees_is_not_told() {
    assert!(told(&sound()).is_empty());
}

#[test]
fn a_namespace_that_is_gone_and_an_address_that_nobody_leased() {
    let facts = Facts { living: [1].into(), ..sound() };
    assert_eq!(
        told(&facts),
        ["NoNamespace: 10.0.0.2 of ippool/blue is leased to interface net1 of container b, whose \
          network namespace (2) is gone"]
    );
    let facts = Facts { leases: vec![lease("a", "10.0.0.1", 1)], ..sound() };
    assert_eq!(
        told(&facts),
        ["NoLease: 10.0.0.2 of ippool/blue is on net1 in /run/netns/2, leased to nobody"]
    );
}

#[test]
fn what_cannot_be_read_and_what_was_lost() {
    let loss = Loss { damage: "its file is gone".into(), aside: None, met_at: None };
    let facts = Facts { unreadable: vec!["read x".into()], loss: Some(loss), ..sound() };
    let told = told(&facts);
    assert_eq!((told.len(), told[0].as_str()), (2, "Unreadable: read x"));
    assert!(
        told[1].starts_with("Lost: the store of leases and attachments was damaged"),
        "{told:?}"
    );
}

#[test]
fn an_address_in_two_places() {
    let mut facts = sound();
    facts.seen.push(seen("10.0.0.1", 2));
    assert_eq!(
        told(&facts),
        ["Twice: 10.0.0.1 of ippool/blue is on net1 in /run/netns/1 and net1 in /run/netns/2"]
    );
}

#[test]
fn a_vf_whose_holder_is_not_recorded() {
    let vf: PciAddress = "0000:01:10.0".parse().unwrap();
    let facts = Facts { owners: vec![(vf, key("a"))], ..sound() };
    assert_eq!(
        told(&facts),
        [
            "NoRecord: VF 0000:01:10.0 is held by interface net1 of container a, which has no record \
          of it"
        ]
    );
}
