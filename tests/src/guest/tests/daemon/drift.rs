//! What somebody changes by hand is put back by the running daemon, as long as nobody is disturbed.

use serde_json::json;

use super::{
    admin_mac, at_rest, drivers, drop_and_wait, holder_of, is_up, mtu, own_mac, passes, put_policy,
};
use crate::guest::Test;
use crate::guest::cni::Call;
use crate::guest::host::{Pf, pf};
use crate::guest::pod::Pod;
use crate::guest::program::run;
use crate::guest::railhead::{Daemon, railhead, wait_until_in_force};
use crate::guest::vf_state::{VfState, assert_unchanged};
use crate::guest::wait::wait_for;

pub(super) const TESTS: &[Test] = &[
    ("daemon::drift::is_repaired", is_repaired),
    ("daemon::drift::a_container_that_died_gives_its_vf_back", a_container_that_died),
    ("daemon::drift::a_user_space_container_that_died_is_noticed", a_user_space_container),
    ("daemon::drift::a_pod_may_do_what_it_likes_with_its_vf", a_pod_may_do_what_it_likes),
];

fn vfs_are_there(pf: &Pf, count: u16) {
    wait_for(&format!("{count} VFs with a network interface"), || {
        let vfs = pf.vfs();
        let ready = vfs.iter().all(|vf| vf.netdev().is_some());
        (vfs.len() == usize::from(count) && ready).then_some(())
    });
}

fn is_repaired() {
    let daemon = Daemon::start();
    put_policy("net", "enp1s0", 2, "  mtu: 4000\n");
    let pf = pf(0);
    vfs_are_there(&pf, 2);
    wait_for("the MTU of the VFs", || (mtu(&pf.vfs()[1].netdev()?) == 4000).then_some(()));
    let mac = admin_mac(&pf.vfs()[1]);

    let vf = pf.vfs().remove(1);
    vf.unbind();
    wait_for("the VF's driver", || (drivers(&pf) == ["igbvf", "igbvf"]).then_some(()));
    assert_eq!((admin_mac(&vf), own_mac(&vf)), (mac.clone(), mac.clone()));

    run("ip link set enp1s0 down").ok();
    wait_for("the PF's link", || is_up("enp1s0").then_some(()));
    run("ip link set enp1s0 mtu 1500").ok();
    wait_for("the PF's MTU", || (mtu("enp1s0") == 4000).then_some(()));

    pf.remove_vfs();
    vfs_are_there(&pf, 2);
    assert_eq!(own_mac(&pf.vfs()[1]), mac);

    drop_and_wait("net");
    daemon.stop().ok();
}

fn a_pod_may_do_what_it_likes() {
    let daemon = Daemon::start();
    put_policy("net", "enp1s0", 2, "  mtu: 4000\n");
    let pf = pf(0);
    vfs_are_there(&pf, 2);
    let netdev = pf.vfs()[0].wait_for_netdev();
    wait_for("the VF's MTU", || (mtu(&netdev) == 4000).then_some(()));
    let pod = Pod::bare("pod");
    run(&format!("ip link set {netdev} netns pod")).ok();
    pod.run(&format!("ip link set {netdev} mtu 1400 up")).ok();
    // Something else that has to be repaired, so that the daemon has looked for sure.
    let vf = &pf.vfs()[1];
    vf.unbind();
    vf.wait_for_netdev();
    assert_eq!(pod.link(&netdev)["mtu"], 1400);
    drop(pod);
    wait_for("the VF to come home with its MTU", || {
        (mtu(&pf.vfs()[0].netdev()?) == 4000).then_some(())
    });
    drop_and_wait("net");
    daemon.stop().ok();
}

/// Without a DEL, and with nothing else that would wake the daemon: what does is the VF that comes home.
fn a_container_that_died() {
    let daemon = Daemon::start();
    put_policy("net", "enp1s0", 1, "");
    let pf = pf(0);
    vfs_are_there(&pf, 1);
    wait_until_in_force();
    let vf = pf.vfs().remove(0);
    vf.wait_for_netdev();
    // It is told only where it differs from the one in use.
    let state = || VfState::of(&vf).without("netdev.permaddr");
    let before = state();
    let pod = Pod::new("pod");
    let config = json!({
        "cniVersion": "1.0.0", "name": "blue", "type": "sriov", "deviceID": vf.address,
        "vlan": 7, "spoofchk": "off", "trust": "on", "mac": "02:00:00:00:00:07",
    });
    Call::add("sriov", "c1", &pod, &config).run().ok();
    assert_eq!(vf.info()["trust"], true);
    drop(pod);
    wait_for("the daemon to forget it", || {
        let attachments = railhead("attachments -o json").ok().json();
        (attachments["attachments"] == json!([])).then_some(())
    });
    assert_unchanged(&before, &state());
    drop_and_wait("net");
    daemon.stop().ok();
}

/// No VF comes home that would wake the daemon. What does is the namespace's name that goes, and the end of the last
/// process that has the VF, whichever comes last.
fn a_user_space_container() {
    let daemon = Daemon::start();
    put_policy("vms", "enp1s0", 1, "  deviceType: vfio-pci\n");
    let pf = pf(0);
    wait_for("the VF's driver", || (drivers(&pf) == ["vfio-pci"]).then_some(()));
    wait_until_in_force();
    let vf = pf.vfs().remove(0);
    let config =
        json!({"cniVersion": "1.0.0", "name": "blue", "type": "sriov", "deviceID": vf.address});
    let attachments = || railhead("attachments -o json").ok().json()["attachments"].clone();
    for is_name_first in [true, false] {
        let pod = Pod::new("pod");
        Call::add("sriov", "c1", &pod, &config).run().ok();
        let holder = holder_of(&vf, "ip netns exec pod bash -c");
        if is_name_first {
            let before = at_rest();
            drop(pod);
            wait_for("the daemon to look", || (passes() > Some(before)).then_some(()));
            assert_eq!(attachments()[0]["container"], "c1", "the process has the VF still");
            drop(holder);
        } else {
            drop(holder);
            drop(pod);
        }
        wait_for("the daemon to forget it", || (attachments() == json!([])).then_some(()));
    }
    drop_and_wait("vms");
    daemon.stop().ok();
}
