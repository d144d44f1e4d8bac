//! The plugin `nv-ipam` on its own.

mod at_once;
mod book;
mod cost;
mod every_call;
mod every_failure;
mod kills;
mod random;
mod scenarios;
mod store;
mod storm;
mod strace;

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::bed::{Call, block, isolated, nv_ipam, save};

fn call(verb: &str, container: &str, keys: Value) -> Call {
    Call::new("nv-ipam", verb, &nv_ipam(keys)).env("CNI_CONTAINERID", container)
}

/// The address that an ADD of the container gives.
#[track_caller]
fn add(container: &str) -> String {
    address(&call("ADD", container, json!({})).run().ok())
}

/// The first address of a result, without its prefix length.
fn address(result: &Value) -> String {
    let address = result["ips"][0]["address"].as_str().unwrap();
    address.split_once('/').unwrap().0.to_owned()
}

/// A pool of IPv6 beside `blue`, and the config that asks for both.
fn two_pools() -> Value {
    save(&json!({
        "pool": "ippool/six", "first": "fd00::1", "last": "fd00::9", "network": "fd00::/64",
    }));
    json!({"ipam": {"type": "nv-ipam", "poolName": "blue,six"}})
}

/// A block in which no address rests, two containers whose addresses nothing may touch, and what they hold.
fn bystanders() -> BTreeMap<String, Vec<String>> {
    block(9);
    store::no_cooldown();
    ["by-1", "by-2"].map(|container| (container.to_owned(), vec![add(container)])).into()
}

/// ADD gives the victim addresses that nobody has, the same ones each time, and DEL frees them.
#[track_caller]
fn comes_and_goes(others: &BTreeMap<String, Vec<String>>, keys: &Value) {
    let added = || call("ADD", "victim", keys.clone()).run().ok();
    let first = added();
    assert_eq!(added(), first);
    let count = first["ips"].as_array().unwrap().len();
    assert_eq!(store::held_beside(others, "victim").len(), count, "{first}");
    call("DEL", "victim", keys.clone()).run().ok();
    assert_eq!(store::held_beside(others, "victim"), [""; 0]);
}

#[test]
fn results_golden() {
    isolated(|| {
        block(9);
        assert_eq!(
            call("ADD", "c1", json!({})).run().ok(),
            json!({
                "cniVersion": "1.1.0",
                "ips": [{"address": "10.77.0.2/24", "gateway": "10.77.0.1"}],
            })
        );
        assert_eq!(
            call("ADD", "c1", json!({"cniVersion": "0.4.0"})).run().ok(),
            json!({
                "cniVersion": "0.4.0",
                "ips": [{"version": "4", "address": "10.77.0.2/24", "gateway": "10.77.0.1"}],
                "dns": {},
            })
        );
        assert_eq!(
            call("ADD", "c1", json!({"cniVersion": "0.2.0"})).run().ok(),
            json!({
                "cniVersion": "0.2.0",
                "ip4": {"ip": "10.77.0.2/24", "gateway": "10.77.0.1"},
                "dns": {},
            })
        );
    });
}

/// A prefix of a CIDRPool with all that can come with it, and a pool without a gateway beside it.
#[test]
fn results_with_routes_golden() {
    isolated(|| {
        save(&json!({
            "pool": "cidrpool/v4", "first": "192.168.0.1", "last": "192.168.0.2",
            "network": "192.168.0.0/30", "gateway": "192.168.0.1", "default_gateway": true,
            "routes": ["9.9.9.0/24", "5.5.0.0/24", "9.9.9.0/24"],
        }));
        save(&json!({
            "pool": "cidrpool/v6", "first": "fd00::", "last": "fd00::", "network": "fd00::/128",
        }));
        let of = |version: &str, cni: Value| {
            let ipam = json!({"type": "nv-ipam", "poolName": "v4,v6", "poolType": "CIDRPool"});
            let keys = json!({"cniVersion": version, "ipam": ipam, "args": {"cni": cni}});
            call("ADD", "c1", keys).run()
        };
        let routes = json!([
            {"dst": "5.5.0.0/24", "gw": "192.168.0.1"},
            {"dst": "9.9.9.0/24", "gw": "192.168.0.1"},
            {"dst": "0.0.0.0/0", "gw": "192.168.0.1"},
        ]);
        let ips = json!([
            {"address": "192.168.0.2/30", "gateway": "192.168.0.1"}, {"address": "fd00::/128"},
        ]);
        let expected = json!({"cniVersion": "1.0.0", "ips": ips, "routes": routes});
        assert_eq!(of("1.0.0", json!({})).ok(), expected);
        let mut ips = ips;
        (ips[0]["version"], ips[1]["version"]) = (json!("4"), json!("6"));
        let expected = json!({"cniVersion": "0.3.1", "ips": ips, "routes": routes, "dns": {}});
        assert_eq!(of("0.3.1", json!({"poolType": "cidrpool"})).ok(), expected);
        // As the gateway it has neither gateway nor routes; a pool without one cannot give it.
        call("DEL", "c1", json!({})).run().ok();
        let gateway = json!({"poolNames": ["v4"], "allocateDefaultGateway": true});
        let ips = json!([{"address": "192.168.0.1/30"}]);
        assert_eq!(of("1.0.0", gateway).ok(), json!({"cniVersion": "1.0.0", "ips": ips}));
        of("1.0.0", json!({"allocateDefaultGateway": true})).error(7);
    });
}

