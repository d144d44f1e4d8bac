//! A kernel that refuses or hangs, modules that are missing, disks that are full: told by name, and nobody else waits.

use std::fs;
use std::time::Duration;

use super::{
    MissingModule, assert_in_force, drivers, drop_and_wait, drop_policy, first_pass, passes,
    put_policy, undo,
};
use crate::guest::Test;
use crate::guest::host::{Pf, pf, put, read, write};
use crate::guest::program::{Program, run};
use crate::guest::railhead::{Daemon, OBJECTS, railhead};
use crate::guest::trace::Trace;
use crate::guest::wait::wait_for;

pub(super) const TESTS: &[Test] = &[
    ("daemon::faults::a_refused_write_is_told_and_the_other_pf_goes_on", a_refused_write_is_told),
    ("daemon::faults::a_vf_that_fails_stops_no_other_vf", a_vf_that_fails),
    ("daemon::faults::the_daemon_tries_again_what_failed", what_failed_is_tried_again),
    ("daemon::faults::a_driver_that_hangs_holds_up_its_own_pf_alone", a_driver_that_hangs),
    ("daemon::faults::work_in_progress_is_no_failure", work_in_progress),
    ("daemon::faults::vfs_that_vfio_pci_takes_by_their_id", taken_by_id),
    ("daemon::faults::a_module_that_is_missing_is_named", a_missing_module),
    ("daemon::faults::a_full_disk_stops_no_nic", a_full_disk),
    ("daemon::faults::nothing_is_done_that_cannot_be_recorded", what_cannot_be_recorded),
    ("daemon::faults::etc_may_be_read_only", etc_may_be_read_only),
    ("daemon::faults::a_damaged_journal_takes_nothing_away", a_damaged_journal),
];

fn sriov_numvfs(pf: &Pf) -> String {
    format!("/sys/bus/pci/devices/{}/sriov_numvfs", pf.address)
}

/// strace that answers each write to `path` in the kernel's stead, or before it: `error=ENOMEM`, `delay_enter=1000`.
fn tampering(path: &str, how: &str) -> Trace {
    Trace::new("tampering").at(path).only("write").inject(&format!("write:{how}"))
}

/// Each error number is in the outcome, with what it means here, and so is a count that is not what was asked for; and the other PF gets what it should.
fn a_refused_write_is_told() {
    let (first, second) = (pf(0), pf(1));
    let answers = [
        ("error=ENOMEM", "sriov_numvfs of 0000:01:00.0 to 1", "Out of memory"),
        (
            "error=EBUSY",
            "sriov_numvfs of 0000:01:00.0 to 1",
            "busy (the driver refuses it now; dmesg says why)",
        ),
        ("error=ENOSPC", "sriov_numvfs of 0000:01:00.0 to 1", "No space left on device"),
        // A driver that says yes and does nothing: what it made is counted.
        ("retval=1", "the driver of 0000:01:00.0", "made 0 VFs instead of 1"),
    ];
    put_policy("net", "enp1s0, enp2s0", 1, "");
    for (answer, object, words) in answers {
        let strace = tampering(&sriov_numvfs(&first), answer);
        let refused = Program::new("railhead apply").under(&strace.command()).run().failed_with(1);
        assert!(refused.stdout.contains(words), "{refused}");
        assert!(refused.stdout.contains(object), "{refused}");
        assert_eq!((first.num_vfs(), second.num_vfs()), (0, 1), "{answer}");
        assert_eq!(first.attribute("sriov_drivers_autoprobe"), "1", "{answer}");
        let told = read("/var/lib/railhead/objects/SriovNetworkNodeState-node-a.json");
        assert!(told.contains("\"Failed\"") && told.contains(words), "{told}");
    }
    let status = railhead("status -o json").json();
    assert_eq!(status["pfs"][1]["state"], "inForce");
    railhead("apply").ok();
    assert_in_force();
    undo("net");
}

fn a_vf_that_fails() {
    put_policy("net", "enp1s0#0-0", 2, "  mtu: 4000\n");
    put_policy("vms", "enp1s0#1-1", 2, "  deviceType: vfio-pci\n");
    let strace = tampering("/sys/bus/pci/drivers/vfio-pci/bind", "error=ENODEV");
    let refused = Program::new("railhead apply").under(&strace.command()).run().failed_with(1);
    let says = "VF 1: bind to vfio-pci: bind 0000:01:10.2 to vfio-pci: No such device (the driver does not know";
    assert!(refused.stdout.contains(says), "{refused}");
    assert_eq!(drivers(&pf(0)), ["igbvf", ""]);
    assert_eq!(super::mtu(&pf(0).vfs()[0].wait_for_netdev()), 4000);
    railhead("apply").ok();
    assert_in_force();
    drop_policy("vms");
    undo("net");
}

fn what_failed_is_tried_again() {
    let daemon = Daemon::start();
    first_pass();
    let first = pf(0);
    let strace = tampering(&sriov_numvfs(&first), "error=EBUSY").attach(daemon.pid());
    put_policy("net", "enp1s0", 1, "");
    let before = passes().expect("a daemon");
    wait_for("three passes more", || passes().filter(|now| *now >= before + 3));
    assert_eq!(first.num_vfs(), 0);
    strace.signal("INT");
    strace.finish(Duration::from_secs(60));
    wait_for("the daemon to try again", || (first.num_vfs() == 1).then_some(()));
    drop_and_wait("net");
    daemon.stop().ok();
}

