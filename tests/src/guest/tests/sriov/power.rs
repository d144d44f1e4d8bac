//! The power goes while VFs are attached: after the boot nothing of that is left, and no DEL for it does harm.

use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use super::{Bed, assert_forgotten};
use crate::guest::cni::Call;
use crate::guest::pod::Pod;
use crate::guest::program::run;
use crate::guest::railhead::{BLOCK, railhead};
use crate::guest::vf_state::{VfState, assert_unchanged};
use crate::guest::{Test, hand, host};

pub(super) const TESTS: &[Test] =
    &[("sriov::power::nothing_is_attached_after_a_boot", nothing_is_attached_after_a_boot)];

/// What sriov-cni keeps on disk of an attachment.
const STALE: &str = "/var/lib/cni/sriov/c0-net1";

fn keys() -> Value {
    json!({"vlan": 100, "trust": "on", "spoofchk": "off", "mac": "02:11:22:33:44:55"})
}

fn nothing_is_attached_after_a_boot() {
    match hand::note::<Value>() {
        None => work_until_the_cut(),
        Some(block) => after_the_boot(&block),
    }
}

/// One container stays attached; another comes and goes, so that the power goes during its ADD or its DEL.
fn work_until_the_cut() {
    let bed = Bed::new(2);
    let block: Value = serde_json::from_str(&host::read(BLOCK)).expect("the block");
    let original = json!({
        "HostIFName": "eth9", "SpoofChk": true, "Trust": false, "AdminMAC": "02:00:00:00:00:09",
        "EffectiveMAC": "02:00:00:00:00:09", "Vlan": 9, "VlanQoS": 0, "VlanProto": 33024, "MinTxRate": 0,
        "MaxTxRate": 0, "LinkState": 0, "MTU": 1300,
    });
    let stale = json!({
        "cniVersion": "1.0.0", "name": "blue", "type": "sriov", "ipam": {}, "dns": {}, "OrigVfState": original,
        "Master": bed.pf.name, "MAC": "", "MTU": null, "vlan": 100, "vlanQoS": 0, "vlanProto": "802.1q",
        "deviceID": bed.vfs[0].address, "VFID": 0, "min_tx_rate": null, "max_tx_rate": null, "trust": "on",
        "runtimeConfig": {},
    });
    host::put(STALE, &stale.to_string());
    run("sync").ok();
    let (stays, moves) = (Pod::new("stays"), Pod::new("moves"));
    Call::add("sriov", "c0", &stays, &bed.config(0, keys())).run().ok();
    hand::cut_after(Duration::from_millis(1500), &block);
    let config = bed.config(1, json!({"vlan": 200}));
    loop {
        Call::add("sriov", "c1", &moves, &config).run().ok();
        Call::del("sriov", "c1", &moves, &config).run().ok();
    }
}

fn after_the_boot(block: &Value) {
    let kept: Value = serde_json::from_str(&host::read(BLOCK)).expect("a whole block");
    assert_eq!(&kept, block);
    assert!(!Path::new("/run/railhead").exists());
    let bed = Bed::new(2);
    let before = [0, 1].map(|number| VfState::of(&bed.vfs[number]));
    // The runtime asks for all that it had: the namespaces are gone, and new VFs have the old addresses.
    for (vf, container) in ["c0", "c1"].into_iter().enumerate() {
        for _ in 0..2 {
            let call = Call::new("sriov", "DEL", container, &bed.config(vf, keys()));
            call.env("CNI_NETNS", "/run/netns/stays").run().ok();
        }
    }
    for (vf, before) in bed.vfs.iter().zip(&before) {
        assert_unchanged(before, &VfState::of(vf));
    }
    assert!(!Path::new(STALE).exists());
    assert_forgotten();
    assert_eq!(railhead("attachments -o json").ok().json()["attachments"], json!([]));
    // The block deals again.
    let pod = Pod::new("pod1");
    let result = Call::add("sriov", "c2", &pod, &bed.config(0, keys())).run().ok();
    let address = result["ips"][0]["address"].as_str().expect("an address");
    assert!(address.starts_with("10.77.0."), "{address}");
    Call::del("sriov", "c2", &pod, &bed.config(0, keys())).run().ok();
    assert_unchanged(&before[0], &VfState::of(&bed.vfs[0]));
    assert_forgotten();
}
