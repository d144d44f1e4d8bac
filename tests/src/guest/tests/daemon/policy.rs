//! From a policy to VFs and back.

use std::path::Path;

use super::{
    admin_mac, assert_in_force, drivers, drop_policy, is_up, mtu, own_mac, put_policy, undo,
};
use crate::guest::Test;
use crate::guest::host::{pf, read};
use crate::guest::program::run;
use crate::guest::railhead::{object, railhead, remove_object};
use crate::guest::trace::Trace;

pub(super) const TESTS: &[Test] = &[
    ("daemon::policy::vfs_of_two_kinds", vfs_of_two_kinds),
    ("daemon::policy::macs_outlive_the_vfs", macs_outlive_the_vfs),
    ("daemon::policy::one_vf_changes_and_the_others_are_not_touched", one_vf_changes),
    ("daemon::policy::too_many_vfs_change_nothing", too_many_vfs_change_nothing),
    ("daemon::policy::foreign_vfs_are_adopted_and_come_back", foreign_vfs_come_back),
    ("daemon::policy::unlisted_pfs_are_not_touched", unlisted_pfs_are_not_touched),
    ("daemon::policy::a_bad_policy_stops_no_other", a_bad_policy_stops_no_other),
    ("daemon::policy::planning_writes_nothing", planning_writes_nothing),
    ("daemon::policy::externally_managed", externally_managed),
];

fn vfs_of_two_kinds() {
    put_policy("net", "enp1s0#0-1, enp2s0#0-1", 4, "  mtu: 9000\n");
    put_policy("vms", "enp1s0#2-3", 4, "  deviceType: vfio-pci\n");
    railhead("plan --exit-code").failed_with(3);
    railhead("apply").ok();
    assert_in_force();

    let (first, second) = (pf(0), pf(1));
    assert_eq!(drivers(&first), ["igbvf", "igbvf", "vfio-pci", "vfio-pci"]);
    assert_eq!(drivers(&second), ["igbvf"; 4], "VFs in no group have their own driver");
    for pf in [&first, &second] {
        assert!(is_up(&pf.name) && mtu(&pf.name) == 9000, "{}", pf.name);
        assert_eq!(pf.attribute("sriov_drivers_autoprobe"), "1");
        for vf in pf.vfs() {
            let forced = read(&format!("/sys/bus/pci/devices/{}/driver_override", vf.address));
            assert_eq!(forced, "(null)", "{vf:?}");
        }
    }
    let vfs = first.vfs();
    assert_eq!(mtu(&vfs[0].wait_for_netdev()), 9000);
    assert_eq!(admin_mac(&vfs[0]), own_mac(&vfs[0]));
    assert_eq!(mtu(&second.vfs()[3].wait_for_netdev()), 1500, "no group, no MTU");
    for vf in &vfs[2..] {
        assert!(Path::new(&format!("/dev/vfio/{}", vf.iommu_group())).exists());
    }

    undo("vms");
    assert_eq!(drivers(&first), ["igbvf"; 4], "no policy asks for user space any more");
    undo("net");
    assert_eq!((first.num_vfs(), second.num_vfs()), (0, 0));
    assert!(!Path::new("/run/railhead/journal/0000:01:00.0.json").exists());
}

fn macs_outlive_the_vfs() {
    let macs = || pf(0).vfs().iter().map(|vf| (admin_mac(vf), own_mac(vf))).collect::<Vec<_>>();
    put_policy("net", "enp1s0", 1, "");
    railhead("apply").ok();
    let before = macs();
    assert!(before.iter().all(|(admin, own)| admin == own), "{before:?}");
    undo("net");
    put_policy("net", "enp1s0", 1, "");
    railhead("apply").ok();
    assert_eq!(macs(), before);
    undo("net");
}

