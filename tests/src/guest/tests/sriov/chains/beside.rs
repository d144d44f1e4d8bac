//! Other plugins that take from the same PF: `macvlan` on it, `host-device` one of its VFs.

use serde_json::{Value, json};

use super::super::{Bed, assert_forgotten};
use crate::guest::cni::{self, Call, Reply};
use crate::guest::pod::Pod;
use crate::guest::vf_state::{VfState, assert_unchanged};

/// One pod has all three. What is theirs is refused to ours, by name, and nothing of it changes.
pub(super) fn beside_macvlan_and_host_device() {
    let bed = Bed::new(2);
    let before: Vec<VfState> = bed.vfs.iter().map(VfState::of).collect();
    let pod = Pod::new("pod1");
    let statics = |address: &str| json!({"type": "static", "addresses": [{"address": address}]});
    let theirs = |plugin: &str, verb: &str, interface: &str, config: &Value| -> Reply {
        Call::new(&format!("../reference/{plugin}"), verb, "c1", config)
            .env("CNI_PATH", cni::REFERENCE)
            .env("CNI_IFNAME", interface)
            .env("CNI_NETNS", pod.path())
            .run()
    };
    let macvlan = json!({
        "cniVersion": "1.0.0", "name": "over", "type": "macvlan", "master": bed.pf.name,
        "ipam": statics("10.80.0.2/24"),
    });
    let host_device = json!({
        "cniVersion": "1.0.0", "name": "whole", "type": "host-device", "pciBusID": bed.vfs[1].address,
        "ipam": statics("10.81.0.2/24"),
    });
    theirs("macvlan", "ADD", "net2", &macvlan).ok();
    theirs("host-device", "ADD", "net3", &host_device).ok();
    let mut config = bed.config(0, json!({"vlan": 100}));
    config["prevResult"] = Call::add("sriov", "c1", &pod, &config).run().ok();
    Call::check("sriov", "c1", &pod, &config).run().ok();

    let taken = bed.config(1, json!({}));
    let other = Pod::new("pod2");
    let refused = Call::add("sriov", "c2", &other, &taken).run();
    assert_eq!(refused.output.status, 1, "{}", refused.output);
    let words = refused.output.stdout.contains("another container's namespace");
    assert!(words && refused.output.stdout.contains(&bed.vfs[1].address), "{}", refused.output);
    let mut links = pod.links();
    links.sort();
    assert_eq!(links, ["net1", "net2", "net3"]);
    assert_eq!(pod.addresses("net3"), ["10.81.0.2/24"]);

    Call::del("sriov", "c1", &pod, &config).run().ok();
    theirs("host-device", "DEL", "net3", &host_device).ok();
    theirs("macvlan", "DEL", "net2", &macvlan).ok();
    // What host-device brought home is ours to give.
    bed.vfs[1].wait_for_netdev();
    Call::add("sriov", "c2", &other, &taken).run().ok();
    Call::del("sriov", "c2", &other, &taken).run().ok();
    for (vf, before) in bed.vfs.iter().zip(&before) {
        assert_unchanged(before, &VfState::of(vf));
    }
    assert_forgotten();
}
