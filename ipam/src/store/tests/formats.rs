//! Versions of the format: what is written today stays readable, and two versions of railhead
//! work on one store during an upgrade.
//!
//! So far there is one format. `format-1.mdb` is such a store as [`history`] leaves it, up to its
//! last used page. When there is a second one, its store is put beside this one, and the program
//! has to go on reading both.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::time::Duration;

use conf::PciAddress;
use conf::block::NodeBlock;
use serde_json::{Value, json};

use crate::allocate::tests::assert_sound;
use crate::allocate::{AllocateError, Grant, Wish, allocate};
use crate::lease::{Cooling, PodRef};
use crate::specimen::{Scratch, block, identity, owner, second};
use crate::store::{StoreError, key};

const COOLDOWN: Duration = Duration::from_secs(30);
const FORMAT_1: &[u8] = include_bytes!("format-1.mdb");

fn pool() -> NodeBlock {
    block("10.0.0.0/24", "10.0.0.1", "10.0.0.9")
}

fn add(scratch: &Scratch, container: &str) -> Result<Grant, AllocateError> {
    let identity = identity(container);
    scratch.store.write(|txn| allocate(txn, &pool(), Wish::Any, &identity, second(40), COOLDOWN))
}

fn address(scratch: &Scratch, container: &str) -> String {
    add(scratch, container).unwrap().address.to_string()
}

/// A record of every kind.
fn history(scratch: &Scratch) {
    let full = crate::allocate::Identity {
        pod: Some(PodRef { namespace: "default".into(), name: "web-0".into(), uid: "u-1".into() }),
        netns: Some("/run/netns/web-0".into()),
        netns_cookie: Some(7),
        ..identity("full")
    };
    let six = NodeBlock {
        pool: "cidrpool/six".parse().unwrap(),
        ..block("fd00::/64", "fd00::1", "fd00::9")
    };
    let vf: PciAddress = "0000:01:10.0".parse().unwrap();
    let done: Result<(), AllocateError> = scratch.store.write(|txn| {
        for identity in [&full, &identity("bare"), &identity("gone")] {
            allocate(txn, &pool(), Wish::Any, identity, second(10), COOLDOWN)?;
        }
        allocate(txn, &six, Wish::Any, &full, second(11), COOLDOWN)?;
        txn.release(&owner("gone"), second(20))?;
        assert_eq!(txn.claim_vf(vf, &owner("full"))?, Ok(()));
        txn.put_attachment(&owner("full"), &json!({"intent": "attach"}))?;
        Ok(())
    });
    done.unwrap();
}

/// Every record as text.
fn records(scratch: &Scratch) -> Vec<String> {
    scratch.read(|txn| {
        let mut records = Vec::new();
        for letter in b'A'..=b'z' {
            txn.scan(&[letter], |key, value| {
                let value = match std::str::from_utf8(value) {
                    Ok(text) if !text.contains(char::is_control) => text.to_owned(),
                    _ => value.escape_ascii().to_string(),
                };
                records.push(format!("{} = {value}", key.escape_ascii()));
                Ok(())
            })?;
        }
        Ok(records)
    })
}

/// A store with these bytes, as long as a store is.
fn store_of(image: &[u8]) -> Scratch {
    let scratch = Scratch::new();
    let path = scratch.store.directory().join("state.mdb");
    std::fs::remove_file(&path).unwrap();
    std::fs::write(&path, image).unwrap();
    File::options().write(true).open(&path).unwrap().set_len(256 << 20).unwrap();
    scratch
}

fn image(scratch: &Scratch) -> Vec<u8> {
    let used = scratch.read(|txn| Ok(txn.used_bytes()));
    let mut image = vec![0; usize::try_from(used).unwrap()];
    let file = File::open(scratch.store.directory().join("state.mdb")).unwrap();
    file.read_exact_at(&mut image, 0).unwrap();
    image
}

/// Whoever changes a record raises the format and keeps the bytes of the last one; this variable
/// says where this test then writes those of today.
const VARIABLE: &str = "IPAM_WRITE_FORMAT";

#[test]
fn records_golden() {
    let scratch = Scratch::new();
    history(&scratch);
    if let Some(path) = std::env::var_os(VARIABLE) {
        std::fs::write(path, image(&scratch)).unwrap();
    }
    insta::assert_snapshot!(records(&scratch).join("\n"));
    assert_eq!(records(&store_of(FORMAT_1)), records(&scratch), "the bytes that are kept");
}

