//! NIC families side by side: what discover, plan and explain say of each.

use crate::machine::mellanox::{CONNECTX_6_DX, CONNECTX_6_IB};
use crate::machine::{Machine, policy};

/// An 82576, a ConnectX-6 Dx and a ConnectX-6 on InfiniBand, and a policy for each.
pub(crate) fn machine() -> Machine {
    let machine = Machine::new();
    machine.igb(1, "enp1s0", 2);
    machine.mellanox(&CONNECTX_6_DX, 0x3b, "ens1f0np0", 0);
    machine.mellanox(&CONNECTX_6_IB, 0x5e, "ibp94s0", 2);
    for (bus, group) in [("01", 1), ("3b", 2), ("5e", 3)] {
        machine.iommu_group(&format!("0000:{bus}:00.0"), group);
    }
    machine.objects("igb.yaml", &policy("igb", "enp1s0#0-1", 2, ""));
    machine.objects("rdma.yaml", &policy("rdma", "ens1f0np0#0-3", 6, "  isRdma: true\n"));
    machine.objects("dpdk.yaml", &policy("dpdk", "ens1f0np0#4-4", 6, "  deviceType: vfio-pci\n"));
    machine.objects("ib.yaml", &policy("ib", "ibp94s0", 2, "  linkType: ib\n"));
    machine
}

#[test]
fn discover() {
    insta::assert_snapshot!(machine().railhead(&["discover"]).out);
}

#[test]
fn plan() {
    let ran = machine().railhead(&["plan"]);
    assert_eq!(ran.code, 1, "InfiniBand is asked for");
    insta::assert_snapshot!(ran.out);
}

#[test]
fn explain() {
    let machine = machine();
    for pf in ["enp1s0", "ens1f0np0", "ibp94s0"] {
        let ran = machine.railhead(&["explain", pf]);
        assert_eq!((ran.code, ran.err.as_str()), (0, ""));
        insta::assert_snapshot!(format!("explain_{pf}"), ran.out);
    }
}

/// What a policy that only names the vendor asks of a NIC with an InfiniBand port beside an
/// Ethernet one.
#[test]
fn infiniband_without_a_link_type_is_refused() {
    let machine = machine();
    for name in ["rdma", "dpdk", "ib"] {
        std::fs::remove_file(machine.path(&format!("etc/railhead/objects/{name}.yaml"))).unwrap();
    }
    for more in ["", "  deviceType: vfio-pci\n", "  externallyManaged: true\n"] {
        let any = policy("any", "", 2, more).replace("pfNames: []", "vendor: '15b3'");
        machine.objects("any.yaml", &any);
        let ran = machine.railhead(&["plan"]);
        assert_eq!(ran.code, 1, "{more}: {}", ran.out);
        assert!(ran.out.contains("VF is of no use without GUIDs"), "{more}: {}", ran.out);
        assert!(!ran.out.lines().any(|line| line.starts_with("ibp94s0") && line.contains("set ")));
    }
    // Without IPoIB the PF has no netdev, and is InfiniBand all the same.
    std::fs::remove_dir_all(machine.path("sys/bus/pci/devices/0000:5e:00.0/net")).unwrap();
    let ran = machine.railhead(&["plan"]);
    assert!(ran.out.contains("GUIDs"), "{}", ran.out);
}
