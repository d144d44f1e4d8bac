use crate::machine::{Machine, ip_pool, policy};

fn machine() -> Machine {
    let machine = Machine::new();
    machine.igb(1, "enp1s0", 0);
    machine.igb(2, "enp2s0", 0);
    machine.iommu_group("0000:01:00.0", 1);
    machine.iommu_group("0000:02:00.0", 2);
    machine
}

#[test]
fn two_policies_on_two_pfs() {
    let machine = machine();
    machine.objects("net.yaml", &policy("net", "enp1s0#0-1, enp2s0#0-1", 4, "  mtu: 9000\n"));
    machine.objects("vms.yaml", &policy("vms", "enp1s0#2-3", 4, "  deviceType: vfio-pci\n"));
    let ran = machine.railhead(&["plan"]);
    assert_eq!((ran.code, ran.err.as_str()), (0, ""));
    insta::assert_snapshot!(ran.out);
}

#[test]
fn for_objects_that_are_not_in_force() {
    let machine = machine();
    machine.objects("old.yaml", &policy("old", "enp1s0", 1, ""));
    machine.write("new/new.yaml", &policy("new", "enp2s0", 1, ""));
    let new = machine.path("new");
    let ran = machine.railhead(&["plan", "-f", new.to_str().unwrap()]);
    insta::assert_snapshot!(ran.out);
    assert_eq!(ran.code, 0);
}

#[test]
fn nothing_is_written() {
    let machine = machine();
    machine.objects("net.yaml", &policy("net", "enp1s0", 4, ""));
    machine.objects("pool.yaml", &ip_pool("blue", "192.168.100.0/24"));
    let before = machine.contents();
    for (verb, code) in
        [("plan", 0), ("discover", 0), ("status", 1), ("attachments", 0), ("ipam", 0)]
    {
        let ran = machine.railhead(&[verb]);
        assert_eq!(ran.code, code, "{verb}: {}", ran.err);
    }
    assert_eq!(machine.contents(), before);
}

/// The other port of the card would get VFs too, were the misspelt name of this one left out.
#[test]
fn a_misspelt_selector_plans_nothing() {
    let machine = machine();
    for key in ["pfName", "PfNames", "pf_names", "names", "interfaces"] {
        let selector = format!("vendor: '8086', deviceID: 10c9, {key}");
        let text = policy("intel", "enp2s0", 4, "").replace("pfNames", &selector);
        machine.write("policy.yaml", &text);
        let path = machine.path("policy.yaml");
        let ran = machine.railhead(&["plan", "-f", path.to_str().unwrap()]);
        assert_eq!(ran.code, 1, "{key}");
        assert!(!ran.out.contains("VF"), "{}", ran.out);
        let told = format!("SriovNetworkNodePolicy intel: spec.nicSelector.{key}: unknown field");
        assert!(ran.err.contains(&told), "{}", ran.err);
    }
}

/// The object that is refused is, and no other.
#[test]
fn a_refused_policy_holds_back_no_other() {
    let machine = machine();
    machine.objects(
        "a.yaml",
        &policy("bad", "enp1s0", 4, "").replace("pfNames", "vendor: '8086', pfName"),
    );
    machine.objects("b.yaml", &policy("good", "enp2s0", 1, ""));
    let ran = machine.railhead(&["plan"]);
    assert_eq!(ran.code, 1);
    assert!(ran.out.contains("policy good") && !ran.out.contains("enp1s0"), "{}", ran.out);
    assert!(ran.err.contains("did you mean pfNames?"), "{}", ran.err);
}
