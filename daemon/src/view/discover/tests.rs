use super::*;
use crate::snapshot::User;
use crate::specimen::igb;
use crate::view::Format;
use crate::view::tests::shown;

fn snapshot() -> Snapshot {
    let mut busy = igb("0000:01:00.0", "enp1s0").up().with_vfs(3);
    busy.speed = Some(1000);
    busy.numa_node = Some(0);
    busy.management = Some("it carries the default route".to_owned());
    for (index, vf) in busy.vfs.values_mut().enumerate() {
        match index {
            0 => {
                vf.user = Some(User::Container {
                    container: "cnitool-77383ca0a0715733ca6f".to_owned(),
                    interface: "net1".to_owned(),
                    pod: Some("default/web-0".to_owned()),
                });
                vf.netdev = None;
            }
            1 => {
                vf.driver = Some(DriverName::vfio_pci());
                vf.netdev = None;
                vf.admin_mac = Some("02:00:00:00:00:01".parse().unwrap());
                vf.iommu_group = Some(12);
            }
            _ => vf.packet_sockets = 2,
        }
    }
    let mut bare = igb("0000:02:00.0", "enp2s0");
    bare.netdev = None;
    bare.driver = None;
    let pfs = [busy, bare].map(|pf| (pf.address, pf));
    Snapshot { pfs: pfs.into(), ..Snapshot::default() }
}

fn discovered(format: Format, snapshot: &Snapshot) -> String {
    shown(format, &Discovery::of(snapshot))
}

#[test]
fn as_a_table() {
    insta::assert_snapshot!(discovered(Format::Table, &snapshot()));
}

#[test]
fn as_json() {
    insta::assert_snapshot!(discovered(Format::Json, &snapshot()));
}

#[test]
fn nothing_found_says_what_to_look_at() {
    assert!(
        discovered(Format::Table, &Snapshot::default()).starts_with("no NIC with SR-IOV found")
    );
    assert_eq!(discovered(Format::Json, &Snapshot::default()), "{\n  \"pfs\": []\n}\n");
}

#[test]
fn speeds_as_people_say_them() {
    for (mbits, text) in [
        (100, "100 Mb/s"),
        (1000, "1 Gb/s"),
        (2500, "2.5 Gb/s"),
        (400_000, "400 Gb/s"),
        (1050, "1.05 Gb/s"),
    ] {
        assert_eq!(speed(mbits), text);
    }
}
