//! The lab itself: the machine has what the other tests take for granted, and the vocabulary tells the truth.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::guest::host::{self, pf, pfs};
use crate::guest::pod::Pod;
use crate::guest::program::run;
use crate::guest::trace::Trace;
use crate::guest::vf_state::{VfState, assert_unchanged};
use crate::guest::{Test, hand};

pub(super) const TESTS: &[Test] = &[
    ("lab::two_cards_on_one_switch", two_cards_on_one_switch),
    ("lab::vf_state_sees_a_change", vf_state_sees_a_change),
    ("lab::vfio_gives_a_group", vfio_gives_a_group),
    ("lab::strace_fails_a_call", strace_fails_a_call),
    ("lab::a_cut_loses_what_was_not_synced", a_cut_loses_what_was_not_synced),
    ("lab::a_cut_comes_in_the_middle_of_work", a_cut_comes_in_the_middle_of_work),
    ("lab::cards_come_and_go", cards_come_and_go),
];

fn two_cards_on_one_switch() {
    assert_eq!(pfs().iter().map(|pf| pf.name.as_str()).collect::<Vec<_>>(), ["enp1s0", "enp2s0"]);
    let pods = [Pod::bare("left"), Pod::bare("right")];
    for (number, pod) in pods.iter().enumerate() {
        let vf = &pf(number).make_vfs(2)[1];
        let netdev = vf.wait_for_netdev();
        run(&format!("ip link set {} up", vf.pf)).ok();
        run(&format!("ip link set {netdev} netns {}", pod.name())).ok();
        pod.run(&format!("ip addr add 192.0.2.{}/24 dev {netdev}", number + 1)).ok();
        pod.run(&format!("ip link set {netdev} up")).ok();
    }
    assert!(pods[0].reaches("192.0.2.2"));
    assert!(pods[1].does_not_reach("192.0.2.3"));
    drop(pods);
    for pf in pfs() {
        pf.remove_vfs();
        run(&format!("ip link set {} down", pf.name)).ok();
    }
}

fn vf_state_sees_a_change() {
    let pf = pf(0);
    let vf = &pf.make_vfs(2)[1];
    let before = VfState::of(vf);
    assert_unchanged(&before, &VfState::of(vf));
    run(&format!("ip link set {} vf 1 vlan 5 qos 3", pf.name)).ok();
    let after = VfState::of(vf);
    assert_ne!(before, after);
    assert_eq!(after.field("pf.vlan_list"), r#"{"qos":3,"vlan":5}"#);
    pf.remove_vfs();
}

fn vfio_gives_a_group() {
    let pf = pf(1);
    let vf = &pf.make_vfs(1)[0];
    vf.bind("vfio-pci");
    let group = format!("/dev/vfio/{}", vf.iommu_group());
    assert!(std::path::Path::new(&group).exists(), "{group}");
    pf.remove_vfs();
}

fn strace_fails_a_call() {
    let trace = Trace::new("lab").only("sethostname").inject("sethostname:error=EPERM");
    run(&format!("{} hostname other", trace.command())).failed_with(1);
    assert_eq!(trace.calls("sethostname").len(), 1, "{:?}", trace.lines());
    assert_eq!(host::read("/proc/sys/kernel/hostname"), "node-a");
}

/// How far a test was when the power went.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Phase {
    Written,
    WrittenAgain { boots: u32 },
}

fn a_cut_loses_what_was_not_synced() {
    let files = ["/var/lib/railhead/synced", "/etc/railhead/synced", "/var/lib/railhead/not"];
    let [synced, settings, not] = files;
    match hand::note() {
        None => {
            for file in [synced, settings, not, "/run/railhead/synced", "/root/synced"] {
                host::put(file, "before");
            }
            run("sync").ok();
            pf(0).make_vfs(1);
            fs::write(not, "after").expect("write without syncing");
            hand::cut(&Phase::Written)
        }
        Some(Phase::Written) => {
            assert_eq!(files.map(host::read), ["before"; 3]);
            assert!(!Path::new("/run/railhead").exists() && !Path::new("/root/synced").exists());
            assert_eq!(pfs().iter().map(host::Pf::num_vfs).sum::<u16>(), 0);
            // A new file in the place of an old one, and nothing synced but something else.
            fs::write("/var/lib/railhead/new", "after").expect("write without syncing");
            fs::rename("/var/lib/railhead/new", not).expect("rename");
            sync_a_file("/etc/railhead/other");
            hand::cut(&Phase::WrittenAgain { boots: 2 })
        }
        Some(phase) => {
            assert_eq!(phase, Phase::WrittenAgain { boots: 2 });
            assert_eq!(host::read(not), "", "the disk is meant to be no kinder than it has to");
            assert_eq!(host::read("/etc/railhead/other"), "synced");
        }
    }
}

/// Writes a file and syncs it.
fn sync_a_file(path: &str) {
    let mut file = File::create(path).expect("make a file");
    file.write_all(b"synced").and_then(|()| file.sync_all()).expect("write and sync");
}

/// Numbered files until the power goes: none that was synced is missing.
fn a_cut_comes_in_the_middle_of_work() {
    if hand::note() != Some(true) {
        fs::create_dir_all("/var/lib/railhead").expect("make a directory");
        hand::cut_after(Duration::from_millis(700), &true);
        for number in 0.. {
            sync_a_file(&format!("/var/lib/railhead/{number}"));
            File::open("/var/lib/railhead").and_then(|all| all.sync_all()).expect("sync");
            crate::guest::transcript::log(format!("{number} is safe"));
        }
    }
    let mut known: Vec<u32> = fs::read_dir("/var/lib/railhead")
        .expect("list files")
        .map(|entry| {
            entry.expect("an entry").file_name().to_string_lossy().parse().expect("a number")
        })
        .collect();
    known.sort_unstable();
    assert!(known.len() > 5, "the power went too early: {known:?}");
    assert!(known.iter().copied().eq(0..known.len() as u32), "{known:?}");
}

fn cards_come_and_go() {
    let known = pfs();
    let new = hand::plug(3);
    assert_eq!(new.name, "enp3s0");
    assert_eq!(pfs().len(), known.len() + 1);
    run("ip link set enp3s0 up").ok();
    new.make_vfs(2);
    // The VFs go with their card.
    hand::unplug(3);
    hand::unplug(2);
    assert_eq!(pfs(), known[..1]);
    assert_eq!(hand::plug(2), known[1]);
    assert_eq!(pfs(), known);
}
