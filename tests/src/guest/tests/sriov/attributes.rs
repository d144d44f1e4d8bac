//! Attributes of a VF: set in the pod's time, as before afterwards, whatever they were before.

use serde_json::json;

use super::{Bed, assert_pf_shows, attached};
use crate::guest::Test;
use crate::guest::cni::Call;
use crate::guest::host::{Vf, link, read};
use crate::guest::pod::Pod;
use crate::guest::program::run;
use crate::guest::vf_state::{VfState, assert_unchanged};
use crate::guest::wait::wait_for;

pub(super) const TESTS: &[Test] = &[("sriov::attributes_and_back", attributes_and_back)];

fn attributes_and_back() {
    let bed = Bed::new(2);
    every_attribute_and_back(&bed);
    what_is_not_asked_for_stays(&bed);
    mac_sticks_with_untrusted_vfs(&bed);
    mac_precedence(&bed);
    one_rate_leaves_the_other(&bed);
    mtu_and_its_limits(&bed);
    any_spelling_of_the_device(&bed);
    a_vf_that_the_host_used(&bed);
    a_pf_that_is_down(&bed);
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
    for (mac, trust) in [("02:11:22:33:44:55", "off"), ("02:11:22:33:44:66", "")] {
        let own = link(&vf.wait_for_netdev())["address"].clone();
        attached(
            vf,
            &bed.config(0, json!({"mac": mac.to_uppercase(), "trust": trust})),
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
    // As Multus has it: the runtime's own pairs once more, and the last one counts.
    let arguments =
        "IgnoreUnknown=1;K8S_POD_NAME=p;MAC=02:00:00:00:00:09;X=1;MAC=02:00:00:00:00:02";
    let (of_runtime, of_config) = (json!({"mac": "02:00:00:00:00:01"}), "02-00-00-00-00-03");
    for (keys, arguments, expected) in [
        (json!({"mac": of_config, "runtimeConfig": of_runtime}), arguments, "02:00:00:00:00:01"),
        (json!({"mac": of_config}), arguments, "02:00:00:00:00:02"),
        (json!({"mac": of_config}), "", "02:00:00:00:00:03"),
    ] {
        let before = VfState::of(vf);
        let pod = Pod::new("pod1");
        let config = bed.config(0, keys);
        let add = Call::add("sriov", "c1", &pod, &config).env("CNI_ARGS", arguments);
        assert_eq!(add.run().ok()["interfaces"][0]["mac"], expected);
        assert_eq!(pod.link("net1")["address"], expected);
        assert_pf_shows(vf, "address", &json!(expected));
        Call::del("sriov", "c1", &pod, &config).run().ok();
        assert_unchanged(&before, &VfState::of(vf));
    }
}

/// On the host it is up, has a flag set and the name that it is to have in the pod.
fn a_vf_that_the_host_used(bed: &Bed) {
    let vf = &bed.vfs[0];
    let netdev = vf.wait_for_netdev();
    for line in [
        format!("ip link set {netdev} name net1"),
        "ip link set net1 up".to_owned(),
        "ip link set net1 allmulticast on".to_owned(),
    ] {
        run(&line).ok();
    }
    // The carrier comes by itself, and with it what the VF's addresses show.
    wait_for("a carrier", || (read("/sys/class/net/net1/carrier") == "1").then_some(()));
    run("ip -6 addr flush dev net1").ok();
    let keys = json!({"mac": "02:11:22:33:44:55", "vlan": 100, "mtu": 2000});
    let before = VfState::of(vf);
    let pod = Pod::new("pod1");
    let config = bed.config(0, keys);
    Call::add("sriov", "c1", &pod, &config).run().ok();
    assert_eq!(pod.link("net1")["address"], "02:11:22:33:44:55");
    Call::del("sriov", "c1", &pod, &config).run().ok();
    run("ip -6 addr flush dev net1").ok();
    assert_unchanged(&before, &VfState::of(vf));
    super::assert_forgotten();
    for line in [
        "ip link set net1 allmulticast off".to_owned(),
        "ip link set net1 down".to_owned(),
        format!("ip link set net1 name {netdev}"),
    ] {
        run(&line).ok();
    }
}

/// Rates are refused then, and nothing else is.
fn a_pf_that_is_down(bed: &Bed) {
    let vf = &bed.vfs[0];
    run(&format!("ip link set {} down", vf.pf)).ok();
    let keys = json!({"vlan": 100, "trust": "on", "mac": "02:11:22:33:44:55"});
    attached(vf, &bed.config(0, keys), |pod, _| {
        assert_pf_shows(vf, "vlan_list", &json!([{"vlan": 100}]));
        assert_eq!(pod.link("net1")["address"], "02:11:22:33:44:55");
        assert_eq!(pod.addresses("net1").len(), 1);
    });
    run(&format!("ip link set {} up", vf.pf)).ok();
}

fn any_spelling_of_the_device(bed: &Bed) {
    let vf = &bed.vfs[0];
    let short = vf.address.trim_start_matches("0000:").to_uppercase();
    for keys in [
        json!({"deviceID": short}),
        json!({"deviceID": null, "PciBusId": vf.address.to_uppercase()}),
        json!({"deviceID": bed.vfs[1].address, "runtimeConfig": {"deviceid": vf.address}}),
    ] {
        attached(vf, &bed.config(0, keys), |_, result| {
            assert_eq!(result["interfaces"][0]["pciID"], json!(vf.address));
        });
    }
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
