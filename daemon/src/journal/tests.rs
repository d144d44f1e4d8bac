use std::fs;

use conf::VfIndex;

use super::files::Journal;
use super::*;
use crate::specimen;

const PF: &str = "0000:01:00.0";

fn owner() -> Vec<Owner> {
    vec![Owner { policy: "blue".to_owned(), generation: Some(3) }]
}

fn pf() -> Pf {
    specimen::igb(PF, "ens1f0").with_vfs(2)
}

#[test]
fn a_value_is_ours_before_and_after_the_write_but_not_when_somebody_else_wrote() {
    let mut entry = Entry::new(owner());
    let action = Action::SetNumVfs { from: 2, to: 0 };
    entry.intend(&action, &pf());
    let record = entry.num_vfs.unwrap();
    assert_eq!(
        (record.old, record.is_ours(&2), record.is_ours(&0), record.is_ours(&5)),
        (2, true, true, false)
    );
    entry.settle(&action);
    let record = entry.num_vfs.unwrap();
    assert_eq!((record.is_ours(&2), record.is_ours(&0)), (false, true));
}

#[test]
fn the_first_old_value_is_kept() {
    let mut entry = Entry::new(owner());
    let mut pf = pf();
    for to in [0, 5] {
        entry.intend(&Action::SetNumVfs { from: pf.num_vfs, to }, &pf);
        entry.settle(&Action::SetNumVfs { from: pf.num_vfs, to });
        pf.num_vfs = to;
    }
    assert_eq!(entry.num_vfs, Some(Changed { old: 2, new: 5, pending: None }));
}

#[test]
fn autoprobe_put_back_leaves_no_trace() {
    let mut entry = Entry::new(owner());
    let mut pf = pf();
    for on in [false, true] {
        entry.intend(&Action::SetAutoprobe { on }, &pf);
        entry.settle(&Action::SetAutoprobe { on });
        pf.autoprobe = on;
    }
    assert_eq!(entry.autoprobe, None);
}

#[test]
fn drivers_are_remembered_of_vfs_that_somebody_else_made() {
    let mut entry = Entry::new(owner());
    let vfio = DriverName::vfio_pci();
    let bind = |to| Action::Bind { vf: VfIndex(1), from: None, to };
    entry.intend(&bind(Binding::Driver(vfio.clone())), &pf());
    let record = entry.vfs[&VfIndex(1)].driver.clone().unwrap();
    assert!(record.is_ours(Some(&vfio)) && record.is_ours(None));
    assert!(!record.is_ours(Some(&"igbvf".parse().unwrap())));
    entry.settle(&Action::SetNumVfs { from: 2, to: 0 });
    assert!(entry.vfs.is_empty());
    entry.num_vfs = Some(Changed { old: 0, new: 2, pending: None });
    entry.intend(&bind(Binding::Driver(vfio)), &pf());
    assert!(entry.vfs.is_empty(), "VFs of our own need no way back");
}

#[test]
fn files_round_trip() {
    let directory = tempfile::tempdir().unwrap();
    let journal = Journal::at(directory.path().join("journal"));
    assert_eq!(journal.read().unwrap().ownership, Ownership::new());
    let mut entry = Entry::new(owner());
    entry.intend(&Action::SetNumVfs { from: 2, to: 0 }, &pf());
    journal.write(PF.parse().unwrap(), &entry).unwrap();
    let read = journal.read().unwrap();
    assert_eq!((read.ownership, read.damaged), ([(PF.parse().unwrap(), entry)].into(), vec![]));
    journal.remove(PF.parse().unwrap()).unwrap();
    journal.remove(PF.parse().unwrap()).unwrap();
    assert_eq!(journal.read().unwrap().ownership, Ownership::new());
}

/// The format is read by the next version of railhead too.
#[test]
fn golden() {
    let mut entry = Entry::new(owner());
    let mut pf = pf();
    entry.intend(&Action::SetPfMtu { from: 1500, to: 9000 }, &pf);
    entry.settle(&Action::SetPfMtu { from: 1500, to: 9000 });
    entry.intend(&Action::SetPfUp { up: true }, &pf);
    let vfio = Binding::Driver(DriverName::vfio_pci());
    entry.intend(&Action::Bind { vf: VfIndex(1), from: None, to: vfio }, &pf);
    entry.intend(&Action::SetVfMtu { vf: VfIndex(0), mtu: 9000 }, &pf);
    pf.autoprobe = true;
    entry.intend(&Action::SetAutoprobe { on: false }, &pf);
    entry.num_vfs = Some(Changed { old: 2, new: 0, pending: Some(7) });
    insta::assert_json_snapshot!(entry);
}

#[test]
fn what_is_damaged_is_set_aside_and_owns_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    let good = serde_json::to_string(&Entry::new(owner())).unwrap();
    fs::write(at("0000:01:00.0.json"), &good).unwrap();
    fs::write(at("0000:02:00.0.json"), &good[..good.len() / 2]).unwrap();
    fs::write(at("0000:03:00.0.json"), good.replace("\"version\":1", "\"version\":0")).unwrap();
    fs::write(at("0000:04:00.0.json"), b"\0\0\0\0").unwrap();
    fs::write(at("%2e%2e.json"), &good).unwrap();
    std::os::unix::fs::symlink("/etc/hostname", at("0000:05:00.0.json")).unwrap();
    fs::create_dir(at("0000:06:00.0.json")).unwrap();
    fs::File::create(at("0000:07:00.0.json")).unwrap().set_len(1 << 40).unwrap();
    fs::write(at(".0000:08:00.0.new"), b"half").unwrap();
    let journal = Journal::at(directory.path());
    let read = journal.read().unwrap();
    assert_eq!(read.ownership.len(), 1);
    assert_eq!(read.damaged.len(), 7, "{:?}", read.damaged);
    for damaged in &read.damaged {
        journal.set_aside(damaged).unwrap();
    }
    let again = journal.read().unwrap();
    assert_eq!((again.ownership.len(), again.damaged), (1, vec![]));
}

/// Whatever else it says: it will be of use again to whoever wrote it.
#[test]
fn what_a_newer_railhead_wrote_stays_and_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join(format!("{PF}.json"));
    fs::write(&file, r#"{"version": 2, "owners": {"of": "another shape"}}"#).unwrap();
    let journal = Journal::at(directory.path());
    let read = journal.read().unwrap();
    assert_eq!((read.ownership, read.damaged), (Ownership::new(), vec![]));
    let why = &read.newer[&PF.parse().unwrap()];
    assert!(why.contains(&format!("{PF}.json in format 2, and this one reads 1")), "{why}");
}
