//! Attributes of a VF: set in the pod's time, as before afterwards, whatever they were before.

use serde_json::json;

use super::{Bed, assert_pf_shows, attached};
use crate::guest::Test;
use crate::guest::host::{Vf, link};
use crate::guest::program::run;

pub(super) const TESTS: &[Test] = &[("sriov::attributes_and_back", attributes_and_back)];

fn attributes_and_back() {
    let bed = Bed::new(2);
    every_attribute_and_back(&bed);
    what_is_not_asked_for_stays(&bed);
    mac_sticks_with_untrusted_vfs(&bed);
    mac_precedence(&bed);
    one_rate_leaves_the_other(&bed);
    mtu_and_its_limits(&bed);
}

fn set(vf: &Vf, what: &str) {
    run(&format!("ip link set {} vf {} {what}", vf.pf, vf.index)).ok();
}

fn every_attribute_and_back(bed: &Bed) {
    let vf = &bed.vfs[1];
    let keys = json!({
        "vlan": 100, "vlanQoS": 5, "spoofchk": "off", "trust": "on", "max_tx_rate": 100,
        "mac": "02:11:22:33:44:55", "mtu": 2000,
    });
    attached(vf, &bed.config(1, keys), |pod, result| {
        assert_pf_shows(vf, "vlan_list", &json!([{"vlan": 100, "qos": 5}]));
        assert_pf_shows(vf, "spoofchk", &json!(false));
        assert_pf_shows(vf, "trust", &json!(true));
        assert_pf_shows(vf, "rate", &json!({"max_tx": 100, "min_tx": 0}));
        assert_pf_shows(vf, "address", &json!("02:11:22:33:44:55"));
        assert_eq!(pod.link("net1")["address"], "02:11:22:33:44:55");
        assert_eq!(pod.link("net1")["mtu"], 2000);
        assert_eq!(result["interfaces"][0]["mac"], "02:11:22:33:44:55");
        assert_eq!(result["interfaces"][0]["mtu"], 2000);
    });
}

fn what_is_not_asked_for_stays(bed: &Bed) {
    let vf = &bed.vfs[0];
    set(vf, "vlan 55 qos 2");
    set(vf, "spoofchk off");
    set(vf, "max_tx_rate 200");
    attached(vf, &bed.config(0, json!({})), |_, _| {
        assert_pf_shows(vf, "vlan_list", &json!([{"vlan": 55, "qos": 2}]));
    });
    let keys = json!({"vlan": 100, "spoofchk": "on", "max_tx_rate": 100});
    attached(vf, &bed.config(0, keys), |_, _| {
        assert_pf_shows(vf, "vlan_list", &json!([{"vlan": 100}]));
        assert_pf_shows(vf, "spoofchk", &json!(true));
    });
    attached(vf, &bed.config(0, json!({"vlan": 0})), |_, _| {
        assert_eq!(vf.info()["vlan_list"][0]["vlan"].as_u64().unwrap_or(0), 0, "{}", vf.info());
    });
    // What is asked for and is so already need not be in the driver's power to set.
    attached(vf, &bed.config(0, json!({"link_state": "auto"})), |_, _| {});
    set(vf, "vlan 0");
    set(vf, "spoofchk on");
    set(vf, "max_tx_rate 0");
}

/// The driver refuses an address from an untrusted VF once its PF has set one, until the VF comes up again.
fn mac_sticks_with_untrusted_vfs(bed: &Bed) {
    let vf = &bed.vfs[0];
    for mac in ["02:11:22:33:44:55", "02:11:22:33:44:66"] {
        let own = link(&vf.wait_for_netdev())["address"].clone();
        attached(
            vf,
            &bed.config(0, json!({"mac": mac.to_uppercase(), "trust": "off"})),
            |pod, result| {
                assert_eq!(pod.link("net1")["address"], mac);
                assert_eq!(result["interfaces"][0]["mac"], mac);
                assert_pf_shows(vf, "address", &json!(mac));
            },
        );
        assert_eq!(link(&vf.wait_for_netdev())["address"], own);
    }
}

fn mac_precedence(bed: &Bed) {
    let vf = &bed.vfs[0];
    let config = |keys| bed.config(0, keys);
    attached(
        vf,
        &config(json!({"mac": "02:00:00:00:00:03", "runtimeConfig": {"mac": "02:00:00:00:00:01"}})),
        |pod, _| {
            assert_eq!(pod.link("net1")["address"], "02:00:00:00:00:01");
        },
    );
}

fn one_rate_leaves_the_other(bed: &Bed) {
    let vf = &bed.vfs[0];
    set(vf, "max_tx_rate 200");
    attached(vf, &bed.config(0, json!({"min_tx_rate": 0})), |_, _| {
        assert_pf_shows(vf, "rate", &json!({"max_tx": 200, "min_tx": 0}));
    });
}

fn mtu_and_its_limits(bed: &Bed) {
    let vf = &bed.vfs[0];
    attached(vf, &bed.config(0, json!({"mtu": 9000})), |pod, result| {
        assert_eq!(pod.link("net1")["mtu"], 9000);
        assert_eq!(result["interfaces"][0]["mtu"], 9000);
    });
    attached(vf, &bed.config(0, json!({})), |pod, _| {
        pod.run("ip link set net1 mtu 1400").ok();
    });
}
