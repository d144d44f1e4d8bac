use crate::machine::Machine;

fn two_nics() -> Machine {
    let machine = Machine::new();
    machine.igb(1, "enp1s0", 2);
    machine.igb(2, "enp2s0", 0);
    machine.iommu_group("0000:01:10.0", 12);
    // Neither has VFs to offer.
    machine.function("0000:03:00.0", "10d3", Some("e1000e"), Some("enp3s0"));
    machine
}

#[test]
fn as_tables() {
    insta::assert_snapshot!(two_nics().railhead(&["discover"]).out);
}

#[test]
fn as_json() {
    insta::assert_snapshot!(two_nics().railhead(&["discover", "-o", "json"]).out);
}

#[test]
fn as_yaml_it_says_the_same() {
    let machine = two_nics();
    let json: serde_json::Value =
        serde_json::from_str(&machine.railhead(&["discover", "-o", "json"]).out).unwrap();
    let yaml: serde_json::Value =
        serde_saphyr::from_str(&machine.railhead(&["-o", "yaml", "discover"]).out).unwrap();
    assert_eq!(json, yaml);
}

#[test]
fn a_machine_without_sriov() {
    let machine = Machine::new();
    let ran = machine.railhead(&["discover"]);
    assert_eq!(ran.code, 0);
    assert!(ran.out.contains("no NIC with SR-IOV"), "{}", ran.out);
}

/// What a driver or a broken device may make of a file: the PF is told of, and hides no other.
#[test]
fn a_pf_that_cannot_be_read_hides_no_other() {
    for (file, content) in [
        ("sriov_offset", "many\n"),
        ("sriov_totalvfs", "-1\n"),
        ("class", "0x02zz00\n"),
        ("vendor", "\u{0}"),
        ("sriov_stride", ""),
    ] {
        let machine = two_nics();
        machine.write(&format!("sys/bus/pci/devices/0000:01:00.0/{file}"), content);
        for arguments in [["discover"].as_slice(), &["plan"], &["status"]] {
            let ran = machine.railhead(arguments);
            assert!(ran.err.contains("PF 0000:01:00.0 cannot be read"), "{file}: {}", ran.err);
        }
        let ran = machine.railhead(&["discover"]);
        assert_eq!(ran.code, 1, "{file}");
        assert!(ran.out.contains("enp2s0") && !ran.out.contains("enp1s0"), "{file}: {}", ran.out);
    }
}

#[test]
fn a_pf_without_driver_is_shown() {
    let machine = two_nics();
    std::fs::remove_file(machine.path("sys/bus/pci/devices/0000:02:00.0/driver")).unwrap();
    std::fs::remove_dir_all(machine.path("sys/bus/pci/devices/0000:02:00.0/net")).unwrap();
    insta::assert_snapshot!(machine.railhead(&["discover"]).out);
}