/// The write is under way, and its process outlives the daemon: whoever comes next leaves that PF alone, says why, and
/// goes on when the driver has answered.
fn a_driver_that_hangs() {
    let daemon = Daemon::start();
    first_pass();
    let (first, second) = (pf(0), pf(1));
    let strace = tampering(&sriov_numvfs(&first), "delay_enter=15000000").attach(daemon.pid());
    put_policy("net", "enp1s0, enp2s0", 1, "");
    wait_for("the other PF", || (second.num_vfs() == 1).then_some(()));
    wait_for("the daemon's child", || writer().is_some().then_some(()));
    assert_eq!(first.num_vfs(), 0);
    drop(daemon);

    let daemon = Daemon::start();
    first_pass();
    let writer = writer().expect("the child outlives its daemon");
    let told = railhead("status").stdout;
    assert!(told.contains(&format!("process {writer} is still in a write")), "{told}");
    assert_eq!((first.num_vfs(), second.num_vfs()), (0, 1));
    wait_for("the first PF", || {
        (first.num_vfs() == 1 && railhead("plan --exit-code").status == 0).then_some(())
    });
    strace.finish(Duration::from_secs(60));
    drop_and_wait("net");
    daemon.stop().ok();
}

/// Whoever looks while an apply is at its writes and steps is told of work, not of a failure, and of no VF in use.
fn work_in_progress() {
    put_policy("net", "enp1s0", 5, "");
    let strace = tampering(&sriov_numvfs(&pf(0)), "delay_enter=3000000");
    let mut apply = Program::new("railhead apply").under(&strace.command()).start();
    let mut told = Vec::new();
    while apply.is_alive() {
        let status = railhead("status -o json");
        let status = status.json();
        assert_ne!(status["pfs"][0]["state"], "failed", "{status}");
        assert_ne!(status["pfs"][0]["state"], "waits", "{status}");
        assert_eq!(status["pfs"][0]["usedVfs"], 0, "{status}");
        told.push(status["pfs"][0]["detail"].to_string());
        let plan = railhead("plan --exit-code");
        assert!([0, 3].contains(&plan.status), "{plan}");
    }
    apply.finish(Duration::from_secs(60)).ok();
    assert!(told.iter().any(|detail| detail.contains("being worked on: process")), "{told:?}");
    assert_in_force();
    undo("net");
}

/// vfio-pci comes before the VFs' own driver, and was told their id: where the kernel's list of modules tells which driver
/// is theirs they get that one, else the cause is named, by the step and by doctor.
fn taken_by_id() {
    let release = read("/proc/sys/kernel/osrelease");
    let list = format!("/lib/modules/{release}/modules.alias");
    let options = "/etc/modprobe.d/vfio.conf";
    let igbvf = run(&format!("find /lib/modules/{release} -name igbvf.ko")).ok().stdout;
    let modprobe = read("/proc/sys/kernel/modprobe");
    run("rmmod igbvf").ok();
    write("/sys/bus/pci/drivers/vfio-pci/new_id", "8086 10ca");
    run(&format!("insmod {}", igbvf.trim())).ok();
    // All is loaded; busybox' own would not find a module by an alias.
    write("/proc/sys/kernel/modprobe", "/bin/true");
    run("mkdir -p /etc/modprobe.d").ok();
    put(options, "options vfio-pci ids=8086:10ca\n");

    put_policy("net", "enp1s0", 2, "");
    let told = railhead("apply").failed_with(1);
    let says = "has vfio-pci after binding it to its netdevice driver: it takes all of 8086:10ca, as /etc/modprobe.d/vfio.conf";
    assert!(told.stdout.contains(says), "{told}");
    let doctor = railhead("doctor");
    assert!(doctor.stdout.contains("vfio.conf gives vfio-pci all VFs of id 8086:10ca"), "{doctor}");

    put(&list, "alias pci:v00008086d000010CAsv*sd*bc*sc*i* igbvf\n");
    railhead("apply").ok();
    assert_eq!(drivers(&pf(0)), ["igbvf", "igbvf"]);
    assert_in_force();
    // The other VFs of a PF tell as well.
    fs::remove_file(&list).expect("the list was there");
    pf(0).vfs()[1].unbind();
    railhead("apply").ok();
    assert_eq!(drivers(&pf(0)), ["igbvf", "igbvf"]);

    undo("net");
    write("/sys/bus/pci/drivers/vfio-pci/remove_id", "8086 10ca");
    write("/proc/sys/kernel/modprobe", &modprobe);
    run("rm -r /etc/modprobe.d").ok();
}

/// The process that writes into sysfs for railhead.
pub(super) fn writer() -> Option<u32> {
    let processes = run("ps -o pid,args").stdout;
    let line = processes.lines().find(|line| line.contains("exe sysfs-write"))?;
    line.split_whitespace().next()?.parse().ok()
}