#[test]
fn a_store_of_format_1_is_worked_on() {
    let scratch = store_of(FORMAT_1);
    scratch.read(|txn| {
        assert_sound(txn);
        let held: Vec<_> = txn.leases()?.iter().map(|lease| lease.address.to_string()).collect();
        assert_eq!(held, ["10.0.0.1", "10.0.0.2", "fd00::1"]);
        let resting: Vec<Cooling> = txn.cooling()?;
        assert_eq!(resting[0].owner, owner("gone"));
        assert_eq!(txn.vf_owners()?.len(), 1);
        let record: Option<Value> = txn.attachment(&owner("full"))?;
        assert_eq!(record, Some(json!({"intent": "attach"})));
        Ok(())
    });
    // What is held is held, round robin goes on, what rests rests, and all can be given back.
    assert_eq!(address(&scratch, "bare"), "10.0.0.2");
    assert_eq!(address(&scratch, "new"), "10.0.0.4");
    assert_eq!(scratch.write(|txn| txn.release(&owner("full"), second(41))).len(), 2);
    scratch.read(|txn| {
        assert_sound(txn);
        Ok(())
    });
}

/// What a later railhead that this one can work beside writes: a kind of record that is not known
/// here, a field more in one that is, and the stamp that says so.
fn as_a_later_railhead(scratch: &Scratch) {
    scratch.write(|txn| {
        txn.put_json(
            &key::format(),
            &json!({"written_by": 2, "readable_by": 1, "since": "later"}),
            String::new,
        )?;
        txn.put(b"Znew", b"a kind of record that format 1 has not")?;
        let pool = txn.pool(&pool().pool)?.unwrap().id;
        for address in ["10.0.0.1", "10.0.0.2"] {
            let key = key::lease(pool, address.parse().unwrap());
            let mut lease: Value = txn.json(&key, String::new)?.unwrap();
            lease["later"] = json!("a field that format 1 has not");
            txn.put_json(&key, &lease, String::new)?;
        }
        Ok(())
    });
}

#[test]
fn two_versions_work_side_by_side() {
    let scratch = store_of(FORMAT_1);
    let later = |scratch: &Scratch| -> Vec<String> {
        let is_later = |record: &String| record.starts_with('Z') || record.contains("later");
        records(scratch).into_iter().filter(is_later).collect()
    };
    as_a_later_railhead(&scratch);
    let theirs = later(&scratch);
    assert_eq!(theirs.len(), 4, "{theirs:#?}");
    // This one works as ever, and takes nothing of the other's away.
    for round in 0..3 {
        assert_eq!(address(&scratch, "bare"), "10.0.0.2");
        let container = format!("new-{round}");
        add(&scratch, &container).unwrap();
        assert_eq!(later(&scratch), theirs);
        let network = "net-a".parse().unwrap();
        let valid = [owner("full"), owner("bare")].into();
        assert_eq!(scratch.write(|txn| txn.release_stale(&network, &valid, second(50))).len(), 1);
        // And the other goes on after it.
        as_a_later_railhead(&scratch);
        assert_eq!(later(&scratch), theirs);
    }
    scratch.write(|txn| txn.release(&owner("full"), second(60)));
    assert_eq!(later(&scratch).len(), 3, "its own lease is all that is gone");
    scratch.read(|txn| {
        assert_sound(txn);
        Ok(())
    });
}

#[test]
fn a_store_that_only_a_later_railhead_understands_is_left_to_it() {
    let scratch = store_of(FORMAT_1);
    scratch.write(|txn| {
        let stamp = json!({"written_by": 2, "readable_by": 2});
        txn.put_json(&key::format(), &stamp, String::new)
    });
    let path = scratch.store.directory().join("state.mdb");
    let before = std::fs::read(&path).unwrap();
    let is_newer =
        |error: &StoreError| matches!(error, StoreError::Newer { found: 2, known: 1, .. });
    let added = add(&scratch, "new").unwrap_err();
    assert!(matches!(&added, AllocateError::Store(error) if is_newer(error)), "{added}");
    assert!(is_newer(&scratch.store.read(|txn| txn.leases()).unwrap_err()));
    let released = scratch.store.write(|txn| txn.release(&owner("full"), second(41)));
    assert!(is_newer(&released.unwrap_err()));
    assert!(std::fs::read(&path).unwrap() == before, "not a byte of it was touched");
    assert_eq!(std::fs::read_dir(scratch.store.directory()).unwrap().count(), 2, "nor set aside");
}
