//! What railhead sees and tells of the NICs, and what it never touches.

use std::fs;

use serde_json::{Value, json};

use super::{FIRST, assert_in_force, drop_policy, put_policy, put_policy_by_address, undo};
use crate::guest::Test;
use crate::guest::host::{netdev_of, pf, put, read, write};
use crate::guest::pod::Pod;
use crate::guest::program::run;
use crate::guest::railhead::{Daemon, object, railhead, settings, wait_until_in_force};
use crate::guest::wait::wait_for;

pub(super) const TESTS: &[Test] = &[
    ("daemon::discovery::the_node_state_tells_what_is_there", the_node_state),
    ("daemon::discovery::a_pf_that_was_renamed_keeps_its_vfs", a_renamed_pf),
    ("daemon::discovery::a_pf_that_loses_its_driver_comes_back", a_pf_without_its_driver),
    ("daemon::discovery::a_pf_in_another_namespace_is_told", a_pf_in_another_namespace),
    ("daemon::discovery::other_interfaces_are_never_touched", other_interfaces),
];

const STATE: &str = "/var/lib/railhead/objects/SriovNetworkNodeState-node-a.json";

/// The node's state, as others read it.
fn state() -> Value {
    serde_json::from_str(&read(STATE)).expect("the node's state is JSON")
}

/// Both PFs, with no policy at all; VFs that somebody made; names that come; and what somebody wrote into it.
fn the_node_state() {
    settings("nodeName: node-a\n");
    let vf = pf(1).make_vfs(1).remove(0);
    run("ip link set enp1s0 up").ok();
    run("ip link property add dev enp1s0 altname storage0").ok();
    wait_for("the link", || {
        (crate::guest::host::link("enp1s0")["operstate"] == "UP").then_some(())
    });
    railhead("apply").ok();
    let told = state();
    assert_eq!(
        (&told["metadata"]["name"], &told["status"]["syncStatus"]),
        (&json!("node-a"), &json!("Succeeded"))
    );
    let first = json!({
        "name": "enp1s0", "mac": "52:54:00:00:00:01", "driver": "igb", "pciAddress": "0000:01:00.0",
        "vendor": "8086", "deviceID": "10c9", "mtu": 1500, "linkSpeed": "1000 Mb/s", "linkType": "ETH",
        "linkAdminState": "up", "totalvfs": 7, "altNames": ["storage0"],
    });
    assert_eq!(told["status"]["interfaces"][0], first);
    let second = &told["status"]["interfaces"][1];
    assert_eq!((&second["name"], &second["numVfs"]), (&json!("enp2s0"), &json!(1)));
    let foreign = json!({
        "name": vf.netdev(), "mac": super::own_mac(&vf), "driver": "igbvf", "pciAddress": vf.address,
        "vendor": "8086", "deviceID": "10ca", "mtu": 1500, "vfID": 0,
    });
    assert_eq!(second["Vfs"], json!([foreign]));

    for wrong in ["{}", "", "null", "{\"status\": {\"syncStatus\": \"Failed\"}}"] {
        put(STATE, wrong);
        railhead("apply").ok();
        assert_eq!(state()["status"]["interfaces"], told["status"]["interfaces"], "{wrong:?}");
    }
    pf(1).remove_vfs();
    run("ip link property del dev enp1s0 altname storage0").ok();
    run("ip link set enp1s0 down").ok();
}

fn rename(from: &str, to: &str) {
    run(&format!("ip link set {from} down")).ok();
    run(&format!("ip link set {from} name {to}")).ok();
}