#[test]
fn status_tells_whether_an_add_could_succeed() {
    isolated(|| {
        let status = || call("STATUS", "unused", json!({})).run();
        assert!(status().error(50).contains("no block of ippool/blue"));
        block(9);
        assert_eq!(status().ok(), Value::Null);
        assert!(!std::path::Path::new("/run/railhead").exists(), "it has only looked");
        add("c1");
        std::fs::write("/run/railhead/store/state.mdb", "damaged").unwrap();
        assert!(status().error(50).contains("is damaged"));
        call("ADD", "c2", json!({})).run().error(11);
        assert!(status().error(50).contains("set aside"));
        std::fs::write("/var/lib/railhead/blocks/ippool/blue.json", "{").unwrap();
        assert!(status().error(50).contains("blue.json"));
    });
}

#[test]
fn a_repeated_add_gives_the_same_and_a_repeated_del_nothing() {
    isolated(|| {
        block(9);
        let first = add("c1");
        assert_eq!(add("c1"), first);
        assert_ne!(add("c2"), first);
        for _ in 0..2 {
            assert_eq!(call("DEL", "c1", json!({})).run().ok(), Value::Null);
        }
        // DEL needs neither the pool nor a config that makes sense.
        let config = json!({"cniVersion": "1.0.0", "name": "other", "ipam": {"type": "nv-ipam"}});
        std::fs::remove_file("/var/lib/railhead/blocks/ippool/blue.json").unwrap();
        let del = Call::new("nv-ipam", "DEL", &config).env("CNI_CONTAINERID", "c2");
        assert_eq!(del.env("CNI_NETNS", "").run().ok(), Value::Null);
    });
}

#[test]
fn a_full_block_says_so() {
    isolated(|| {
        block(3);
        let (one, two) = (add("c1"), add("c2"));
        assert_ne!(one, two);
        let error = call("ADD", "c3", json!({})).run().error(11);
        assert!(error.contains("ippool/blue"), "{error}");
        call("DEL", "c1", json!({})).run().ok();
        assert_eq!(add("c3"), one);
    });
}

#[test]
fn check_compares_with_the_leases() {
    isolated(|| {
        block(9);
        let result = call("ADD", "c1", json!({})).run().ok();
        let check = |result: &Value| call("CHECK", "c1", json!({"prevResult": result})).run();
        assert_eq!(check(&result).ok(), Value::Null);
        let mut other = result.clone();
        other["ips"][0]["address"] = json!("10.77.0.9/24");
        check(&other).error(102);
        call("DEL", "c1", json!({})).run().ok();
        check(&result).error(3);
    });
}

#[test]
fn gc_keeps_what_is_valid_and_what_is_anothers() {
    isolated(|| {
        block(9);
        let (kept, freed) = (add("c1"), add("c2"));
        let other = call("ADD", "c3", json!({"name": "red"})).run().ok();
        let gc = |keys: Value| assert_eq!(call("GC", "unused", keys).run().ok(), Value::Null);
        gc(json!({}));
        assert_eq!(add("c2"), freed, "without a list nothing is freed");
        gc(json!({"cni.dev/valid-attachments": [{"containerID": "c1", "ifname": "net1"}]}));
        assert_eq!(add("c1"), kept);
        assert_eq!(call("ADD", "c3", json!({"name": "red"})).run().ok(), other);
        let ips = json!([{"address": format!("{freed}/24")}]);
        let prev = json!({"prevResult": {"cniVersion": "1.1.0", "ips": ips}});
        call("CHECK", "c2", prev).run().error(3);
    });
}
