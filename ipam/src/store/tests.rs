//! The store as its users see it: records, damage, a full file system, many processes.

mod damage;
mod formats;
mod kept;
mod processes;
mod room;

use conf::PciAddress;
use serde::{Deserialize, Serialize};

use crate::specimen::{Scratch, owner};
use crate::store::{Store, StoreError};

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Record {
    intent: String,
}

#[test]
fn attachments_are_kept_until_removed() {
    let scratch = Scratch::new();
    let record = |intent: &str| Record { intent: intent.to_owned() };
    scratch.write(|txn| {
        txn.put_attachment(&owner("b"), &record("one"))?;
        txn.put_attachment(&owner("a"), &record("two"))?;
        txn.put_attachment(&owner("b"), &record("three"))
    });
    assert_eq!(scratch.read(|txn| txn.attachment(&owner("b"))), Some(record("three")));
    assert_eq!(scratch.read(|txn| txn.attachment::<Record>(&owner("c"))), None);
    let listed: Vec<_> = scratch
        .read(|txn| txn.attachments::<Record>())
        .into_iter()
        .map(|(owner, record)| (owner.container.to_string(), record.unwrap().intent))
        .collect();
    assert_eq!(listed, [("a".into(), "two".into()), ("b".into(), "three".into())]);
    assert!(scratch.write(|txn| txn.remove_attachment(&owner("a"))));
    assert!(!scratch.write(|txn| txn.remove_attachment(&owner("a"))));
}

#[test]
fn an_attachment_that_cannot_be_read_is_named_and_hides_no_other() {
    let scratch = Scratch::new();
    scratch.write(|txn| {
        txn.put_attachment(&owner("a"), &"not a record")?;
        txn.put_attachment(&owner("b"), &Record { intent: "x".into() })
    });
    let listed = scratch.read(|txn| txn.attachments::<Record>());
    let error = listed[0].1.as_ref().unwrap_err().to_string();
    assert_eq!(error, "read the record of interface net1 of container a in the store");
    assert!(listed[1].1.is_ok());
}

#[test]
fn a_vf_has_one_owner() {
    let scratch = Scratch::new();
    let vf: PciAddress = "0000:01:10.0".parse().unwrap();
    let claim = |who: &str| scratch.write(|txn| txn.claim_vf(vf, &owner(who)));
    assert_eq!(claim("a"), Ok(()));
    assert_eq!(claim("a"), Ok(()));
    assert_eq!(claim("b"), Err(owner("a")));
    assert!(!scratch.write(|txn| txn.release_vf(vf, &owner("b"))));
    assert_eq!(scratch.read(|txn| txn.vf_owners()), [(vf, owner("a"))]);
    assert!(scratch.write(|txn| txn.release_vf(vf, &owner("a"))));
    assert_eq!(claim("b"), Ok(()));
}

#[test]
fn an_error_undoes_the_whole_transaction() {
    let scratch = Scratch::new();
    let vf: PciAddress = "0000:01:10.0".parse().unwrap();
    let refused = scratch.store.write(|txn| {
        txn.claim_vf(vf, &owner("a"))?.unwrap();
        txn.put_attachment(&owner("a"), &1)?;
        Err::<(), _>(StoreError::Newer { path: "x".into(), found: 2, known: 1 })
    });
    assert!(refused.is_err());
    assert_eq!(scratch.read(|txn| txn.vf_owner(vf)), None);
    assert_eq!(scratch.read(|txn| txn.attachment::<u8>(&owner("a"))), None);
}

#[test]
fn threads_exclude_each_other() {
    let scratch = Scratch::new();
    let count = |store: &Store| {
        for _ in 0..50 {
            store
                .write(|txn| {
                    let seen: u32 = txn.attachment(&owner("counter"))?.unwrap_or(0);
                    txn.put_attachment(&owner("counter"), &(seen + 1))
                })
                .unwrap_or_else(|error: StoreError| panic!("{error:?}"));
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| count(&scratch.store));
        }
    });
    assert_eq!(scratch.read(|txn| txn.attachment::<u32>(&owner("counter"))), Some(400));
}

#[test]
fn only_root_can_look_in() {
    use std::os::unix::fs::PermissionsExt;
    let scratch = Scratch::new();
    let mode =
        |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(scratch.store.directory()), 0o700);
    for entry in std::fs::read_dir(scratch.store.directory()).unwrap() {
        let path = entry.unwrap().path();
        assert_eq!(mode(&path), 0o600, "{}", path.display());
    }
}
