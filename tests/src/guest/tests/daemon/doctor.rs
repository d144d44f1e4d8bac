//! `railhead doctor` on a machine that has a kernel: what it says of the lab is so.

use super::put_policy;
use crate::guest::Test;
use crate::guest::program::run;
use crate::guest::railhead::railhead;
use crate::guest::trace::Trace;

pub(super) const TESTS: &[Test] =
    &[("daemon::doctor::it_finds_the_lab_well_and_writes_nothing", the_lab_is_well)];

fn the_lab_is_well() {
    put_policy("vms", "enp1s0", 1, "  deviceType: vfio-pci\n");
    let found = railhead("doctor -o json").ok().json();
    let findings = found["findings"].as_array().expect("findings");
    for check in ["kernel-version", "capabilities", "module-vfio-pci", "iommu", "nics", "plugins"] {
        let finding = findings.iter().find(|finding| finding["check"] == check);
        assert_eq!(
            finding.map(|finding| &finding["level"]),
            Some(&"ok".into()),
            "{check}: {found}"
        );
    }
    let trace = Trace::new("doctor").only("%process,%file,write,sendto").naming_descriptors();
    run(&format!("{} railhead doctor", trace.command())).ok();
    assert_eq!(trace.starts_and_writes(), Vec::<String>::new());
}