fn a_renamed_pf() {
    put_policy("net", "enp1s0", 1, "");
    railhead("apply").ok();
    rename("enp1s0", "lan0");
    let told = railhead("apply").failed_with(1);
    for part in ["policy net asked for it as enp1s0", "it is called lan0", "altname enp1s0"] {
        assert!(told.stdout.contains(part), "{part:?}: {told}");
    }
    assert_eq!(pf(0).num_vfs(), 1, "nobody said that they shall go");

    run("ip link property add dev lan0 altname enp1s0").ok();
    railhead("apply").ok();
    assert_in_force();
    run("ip link property del dev lan0 altname enp1s0").ok();
    put_policy_by_address(1);
    railhead("apply").ok();
    assert_in_force();
    let told = state();
    assert_eq!(told["status"]["interfaces"][0]["name"], "lan0");
    assert_eq!(told["spec"]["interfaces"][0]["name"], "lan0");
    undo("net");
    assert_eq!(pf(0).num_vfs(), 0);
    rename("lan0", "enp1s0");
}

fn a_pf_without_its_driver() {
    put_policy_by_address(1);
    let daemon = Daemon::start();
    wait_for("the VF", || (pf(0).num_vfs() == 1).then_some(()));
    write("/sys/bus/pci/drivers/igb/unbind", FIRST);
    wait_for("the daemon to tell", || {
        let told = fs::read_to_string(STATE).unwrap_or_default();
        (told.contains("no driver is bound to the PF") && told.contains("\"Failed\"")).then_some(())
    });
    write("/sys/bus/pci/drivers/igb/bind", FIRST);
    wait_for("the VF to come back", || (pf(0).num_vfs() == 1).then_some(()));
    wait_until_in_force();
    super::drop_and_wait("net");
    daemon.stop().ok();
    // As udev does.
    rename(&pf(0).name, "enp1s0");
}

/// It is told where its interface is, not that a driver is missing, whether a policy asks by name or by address.
fn a_pf_in_another_namespace() {
    put_policy("net", "enp1s0", 2, "");
    railhead("apply").ok();
    for asks_by_name in [true, false] {
        let pod = Pod::bare("pod");
        run("ip link set enp1s0 netns pod").ok();
        if !asks_by_name {
            put_policy_by_address(2);
        }
        for verb in ["status", "apply"] {
            let told = railhead(verb).failed_with(1);
            assert!(told.stdout.contains("in another network namespace"), "{told}");
            assert!(!told.stdout.contains("driver"), "{told}");
        }
        assert_eq!(pf(0).vfs().len(), 2);
        drop(pod);
        wait_for("the PF", || netdev_of(FIRST));
        railhead("apply").ok();
        assert_in_force();
    }
    undo("net");
}

/// Whatever policies ask for, links without SR-IOV are none of its PFs.
fn other_interfaces() {
    let made = [
        "add dummy0 type dummy",
        "add link dummy0 name dummy0.5 type vlan id 5",
        "add br0 type bridge",
        "add bond0 type bond",
        "add veth0 type veth peer name veth1",
    ];
    for link in made {
        run(&format!("ip link {link}")).ok();
    }
    let others = ["dummy0", "dummy0.5", "br0", "bond0", "veth0", "veth1"];
    let state = || others.map(crate::guest::host::link);
    let before = state();
    put_policy("others", &others.join(", "), 1, "  mtu: 4000\n");
    let all = "apiVersion: sriovnetwork.openshift.io/v1
kind: SriovNetworkNodePolicy
metadata: {name: all}
spec: {nodeSelector: {}, resourceName: all, numVfs: 1, nicSelector: {vendor: \"8086\"}}
";
    object("all.yaml", all);
    let told = railhead("apply").failed_with(1);
    assert!(told.stdout.contains("policy others"), "it matches nothing: {told}");
    assert_eq!((pf(0).num_vfs(), pf(1).num_vfs()), (1, 1));
    assert_eq!(state(), before);
    let found = railhead("discover -o json").ok().json();
    let found: Vec<&Value> =
        found["pfs"].as_array().expect("an array").iter().map(|pf| &pf["name"]).collect();
    assert_eq!(found, ["enp1s0", "enp2s0"]);
    drop_policy("all");
    undo("others");
    for link in ["dummy0", "br0", "bond0", "veth0"] {
        run(&format!("ip link del {link}")).ok();
    }
}