fn a_missing_module() {
    let missing = MissingModule::new("vfio-pci");
    let daemon = Daemon::start();
    put_policy("vms", "enp1s0", 1, "  deviceType: vfio-pci\n");
    wait_for("the daemon to tell", || {
        let told =
            fs::read_to_string("/var/lib/railhead/objects/SriovNetworkNodeState-node-a.json");
        told.ok()?.contains("load module vfio-pci").then_some(())
    });
    assert_eq!(drivers(&pf(0)), [""], "no driver is better than another one");
    drop(missing);
    wait_for("the daemon to try again", || (drivers(&pf(0)) == ["vfio-pci"]).then_some(()));
    drop_and_wait("vms");
    daemon.stop().ok();
}

/// A tmpfs over `path` without room for anything.
struct Full(&'static str);

impl Full {
    fn over(path: &'static str) -> Self {
        fs::create_dir_all(path).expect("make a directory");
        run(&format!("mount -t tmpfs -o size=4k,mode=700 tmpfs {path}")).ok();
        // Ends with the error that is wanted here.
        run(&format!("dd if=/dev/zero of={path}/filler bs=4k count=2"));
        Self(path)
    }
}

impl Drop for Full {
    fn drop(&mut self) {
        run(&format!("umount {}", self.0)).ok();
    }
}

/// What must outlive a reboot cannot be saved, which is told; the NICs are shaped all the same.
fn a_full_disk() {
    put_policy("net", "enp1s0", 1, "");
    let full = Full::over("/var/lib/railhead");
    let told = railhead("apply").failed_with(1);
    assert!(told.stderr.contains("No space left on device"), "{told}");
    assert_eq!(pf(0).num_vfs(), 1);
    drop(full);
    railhead("apply").ok();
    undo("net");
}

/// Without a journal nobody could undo it.
fn what_cannot_be_recorded() {
    put_policy("net", "enp1s0", 1, "");
    // The lock and what else is needed are there.
    railhead("plan").ok();
    fs::create_dir_all("/run/railhead").expect("make a directory");
    let full = Full::over("/run/railhead/journal");
    let refused = railhead("apply").failed_with(1);
    for part in ["write the journal of 0000:01:00.0", "No space left on device"] {
        assert!(refused.stdout.contains(part), "{part:?}: {refused}");
    }
    let pf = pf(0);
    assert_eq!((pf.num_vfs(), pf.attribute("sriov_drivers_autoprobe").as_str()), (0, "1"));
    drop(full);
    drop_policy("net");
}

fn etc_may_be_read_only() {
    put("/root/set/net.yaml", &crate::guest::railhead::policy("net", "enp1s0", 1, ""));
    put_policy("net", "enp1s0", 1, "");
    run("mount --bind /etc /etc").ok();
    run("mount -o remount,bind,ro /etc").ok();
    railhead("apply").ok();
    assert_in_force();
    put("/root/set/net.yaml", &crate::guest::railhead::policy("net", "enp1s0", 2, ""));
    let refused = railhead("apply -f /root/set").failed_with(1);
    assert!(refused.stderr.contains("Read-only file system"), "{refused}");
    assert_eq!(pf(0).num_vfs(), 1);
    let daemon = Daemon::start();
    first_pass();
    daemon.stop().ok();
    run("umount /etc").ok();
    let objects = fs::read_dir(OBJECTS).expect("list objects").count();
    assert_eq!(objects, 1, "nothing half made is left");
    undo("net");
}

/// Whose VFs they are is not known any more, so nobody takes them away.
fn a_damaged_journal() {
    const ENTRY: &str = "/run/railhead/journal/0000:01:00.0.json";
    put_policy("net", "enp1s0", 2, "");
    railhead("apply").ok();
    let entry = read(ENTRY);
    // Of a newer railhead: it stays as it is, and so does the PF.
    let newer = entry.replacen("\"version\": 1", "\"version\": 99", 1);
    put(ENTRY, &newer);
    for num_vfs in [2, 3] {
        put_policy("net", "enp1s0", num_vfs, "");
        let told = railhead("apply").failed_with(1);
        assert!(told.stdout.contains(&format!("{ENTRY} in format 99")), "{told}");
    }
    assert_eq!((pf(0).num_vfs(), read(ENTRY)), (2, newer.trim().to_owned()));
    put_policy("net", "enp1s0", 2, "");
    for damage in [&entry[..entry.len() / 2], "", "{\"version\": 0, \"owners\": []}", "[]"] {
        put(ENTRY, damage);
        let told = railhead("apply").failed_with(1);
        assert!(told.stderr.contains("set aside as") && told.stderr.contains(ENTRY), "{told}");
        assert_eq!(pf(0).num_vfs(), 2, "{damage:?}");
        assert_eq!(read(&format!("{ENTRY}.damaged")), damage.trim());
    }
    railhead("apply").ok();
    undo("net");
    let pf = pf(0);
    assert_eq!(pf.num_vfs(), 2, "they count as somebody else's");
    pf.remove_vfs();
    run("ip link set enp1s0 down").ok();
}