fn one_vf_changes() {
    put_policy("net", "enp1s0", 3, "");
    railhead("apply").ok();
    let pf = pf(0);
    let indices = || -> Vec<String> {
        let vfs = pf.vfs();
        let netdevs = vfs.iter().filter_map(|vf| vf.netdev());
        netdevs.map(|name| read(&format!("/sys/class/net/{name}/ifindex"))).collect()
    };
    let before = indices();
    put_policy("net", "enp1s0#0-1", 3, "");
    put_policy("vms", "enp1s0#2-2", 3, "  deviceType: vfio-pci\n");
    railhead("apply").ok();
    assert_eq!(drivers(&pf), ["igbvf", "igbvf", "vfio-pci"]);
    assert_eq!(indices(), before[..2], "the same network interfaces as before");
    drop_policy("vms");
    undo("net");
}

fn too_many_vfs_change_nothing() {
    put_policy("net", "enp1s0", 8, "");
    let refused = railhead("apply").failed_with(1);
    for part in ["enp1s0", "8 VFs", "7 at most"] {
        assert!(refused.stdout.contains(part), "{refused}");
    }
    assert_eq!(pf(0).num_vfs(), 0);
}

fn foreign_vfs_come_back() {
    let pf = pf(0);
    pf.make_vfs(1);
    railhead("apply").ok();
    assert_eq!(pf.num_vfs(), 1, "nobody asked");
    put_policy("net", "enp1s0", 2, "");
    railhead("apply").ok();
    assert_eq!(pf.num_vfs(), 2);
    undo("net");
    assert_eq!(pf.num_vfs(), 1);
    pf.vfs()[0].wait_for_netdev();
    pf.remove_vfs();
}

fn unlisted_pfs_are_not_touched() {
    put_policy("net", "enp1s0", 1, "");
    pf(1).make_vfs(1)[0].bind("vfio-pci");
    railhead("apply").ok();
    assert_eq!(drivers(&pf(1)), ["vfio-pci"]);
    undo("net");
    assert_eq!(drivers(&pf(1)), ["vfio-pci"]);
    pf(1).remove_vfs();
}

fn a_bad_policy_stops_no_other() {
    put_policy("bad", "enp1s0#3-1", 4, "");
    object("broken.yaml", "kind: [\n");
    put_policy("good", "enp2s0", 1, "");
    let applied = railhead("apply").failed_with(1);
    assert!(applied.stderr.contains("spec.nicSelector.pfNames[0]"), "{applied}");
    assert!(applied.stderr.contains("broken.yaml:1:7"), "{applied}");
    assert_eq!((pf(0).num_vfs(), pf(1).num_vfs()), (0, 1));
    // What cannot be read may hold a policy: nothing is taken away before it can be.
    drop_policy("good");
    railhead("apply").failed_with(1);
    assert_eq!(pf(1).num_vfs(), 1);
    for file in ["bad.yaml", "broken.yaml"] {
        remove_object(file);
    }
    railhead("apply").ok();
    assert_eq!(pf(1).num_vfs(), 0);
}

fn planning_writes_nothing() {
    put_policy("net", "enp1s0", 2, "");
    let trace = Trace::new("plan").only("%process,%file,write,sendto").naming_descriptors();
    run(&format!("{} railhead plan", trace.command())).ok();
    let writes: Vec<String> = trace
        .lines()
        .into_iter()
        .filter(|line| {
            let is_fork =
                ["fork(", "vfork(", "clone(", "clone3("].iter().any(|call| line.starts_with(call));
            let is_write =
                line.contains("O_WRONLY") || line.contains("O_RDWR") || line.contains("O_CREAT");
            is_fork || is_write
        })
        .collect();
    assert_eq!(writes, Vec::<String>::new());
    drop_policy("net");
}

fn externally_managed() {
    put_policy("net", "enp1s0", 3, "  externallyManaged: true\n");
    let refused = railhead("apply").failed_with(1);
    assert!(refused.stdout.contains("there are 0 VFs and 3 are wished"), "{refused}");
    let pf = pf(0);
    pf.make_vfs(5);
    railhead("apply").ok();
    assert_in_force();
    undo("net");
    assert_eq!(pf.num_vfs(), 5, "they are somebody else's");
    pf.remove_vfs();
}
