//! Cards that are taken out and put back under a running daemon: by the button of their slot, and as far as the kernel
//! is concerned.

use std::path::Path;

use serde_json::{Value, json};

use super::{FIRST, assert_no_retry, drivers, first_pass, put_policy, put_policy_by_address};
use crate::guest::cni::Call;
use crate::guest::host::{Vf, pf, pfs, write};
use crate::guest::pod::Pod;
use crate::guest::program::run;
use crate::guest::railhead::{
    Daemon, object, railhead, remove_object, settings, wait_until_in_force,
};
use crate::guest::wait::wait_for;
use crate::guest::{Test, hand};

pub(super) const TESTS: &[Test] = &[
    ("daemon::unplug::a_card_goes_with_the_vf_of_a_pod_and_comes_back", a_card_goes),
    ("daemon::unplug::a_card_goes_in_the_middle_of_an_apply", a_card_goes_in_the_middle),
    ("daemon::unplug::a_card_is_pulled_out_with_vfs_of_both_kinds", a_card_is_pulled_out),
];

fn unplug() {
    write(&format!("/sys/bus/pci/devices/{FIRST}/remove"), "1");
    assert_eq!(pfs().len(), 1);
}

/// The new network interface gets its name of udev.
fn plug() {
    write("/sys/bus/pci/rescan", "1");
    let name = wait_for("the PF's network interface", || {
        let name = pf(0).name;
        (!name.is_empty()).then_some(name)
    });
    run(&format!("ip link set {name} down")).ok();
    run(&format!("ip link set {name} name enp1s0")).ok();
}

fn the_daemon_tells_it_is_gone() {
    wait_for("the daemon to tell", || {
        let status = railhead("status -o json").json();
        let net = status["policies"].as_array()?.iter().find(|policy| policy["name"] == "net")?;
        (net["state"] == "failed").then_some(())?;
        let journal = format!("/run/railhead/journal/{FIRST}.json");
        (!Path::new(&journal).exists()).then_some(())
    });
}

fn the_daemon_is_content(num_vfs: u16) {
    wait_for("the daemon to be content", || {
        (pf(0).num_vfs() == num_vfs && railhead("plan --exit-code").status == 0).then_some(())
    });
}

fn a_card_goes() {
    settings("nodeName: node-a\n");
    let mut daemon = Daemon::start();
    put_policy_by_address(1);
    put_policy("other", "enp2s0", 1, "");
    the_daemon_is_content(1);
    let pod = Pod::bare("pod");
    run(&format!("ip link set {} netns pod", pf(0).vfs()[0].wait_for_netdev())).ok();
    let other = pf(1).vfs()[0].wait_for_netdev();
    let before = crate::guest::host::link(&other)["ifindex"].clone();

    unplug();
    the_daemon_tells_it_is_gone();
    assert!(pod.links().is_empty(), "the VF went with its card");
    assert!(daemon.is_alive());
    assert_eq!(crate::guest::host::link(&other)["ifindex"], before, "the other card is none of it");

    plug();
    the_daemon_is_content(1);
    drop(pod);
    super::drop_policy("other");
    super::drop_and_wait("net");
    daemon.stop().ok();
}

/// Whatever the daemon is at when the card goes fails, and is told; it comes to rest, and begins anew with the new card.
fn a_card_goes_in_the_middle() {
    settings("nodeName: node-a\n");
    let mut daemon = Daemon::start();
    first_pass();
    put_policy_by_address(2);
    wait_for("the daemon to be at it", || {
        (pf(0).attribute("sriov_drivers_autoprobe") == "0").then_some(())
    });
    unplug();
    the_daemon_tells_it_is_gone();
    assert!(daemon.is_alive());
    plug();
    the_daemon_is_content(2);
    super::drop_and_wait("net");
    let printed = daemon.stop().ok();
    assert!(!printed.stderr.contains("defect"), "{printed}");
}

/// A pool of addresses.
const POOL: &str = "apiVersion: nv-ipam.nvidia.com/v1alpha1
kind: IPPool
metadata: {name: blue}
spec: {subnet: 10.77.0.0/24, perNodeBlockSize: 8, gateway: 10.77.0.1}
";

/// An attachment of this VF with an address of that pool.
fn config(vf: &Vf) -> Value {
    json!({
        "cniVersion": "1.1.0", "name": "blue", "type": "sriov", "deviceID": vf.address,
        "ipam": {"type": "nv-ipam", "poolName": "blue"},
    })
}

#[track_caller]
fn add(pod: &Pod, vf: &Vf) {
    Call::add("sriov", pod.name(), pod, &config(vf)).run().ok();
}

#[track_caller]
fn del(pod: &Pod, vf: &Vf) {
    Call::del("sriov", pod.name(), pod, &config(vf)).run().ok();
}

/// The containers that have an address, and those that are attached.
fn holders() -> [Vec<String>; 2] {
    [("ipam", "leases"), ("attachments", "attachments")].map(|(command, list)| {
        let told = railhead(&format!("{command} -o json")).ok().json();
        let held = told[list].as_array().expect("a list").iter();
        held.map(|one| one["container"].as_str().expect("a name").to_owned()).collect()
    })
}

/// One VF in a pod, one for user space in another. Each pod ends as any pod does, whether or not there is a card again
/// by then; nobody waits for its end.
fn a_card_is_pulled_out() {
    object("blue.yaml", POOL);
    put_policy("net", "enp1s0#0-0", 2, "");
    put_policy("vms", "enp1s0#1-1", 2, "  deviceType: vfio-pci\n");
    let mut daemon = Daemon::start();
    railhead("apply").ok();
    let vfs = pf(0).vfs();
    let pods = ["net", "vms", "next"].map(Pod::new);
    add(&pods[0], &vfs[0]);
    add(&pods[1], &vfs[1]);

    hand::unplug(1);
    the_daemon_tells_it_is_gone();
    assert!(pods[0].links().is_empty(), "the VF went with its card");
    del(&pods[0], &vfs[0]);
    assert_eq!(holders(), [["vms"], ["vms"]].map(|names| names.map(str::to_owned).to_vec()));
    assert_no_retry();
    assert!(daemon.is_alive());

    // The new VFs have the addresses of the old ones, and a pod that has none of them any more.
    assert_eq!(hand::plug(1).name, "enp1s0");
    wait_for("the new card's VFs", || (drivers(&pf(0)) == ["igbvf", "vfio-pci"]).then_some(()));
    wait_until_in_force();
    add(&pods[2], &vfs[1]);
    del(&pods[1], &vfs[1]);
    assert_eq!(holders(), [["next"], ["next"]].map(|names| names.map(str::to_owned).to_vec()));
    del(&pods[2], &vfs[1]);
    assert_eq!(holders(), [const { Vec::<String>::new() }; 2]);
    assert_eq!(drivers(&pf(0)), ["igbvf", "vfio-pci"]);

    super::drop_policy("vms");
    super::drop_and_wait("net");
    remove_object("blue.yaml");
    let printed = daemon.stop().ok();
    assert!(!printed.stderr.contains("defect"), "{printed}");
}
