//! VFs that user space drives: no netdev moves, the rest is the same.

use serde_json::{Value, json};

use super::{Bed, assert_pf_shows, attached};
use crate::guest::Test;
use crate::guest::cni::Call;
use crate::guest::pod::Pod;
use crate::guest::program::run;
use crate::guest::vf_state::VfState;

pub(super) const TESTS: &[Test] = &[("sriov::vfs_without_a_netdev", vfs_without_a_netdev)];

fn vfs_without_a_netdev() {
    let bed = Bed::new(2);
    a_vf_for_user_space(&bed, "uio_pci_generic");
    a_vf_for_user_space(&bed, "vfio-pci");
    a_tap_of_the_same_name_is_left_alone(&bed);
    a_vf_without_driver_is_refused(&bed);
}

fn a_vf_for_user_space(bed: &Bed, driver: &str) {
    let vf = &bed.vfs[1];
    vf.bind(driver);
    let own = vf.info()["address"].clone();
    attached(vf, &bed.config(1, json!({"vlan": 100})), |pod, result| {
        assert_eq!(
            result["interfaces"],
            json!([{"name": "net1", "mac": own, "sandbox": pod.path(), "pciID": vf.address}])
        );
        assert!(result["ips"][0]["address"].to_string().contains("10.77.0."), "{result}");
        assert_eq!(pod.links(), Vec::<String>::new());
        assert_pf_shows(vf, "vlan_list", &json!([{"vlan": 100}]));
        // What a user-space driver has its PF do.
        run(&format!("ip link set {} vf 1 mac 02:77:77:77:77:77", vf.pf)).ok();
    });
    attached(vf, &bed.config(1, json!({"mac": "02:11:22:33:44:55"})), |_, result| {
        assert_eq!(result["interfaces"][0]["mac"], "02:11:22:33:44:55");
        assert_pf_shows(vf, "address", &json!("02:11:22:33:44:55"));
    });
    let pod = Pod::new("pod1");
    // Users of DPDK share one network with those of netdevs, and sriov-cni ignores it for all.
    let mut config = bed.config(1, json!({"vlan": 100, "mtu": 2000}));
    let reply = Call::add("sriov", "c1", &pod, &config).run();
    assert!(reply.output.stderr.contains("mtu has no effect"), "{}", reply.output);
    config["prevResult"] = reply.ok();
    assert_eq!(config["prevResult"]["interfaces"][0]["mtu"], Value::Null);
    Call::check("sriov", "c1", &pod, &config).run().ok();
    run(&format!("ip link set {} vf 1 vlan 7", vf.pf)).ok();
    Call::check("sriov", "c1", &pod, &config).run().error(102);
    Call::del("sriov", "c1", &pod, &config).run().ok();
}

fn a_tap_of_the_same_name_is_left_alone(bed: &Bed) {
    let vf = &bed.vfs[1];
    attached(vf, &bed.config(1, json!({})), |pod, _| {
        pod.run("ip link add net1 type dummy").ok();
        pod.run("ip link set net1 up").ok();
        let theirs = pod.link("net1");
        Call::del("sriov", "c1", pod, &bed.config(1, json!({}))).run().ok();
        assert_eq!(pod.link("net1"), theirs);
    });
}

fn a_vf_without_driver_is_refused(bed: &Bed) {
    let vf = &bed.vfs[0];
    vf.unbind();
    let before = VfState::of(vf);
    let pod = Pod::new("pod1");
    let error =
        Call::add("sriov", "c1", &pod, &bed.config(0, json!({"vlan": 100}))).run().error(11);
    assert!(error.to_string().contains("no driver"), "{error}");
    assert_eq!(before, VfState::of(vf));
    assert_eq!(Call::del("sriov", "c1", &pod, &bed.config(0, json!({}))).run().ok(), Value::Null);
}
