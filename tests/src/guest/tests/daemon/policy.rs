//! From a policy to VFs and back.

use std::path::Path;
use std::time::Duration;

use super::{
    admin_mac, assert_in_force, drivers, drop_policy, first_pass, is_up, mtu, own_mac, put_policy,
    undo,
};
use crate::guest::Test;
use crate::guest::host::{pf, read};
use crate::guest::program::{Program, run};
use crate::guest::railhead::{Daemon, object, railhead, remove_object};
use crate::guest::trace::Trace;
use crate::guest::wait::wait_for;

pub(super) const TESTS: &[Test] = &[
    ("daemon::policy::vfs_of_two_kinds", vfs_of_two_kinds),
    ("daemon::policy::macs_outlive_the_vfs", macs_outlive_the_vfs),
    ("daemon::policy::numbers_of_vfs_and_the_way_back", numbers_of_vfs),
    ("daemon::policy::one_vf_changes_and_the_others_are_not_touched", one_vf_changes),
    ("daemon::policy::vfs_of_one_pf_are_bound_side_by_side", side_by_side),
    ("daemon::policy::too_many_vfs_change_nothing", too_many_vfs_change_nothing),
    ("daemon::policy::foreign_vfs_are_adopted_and_come_back", foreign_vfs_come_back),
    ("daemon::policy::what_others_changed_since_is_theirs", what_others_changed),
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

fn numbers_of_vfs() {
    let pf = pf(0);
    for count in [1, 7, 2] {
        put_policy("net", "enp1s0", count, "  mtu: 4000\n");
        railhead("apply").ok();
        assert_in_force();
        let told = read("/var/lib/railhead/objects/SriovNetworkNodeState-node-a.json");
        let told: serde_json::Value = serde_json::from_str(&told).expect("JSON");
        let vfs = told["status"]["interfaces"][0]["Vfs"].as_array().expect("VFs").clone();
        assert_eq!((pf.num_vfs(), vfs.len()), (count, usize::from(count)));
        for (vf, told) in pf.vfs().iter().zip(&vfs) {
            let fields: [(&str, serde_json::Value); 6] = [
                ("vfID", vf.index.into()),
                ("pciAddress", vf.address.as_str().into()),
                ("deviceID", "10ca".into()),
                ("driver", "igbvf".into()),
                ("mac", own_mac(vf).into()),
                ("mtu", 4000.into()),
            ];
            for (field, value) in fields {
                assert_eq!(told[field], value, "{field} of {vf:?}");
            }
        }
    }
    put_policy("net", "enp1s0", 0, "");
    railhead("apply").ok();
    assert_eq!((pf.num_vfs(), mtu("enp1s0")), (0, 1500), "no VFs asked for: as it was found");
    undo("net");
}

/// What one `railhead apply` changes in the kernel: sysfs files with what is written, and requests that change a link.
fn changes() -> Vec<String> {
    let trace = Trace::new("changes").only("write,sendto").naming_descriptors();
    run(&format!("{} railhead apply", trace.command())).ok();
    trace.changes()
}

/// Driver, MTU and group of the last VF of three: whatever is written names it and no other.
fn one_vf_changes() {
    put_policy("net", "enp1s0", 3, "");
    railhead("apply").ok();
    let pf = pf(0);
    let others = || -> Vec<String> {
        let vfs = pf.vfs().into_iter().take(2);
        let netdevs = vfs.map(|vf| (vf.wait_for_netdev(), admin_mac(&vf)));
        netdevs.map(|(name, mac)| format!("{} {mac}", crate::guest::host::link(&name))).collect()
    };
    let before = others();
    let (changed, mac) = (pf.vfs().remove(2), admin_mac(&pf.vfs()[2]));

    put_policy("net", "enp1s0#0-1", 3, "");
    put_policy("last", "enp1s0#2-2", 3, "  deviceType: vfio-pci\n");
    let steps = [
        ("vfio-pci", "  deviceType: vfio-pci\n"),
        ("igbvf", "  deviceType: netdevice\n"),
        ("vfio-pci", "  deviceType: vfio-pci\n"),
        ("igbvf", ""),
    ];
    for (driver, more) in steps {
        put_policy("last", "enp1s0#2-2", 3, more);
        for change in changes() {
            assert!(change.contains(&changed.address), "{driver}: {change}");
        }
        assert_eq!(drivers(&pf), ["igbvf", "igbvf", driver]);
        assert_eq!(admin_mac(&changed), mac, "{driver}: the MAC outlives it");
    }
    assert_eq!(others(), before, "the same network interfaces as before");

    // Its PF's MTU would have to follow, and with it the others': it is large enough already here.
    run("ip link set enp1s0 mtu 4000").ok();
    put_policy("last", "enp1s0#2-2", 3, "  mtu: 4000\n");
    let netdev = changed.wait_for_netdev();
    let written = changes();
    assert!(written.len() == 1 && written[0].starts_with("sendto("), "{written:?}");
    assert_eq!(mtu(&netdev), 4000);
    run("ip link set enp1s0 mtu 1500").ok();

    drop_policy("last");
    put_policy("renamed", "enp1s0#2-2", 3, "");
    assert_eq!(changes(), Vec::<String>::new(), "another group is a matter of words alone");
    assert_eq!(others(), before);
    drop_policy("renamed");
    undo("net");
}

/// Every write to `drivers_probe` is held up: with one after the other there would never be three at once.
fn side_by_side() {
    put_policy("net", "enp1s0", 3, "");
    let slow = Trace::new("slow")
        .at("/sys/bus/pci/drivers_probe")
        .only("write")
        .inject("write:delay_enter=3000000");
    let apply = Program::new("railhead apply").under(&slow.command()).start();
    wait_for("three writers at once", || {
        let processes = run("ps -o args").stdout;
        let writers = processes
            .lines()
            .filter(|line| line.contains("sysfs-write /sys/bus/pci/drivers_probe"));
        (writers.count() == 3).then_some(())
    });
    apply.finish(Duration::from_secs(60)).ok();
    assert_in_force();
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

/// The undo goes back only where there still is what railhead left.
fn what_others_changed() {
    put_policy("net", "enp1s0", 1, "  mtu: 4000\n");
    railhead("apply").ok();
    let pf = pf(0);
    pf.remove_vfs();
    pf.make_vfs(2);
    run("ip link set enp1s0 mtu 5000").ok();
    undo("net");
    assert_eq!((pf.num_vfs(), mtu("enp1s0"), is_up("enp1s0")), (2, 5000, false));
    assert!(!Path::new("/run/railhead/journal/0000:01:00.0.json").exists());
    pf.remove_vfs();
    run("ip link set enp1s0 mtu 1500").ok();
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
    assert_eq!(trace.starts_and_writes(), Vec::<String>::new());
    drop_policy("net");
}

/// The VFs are made by somebody else, and stay theirs.
fn externally_managed() {
    let external = |count, more: &str| {
        put_policy("net", "enp1s0", count, &format!("  externallyManaged: true\n{more}"));
    };
    external(3, "");
    let refused = railhead("apply").failed_with(1);
    assert!(refused.stdout.contains("there are 0 VFs and 3 are wished"), "{refused}");
    let pf = pf(0);
    assert_eq!(pf.num_vfs(), 0);
    pf.make_vfs(3);
    railhead("apply").ok();
    assert_in_force();
    external(2, "");
    railhead("apply").ok();
    assert_in_force();
    external(4, "");
    let refused = railhead("apply").failed_with(1);
    assert!(refused.stdout.contains("there are 3 VFs and 4 are wished"), "{refused}");
    external(3, "  mtu: 4000\n");
    let refused = railhead("apply").failed_with(1);
    assert!(refused.stdout.contains("the PF's MTU is 1500 and 4000 is wished"), "{refused}");
    assert_eq!((pf.num_vfs(), mtu("enp1s0")), (3, 1500));

    external(3, "");
    railhead("apply").ok();
    // A daemon that is started again finds nothing to write either.
    for _ in 0..2 {
        let trace = Trace::new("external").only("write,sendto").naming_descriptors();
        let daemon = Daemon::start_under(&trace.command());
        first_pass();
        daemon.stop().ok();
        assert_eq!(trace.changes(), Vec::<String>::new());
    }
    // To be allowed to is not to have made them: they were there before.
    put_policy("net", "enp1s0", 3, "");
    railhead("apply").ok();
    assert_in_force();
    undo("net");
    assert_eq!(pf.num_vfs(), 3, "they are somebody else's");
    pf.remove_vfs();
}
