//! The lab itself: the machine has what the other tests take for granted, and the vocabulary tells the truth.

use crate::guest::Test;
use crate::guest::host::{self, pf, pfs};
use crate::guest::pod::Pod;
use crate::guest::program::run;
use crate::guest::trace::Trace;
use crate::guest::vf_state::{VfState, assert_unchanged};

pub(super) const TESTS: &[Test] = &[
    ("lab::two_cards_on_one_switch", two_cards_on_one_switch),
    ("lab::vf_state_sees_a_change", vf_state_sees_a_change),
    ("lab::vfio_gives_a_group", vfio_gives_a_group),
    ("lab::strace_fails_a_call", strace_fails_a_call),
];

fn two_cards_on_one_switch() {
    assert_eq!(pfs().iter().map(|pf| pf.name.as_str()).collect::<Vec<_>>(), ["enp1s0", "enp2s0"]);
    let pods = [Pod::new("left"), Pod::new("right")];
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
