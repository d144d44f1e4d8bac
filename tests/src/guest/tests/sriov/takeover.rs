//! Attachments that sriov-cni made before.

use serde_json::json;

use super::{Bed, assert_forgotten, assert_pf_shows};
use crate::guest::Test;
use crate::guest::cni::Call;
use crate::guest::host::{link, put};
use crate::guest::pod::Pod;
use crate::guest::program::run;
use crate::guest::vf_state::{VfState, assert_unchanged};

pub(super) const TESTS: &[Test] = &[("sriov::attachments_of_sriov_cni", attachments_of_sriov_cni)];

fn attachments_of_sriov_cni() {
    let bed = Bed::new(1);
    del_of_what_sriov_cni_attached(&bed);
    a_file_from_before_the_boot_goes(&bed);
}

const FILE: &str = "/var/lib/cni/sriov/c1-net1";

/// A VF attached to `pod` as sriov-cni does it, with its files.
fn attach_as_sriov_cni(bed: &Bed, pod: &Pod) {
    let vf = &bed.vfs[0];
    let netdev = vf.wait_for_netdev();
    let mac = link(&netdev)["address"].clone();
    run(&format!("ip link set {} vf 0 vlan 100 trust on", vf.pf)).ok();
    run(&format!("ip link set {netdev} netns {} name net1", pod.name())).ok();
    pod.run("ip link set net1 up mtu 1400").ok();
    let file = json!({
        "cniVersion": "1.0.0", "name": "net", "type": "sriov", "ipam": {}, "dns": {},
        "OrigVfState": {
            "HostIFName": netdev, "SpoofChk": true, "Trust": false, "AdminMAC": mac, "EffectiveMAC": mac, "Vlan": 0,
            "VlanQoS": 0, "VlanProto": 33024, "MinTxRate": 0, "MaxTxRate": 0, "LinkState": 0, "MTU": 1500,
        },
        "Master": vf.pf, "MAC": "", "MTU": null, "vlan": 100, "vlanQoS": 0, "vlanProto": "802.1q",
        "deviceID": vf.address, "VFID": 0, "min_tx_rate": null, "max_tx_rate": null, "trust": "on", "runtimeConfig": {},
    });
    put(FILE, &file.to_string());
    put(&format!("/var/lib/cni/sriov/pci/{}", vf.address), &pod.path());
}

fn del_of_what_sriov_cni_attached(bed: &Bed) {
    let before = VfState::of(&bed.vfs[0]);
    let pod = Pod::new("pod1");
    attach_as_sriov_cni(bed, &pod);
    let config = bed.config(0, json!({"ipam": {}}));
    for _ in 0..2 {
        Call::del("sriov", "c1", &pod, &config).run().ok();
        assert_unchanged(&before, &VfState::of(&bed.vfs[0]));
        assert_forgotten();
        assert!(!std::path::Path::new(FILE).exists());
    }
}

fn a_file_from_before_the_boot_goes(bed: &Bed) {
    let pod = Pod::new("pod1");
    attach_as_sriov_cni(bed, &pod);
    run(&format!("touch -d 1990-01-01 {FILE}")).ok();
    Call::del("sriov", "c1", &pod, &bed.config(0, json!({"ipam": {}}))).run().ok();
    assert!(!std::path::Path::new(FILE).exists());
    assert_eq!(pod.links(), ["net1"], "another attachment's by now, for all that is known");
    assert_pf_shows(&bed.vfs[0], "trust", &json!(true));
    assert_forgotten();
}
