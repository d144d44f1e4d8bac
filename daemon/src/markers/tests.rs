use std::os::unix::fs::symlink;

use conf::VfIndex;
use conf::desired::{PfLabel, Refusal};
use conf::policy::DeviceType::NetDevice;

use super::*;
use crate::journal::{Changed, Entry};
use crate::snapshot::{OperatorDaemon, Pf};
use crate::specimen::{desired, group, igb, pod, snapshot, wish};

const A: &str = "0000:01:00.0";
const B: &str = "0000:02:00.0";

fn wished(pf: &'static str) -> Desired {
    wish([(pf, desired(2, [group("blue", "0-1", NetDevice, None)]))]).desired
}

fn named(vfs: &BTreeSet<PciAddress>) -> Vec<String> {
    vfs.iter().map(ToString::to_string).collect()
}

fn used(mut pf: Pf, user: User) -> Pf {
    pf.vfs.get_mut(&VfIndex(0)).unwrap().user = Some(user);
    pf
}

#[test]
fn vfs_of_pfs_that_are_shaped_are_for_containers_and_no_others() {
    let found = snapshot([igb(A, "ens1f0").with_vfs(2), igb(B, "ens2f0").with_vfs(2)]);
    let none = Ownership::new();
    assert_eq!(named(&wanted(&found, &none, &wished(A))), ["0000:01:10.0", "0000:01:10.2"]);
    // Until all is undone, they are.
    let owned = Ownership::from([(B.parse().unwrap(), Entry::new(Vec::new()))]);
    let nothing = Desired::default();
    assert_eq!(named(&wanted(&found, &owned, &nothing)), ["0000:02:10.0", "0000:02:10.2"]);
    assert_eq!(named(&wanted(&found, &none, &nothing)), [""; 0]);
}

#[test]
fn a_pf_that_may_not_be_shaped_is_not() {
    let mut refused = wished(A);
    let pf = refused.pfs.get_mut(&A.parse().unwrap()).unwrap();
    pf.refused.push(Refusal::TooManyVfs {
        policy: "blue".to_owned(),
        pf: PfLabel { address: A.parse().unwrap(), name: None },
        wanted: 8,
        limit: 7,
    });
    let mut found = snapshot([igb(A, "ens1f0").with_vfs(2)]);
    assert_eq!(named(&wanted(&found, &Ownership::new(), &refused)), [""; 0]);
    found.operator = Some(OperatorDaemon { pid: 1 });
    assert_eq!(named(&wanted(&found, &Ownership::new(), &wished(A))), [""; 0]);
}

#[test]
fn a_vf_that_the_host_uses_is_the_hosts_unless_railhead_made_it() {
    let host = User::Machine { why: "it carries the default route".to_owned() };
    for (user, is_host) in [
        (host.clone(), true),
        (User::Port { of: "br0".to_owned() }, true),
        (pod(), false),
        (User::OtherNamespace, false),
    ] {
        let found = snapshot([used(igb(A, "ens1f0").with_vfs(2), user)]);
        let marked = wanted(&found, &Ownership::new(), &wished(A));
        assert_eq!(marked.len(), if is_host { 1 } else { 2 });
    }
    let found = snapshot([used(igb(A, "ens1f0").with_vfs(2), host)]);
    let mut entry = Entry::new(Vec::new());
    entry.num_vfs = Some(Changed { old: 0, new: 2, pending: None });
    let owned = Ownership::from([(A.parse().unwrap(), entry)]);
    assert_eq!(wanted(&found, &owned, &wished(A)).len(), 2);
}

#[test]
fn markers_are_made_once_and_strangers_are_left_alone() {
    let root = tempfile::tempdir().unwrap();
    let directory = root.path().join("vfs");
    let markers = Markers::at(&directory);
    assert_eq!(markers.read().unwrap(), BTreeSet::new());
    let vfs: BTreeSet<PciAddress> =
        ["0000:01:10.0", "10000:01:10.2"].map(|vf| vf.parse().unwrap()).into();
    markers.add_all(vfs.clone()).unwrap();
    let strangers = ["note", "01:10.4", "0000:01:10.6~", "0000:0A:10.0", "$(reboot)"];
    for name in strangers {
        fs::write(directory.join(name), "").unwrap();
    }
    let made = |vf: &str| fs::metadata(directory.join(vf)).unwrap().modified().unwrap();
    let before = made("0000:01:10.0");
    markers.add_all(vfs.clone()).unwrap();
    assert_eq!((markers.read().unwrap(), made("0000:01:10.0")), (vfs.clone(), before));
    markers.remove_all(vfs.clone()).unwrap();
    markers.remove_all(vfs).unwrap();
    assert_eq!(fs::read_dir(&directory).unwrap().count(), strangers.len());
}

#[test]
fn no_link_is_followed_from_a_marker() {
    let root = tempfile::tempdir().unwrap();
    let (target, directory) = (root.path().join("target"), root.path().join("vfs"));
    fs::create_dir(&directory).unwrap();
    symlink(&target, directory.join("0000:01:10.0")).unwrap();
    let markers = Markers::at(&directory);
    markers.add_all(["0000:01:10.0".parse().unwrap()]).unwrap();
    assert!(!target.exists());
}

/// The rule has no program and no name that anybody else chooses.
#[test]
fn the_rule_goes_by_markers_alone() {
    let rule = include_str!("../../../systemd/railhead.rules");
    let lines: Vec<&str> =
        rule.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).collect();
    let [line] = lines[..] else { panic!("one rule: {lines:?}") };
    let path = ipam::Root::system().vf_markers();
    assert!(line.contains(&format!("TEST==\"{}/%b\"", path.display())), "{line}");
    for word in ["PROGRAM", "IMPORT", "RUN", "$", "%c", "%k", "%p", "%E"] {
        assert!(!line.contains(word), "{word}: {line}");
    }
}
