//! A machine without an IOMMU, where no VF can be given to user space: explained, not tried again and again, and no
//! reason to leave anything else undone.

use super::{assert_no_retry, drivers, drop_policy, put_policy};
use crate::guest::host::pf;
use crate::guest::railhead::{Daemon, railhead};
use crate::guest::wait::wait_for;
use crate::guest::{Test, hand};

pub(super) const TESTS: &[Test] =
    &[("daemon::iommu::without_one_all_else_goes_on", without_one_all_else_goes_on)];

fn without_one_all_else_goes_on() {
    if hand::note() != Some(true) {
        hand::restart_with(&["iommu=off"], &true);
    }
    put_policy("net", "enp1s0#0-0", 2, "");
    put_policy("vms", "enp1s0#1-1", 2, "  deviceType: vfio-pci\n");
    put_policy("other", "enp2s0", 1, "");
    let daemon = Daemon::start();
    let told = railhead("apply").failed_with(1);
    let says = "VF 1 cannot be bound to vfio-pci: there is no IOMMU";
    assert!(told.stdout.contains(says), "{told}");
    assert_eq!(drivers(&pf(0)), ["igbvf", ""], "the other group has what it asks for");
    assert_eq!(drivers(&pf(1)), ["igbvf"], "and so has the other PF");
    assert_eq!(pf(0).attribute("sriov_drivers_autoprobe"), "1");
    assert_no_retry();
    explained();

    // An event is a reason to look again, and to repair what can be.
    pf(0).vfs()[0].unbind();
    wait_for("the VF's driver", || (drivers(&pf(0)) == ["igbvf", ""]).then_some(()));

    drop_policy("vms");
    drop_policy("other");
    super::drop_and_wait("net");
    daemon.stop().ok();
}

/// By all that people ask.
fn explained() {
    let vf = railhead("explain enp1s0#1");
    assert!(vf.stdout.contains("there is no IOMMU"), "{vf}");
    let status = railhead("status -o json").json();
    assert!(status.to_string().contains("there is no IOMMU"), "{status}");
    let found = railhead("doctor -o json").failed_with(1).json();
    let findings = found["findings"].as_array().expect("findings");
    let iommu = findings.iter().find(|finding| finding["check"] == "iommu").expect("a finding");
    assert_eq!(iommu["level"], "error", "{iommu}");
    assert!(iommu.to_string().contains("iommu=off"), "{iommu}");
}
