//! A store that somebody damaged is set aside and told about: never SIGBUS, never silently empty.

use std::fs::{self, File, OpenOptions, Permissions};
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt};
use std::path::PathBuf;
use std::time::Duration;

use proptest::prelude::*;

use crate::allocate::{AllocateError, Wish, allocate};
use crate::paths::Root;
use crate::specimen::{Scratch, block, identity, owner, second};
use crate::store::{Standing, Store, StoreError};

const PAGE: u64 = 4096;

fn data(scratch: &Scratch) -> PathBuf {
    scratch.store.directory().join("state.mdb")
}

fn add(scratch: &Scratch, container: &str) -> Result<(), AllocateError> {
    let block = block("10.0.0.0/16", "10.0.0.1", "10.0.255.254");
    let identity = identity(container);
    scratch.store.write(|txn| {
        allocate(txn, &block, Wish::Any, &identity, second(0), Duration::ZERO)?;
        Ok(())
    })
}

/// A store with enough leases for a tree of several levels.
fn with_leases(count: usize) -> Scratch {
    let scratch = Scratch::new();
    let block = block("10.0.0.0/16", "10.0.0.1", "10.0.255.254");
    scratch
        .store
        .write(|txn| {
            for container in 0..count {
                let identity = identity(&format!("c{container}"));
                allocate(txn, &block, Wish::Any, &identity, second(0), Duration::ZERO)?;
            }
            Ok::<_, AllocateError>(())
        })
        .unwrap();
    scratch
}

/// After the damage: every verb answers, addresses are refused until the loss is accepted.
fn assert_told(scratch: &Scratch, expected: &str) {
    let loss = scratch.store.loss().unwrap().unwrap();
    assert_eq!(loss.damage, expected);
    let refused = add(scratch, "new").unwrap_err();
    assert!(matches!(&refused, AllocateError::Lost { loss: again, .. } if *again == loss));
    assert!(refused.to_string().contains("railhead ipam accept-loss"), "{refused}");
    assert!(scratch.write(|txn| txn.release(&owner("c0"), second(1))).is_empty());
    scratch.write(|txn| txn.put_attachment(&owner("x"), &1));

    assert_eq!(scratch.write(|txn| txn.accept_loss()), Some(loss));
    add(scratch, "new").unwrap();
    assert_eq!(scratch.store.loss().unwrap(), None);
}

fn file(scratch: &Scratch) -> File {
    OpenOptions::new().write(true).open(data(scratch)).unwrap()
}

#[test]
fn a_truncated_file_is_set_aside() {
    for (length, told) in [
        (0, "it ends after 0 bytes, within a meta page"),
        (100, "it ends after 100 bytes, within a meta page"),
        (PAGE, "it has 4096 bytes instead of 268435456"),
        (2 * PAGE, "it has 8192 bytes instead of 268435456"),
        (5 * PAGE + 17, "it has 20497 bytes instead of 268435456"),
        ((256 << 20) - PAGE, "it has 268431360 bytes instead of 268435456"),
    ] {
        let scratch = with_leases(100);
        file(&scratch).set_len(length).unwrap();
        assert_told(&scratch, told);
        let aside = data(&scratch).with_file_name("state.mdb.damaged-1");
        assert_eq!(std::fs::metadata(aside).unwrap().len(), length, "kept for whoever asks why");
    }
}

#[test]
fn a_zeroed_file_is_set_aside() {
    let scratch = with_leases(100);
    let length = std::fs::metadata(data(&scratch)).unwrap().len();
    file(&scratch).set_len(0).unwrap();
    file(&scratch).set_len(length).unwrap();
    assert_told(&scratch, "no meta page at byte 0");
}

#[test]
fn zeroed_pages_are_set_aside() {
    let scratch = with_leases(100);
    file(&scratch).write_all_at(&[0; PAGE as usize], 0).unwrap();
    assert_told(&scratch, "no meta page at byte 0");

    let scratch = with_leases(100);
    file(&scratch).write_all_at(&[0; PAGE as usize], PAGE).unwrap();
    assert_told(&scratch, "no meta page at byte 4096");

    // The meta pages stay, everything they point at is gone.
    let scratch = with_leases(100);
    file(&scratch).write_all_at(&vec![0; 4 << 20], 2 * PAGE).unwrap();
    let loss = scratch.store.loss().unwrap().unwrap();
    assert!(loss.damage.ends_with("is not what its tree expects"), "{}", loss.damage);
}

#[test]
fn a_tree_of_impossible_depth_is_set_aside() {
    for depth in [0_u16, 33] {
        let scratch = with_leases(100);
        // `md_depth` of the tree of records, in both meta pages.
        for meta in [0, PAGE] {
            file(&scratch).write_all_at(&depth.to_ne_bytes(), meta + 94).unwrap();
        }
        assert_told(&scratch, &format!("a tree claims {depth} levels"));
    }
}

#[test]
fn a_damaged_store_is_set_aside_beside_an_earlier_one() {
    let scratch = with_leases(1);
    for number in 1..=2 {
        file(&scratch).set_len(0).unwrap();
        let aside = format!("state.mdb.damaged-{number}");
        let aside = scratch.store.directory().join(aside);
        assert_eq!(scratch.store.loss().unwrap().unwrap().aside, Some(aside));
    }
}

#[test]
fn a_file_that_is_gone_is_missed() {
    let scratch = with_leases(1);
    std::fs::remove_file(data(&scratch)).unwrap();
    let loss = scratch.store.loss().unwrap().unwrap();
    assert_eq!((loss.damage.as_str(), &loss.aside), ("its file is gone", &None));
    assert_told(&scratch, "its file is gone");
}

/// The bytes of the store up to its last used page.
fn image(scratch: &Scratch) -> Vec<u8> {
    let used = scratch.read(|txn| Ok(txn.used_bytes()));
    let mut image = vec![0; usize::try_from(used).unwrap()];
    File::open(data(scratch)).unwrap().read_exact_at(&mut image, 0).unwrap();
    image
}

/// Puts another file in the place of the store's.
fn replace(scratch: &Scratch, image: &[u8]) {
    std::fs::remove_file(data(scratch)).ok();
    std::fs::write(data(scratch), image).unwrap();
    file(scratch).set_len(256 << 20).unwrap();
}

/// Everything that reads, and an ADD and a DEL.
fn use_it(scratch: &Scratch) -> Result<(), StoreError> {
    let looked = scratch.store.read(|txn| {
        txn.leases()?;
        txn.cooling()?;
        txn.attachments::<u8>()?;
        txn.loss()
    });
    match looked {
        Ok(_) | Err(StoreError::Unsound { .. }) => {}
        Err(error) => return Err(error),
    }
    match add(scratch, "new") {
        Ok(()) | Err(AllocateError::Lost { .. } | AllocateError::Held { .. }) => {}
        Err(AllocateError::Store(error)) => return Err(error),
        Err(error) => panic!("{error:?}"),
    }
    scratch.store.write(|txn| txn.release(&owner("new"), second(1))).map(|_| ())
}

/// What lies in the store's directory: names, and what changes when a file is written to.
fn files(scratch: &Scratch) -> Vec<(String, u64, i64, i64)> {
    let entries = std::fs::read_dir(scratch.store.directory()).unwrap();
    let mut files: Vec<_> = entries
        .map(|entry| {
            let entry = entry.unwrap();
            let file = entry.metadata().unwrap();
            let name = entry.file_name().into_string().unwrap();
            (name, file.ino(), file.ctime(), file.ctime_nsec())
        })
        .collect();
    files.sort();
    files
}

#[test]
fn a_look_at_a_damaged_store_tells_and_changes_nothing() {
    type Damage = fn(&Scratch);
    let damages: [(&str, Damage); 4] = [
        ("it ends after 100 bytes, within a meta page", |scratch| {
            file(scratch).set_len(100).unwrap();
        }),
        ("no meta page at byte 0", |scratch| {
            file(scratch).write_all_at(&[0; PAGE as usize], 0).unwrap();
        }),
        ("its file is gone", |scratch| std::fs::remove_file(data(scratch)).unwrap()),
        ("it has no format", |scratch| {
            scratch.write(|txn| txn.delete(&crate::store::key::format()));
        }),
    ];
    for (told, damage) in damages {
        let scratch = with_leases(10);
        damage(&scratch);
        let before = files(&scratch);
        for _ in 0..2 {
            let looked = scratch.store.read(|txn| txn.leases()).unwrap_err();
            let is_told = matches!(&looked, StoreError::Unsound { damage, .. } if damage == told);
            assert!(is_told, "{looked:?}");
        }
        let existing = Store::existing(&scratch.root).unwrap();
        assert!(existing.read(|txn| txn.loss()).is_err());
        assert_eq!(files(&scratch), before, "{told}");
        assert_told(&scratch, told);
    }
}

#[test]
fn there_is_a_store_where_one_was_made() {
    let directory = tempfile::tempdir_in("/dev/shm").unwrap();
    let root = Root::at(directory.path());
    assert!(Store::existing(&root).is_none());
    let store = Store::open(&root).unwrap();
    assert!(Store::existing(&root).is_none(), "a directory is no store");
    assert_eq!(Store::look(&root).unwrap(), Standing::Absent);
    store.loss().unwrap();
    assert_eq!(Store::look(&root).unwrap(), Standing::Sound);
    assert_eq!(Store::existing(&root).unwrap().loss().unwrap(), None);
}

#[test]
fn any_page_may_be_zeroed() {
    let scratch = with_leases(2000);
    let image = image(&scratch);
    let page_size = usize::try_from(PAGE).unwrap();
    let mut told = 0;
    for page in 2..image.len() / page_size {
        let mut image = image.clone();
        image[page * page_size..][..page_size].fill(0);
        replace(&scratch, &image);
        use_it(&scratch).unwrap();
        match scratch.store.loss().unwrap() {
            Some(loss) => told += usize::from(loss.damage.contains("page")),
            // Then it was a free page.
            None => assert_eq!(scratch.read(|txn| txn.leases()).len(), 2000),
        }
    }
    assert!(told > image.len() / page_size / 2, "only {told} pages were missed");
}

#[test]
fn a_store_that_only_we_wrote_to_is_walked_once_and_not_again() {
    let scratch = with_leases(10);
    let stamp = || std::fs::read(scratch.store.directory().join("lock")).unwrap();
    let before = stamp();
    scratch.read(|txn| txn.leases());
    assert_eq!(stamp(), before, "nothing was written, so nothing is stamped");
    // Somebody sets a byte where no page is used, which only a walk could forgive.
    file(&scratch).write_all_at(&[0], 200 << 20).unwrap();
    assert_eq!(scratch.read(|txn| txn.leases()).len(), 10);
    assert_ne!(stamp(), before);
}

#[test]
fn a_store_that_was_being_made_when_its_maker_died_is_made_again() {
    let scratch = Scratch::new();
    // Killed after the lock file, or within the new file: both leave no store under its name.
    scratch.forget();
    std::fs::write(scratch.store.directory().join("lock"), "").unwrap();
    std::fs::write(scratch.store.directory().join("state.mdb.new"), "half").unwrap();
    assert_eq!(scratch.store.loss().unwrap(), None);
    add(&scratch, "a").unwrap();
    // Killed between rename and remembering.
    std::fs::write(scratch.store.directory().join("lock"), "").unwrap();
    assert_eq!(scratch.read(|txn| txn.leases()).len(), 1);
    std::fs::remove_file(data(&scratch)).unwrap();
    assert!(scratch.store.loss().unwrap().is_some(), "it was remembered after all");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// Whatever is written over any byte: an answer, and never a crash.
    #[test]
    fn scribbles_never_crash(
        places in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        within in prop_oneof![Just(2 * 152usize), Just(8192), Just(usize::MAX)],
    ) {
        let scratch = with_leases(50);
        let mut image = image(&scratch);
        let length = image.len().min(within);
        for (place, byte) in places {
            // The first of the ranges is the two meta pages' fields.
            let at = match place.index(length) {
                at @ 152..304 if within == 2 * 152 => at - 152 + 4096,
                at => at,
            };
            image[at] = byte;
        }
        replace(&scratch, &image);
        if let Err(error) = use_it(&scratch) {
            prop_assert!(
                matches!(error, StoreError::Record { .. } | StoreError::Newer { .. } | StoreError::Damaged(_)),
                "{error:?}"
            );
        }
    }
}

#[test]
fn a_lock_that_leads_elsewhere_is_refused_and_nothing_is_written_there() {
    let scratch = Scratch::new();
    let [other, lock] = ["other", "lock"].map(|name| scratch.store.directory().join(name));
    std::fs::write(&other, "theirs").unwrap();
    std::fs::remove_file(&lock).unwrap();
    std::os::unix::fs::symlink(&other, &lock).unwrap();
    let error = add(&scratch, "a").unwrap_err();
    assert!(matches!(error, AllocateError::Store(StoreError::File(_))), "{error}");
    assert_eq!(std::fs::read_to_string(&other).unwrap(), "theirs");
}

/// A user who may not look is told so, and not that there is nothing.
#[test]
fn a_store_that_one_may_not_look_at_is_not_taken_for_none() {
    for with_store in [true, false] {
        let directory = tempfile::tempdir_in("/dev/shm").unwrap();
        let root = Root::at(directory.path());
        let store = Store::open(&root).unwrap();
        if with_store {
            store.loss().unwrap();
        }
        let closed = |mode| fs::set_permissions(directory.path(), Permissions::from_mode(mode));
        closed(0o000).unwrap();
        let looked = std::thread::spawn(move || {
            // This thread alone: it loses root's way past permissions.
            nix::unistd::setfsuid(nix::unistd::Uid::from_raw(1000));
            Store::existing(&root).map(|store| store.read(|txn| txn.leases()).map(drop))
        });
        let error = looked.join().unwrap().unwrap().unwrap_err();
        closed(0o700).unwrap();
        let causes: Vec<String> =
            std::iter::successors(Some(&error as &dyn std::error::Error), |error| error.source())
                .map(ToString::to_string)
                .collect();
        assert!(causes.last().unwrap().contains("Permission denied"), "{causes:?}");
    }
}

/// As by `rm -rf /run/railhead`: what is left is that one was made since the machine booted.
#[test]
fn a_store_that_was_removed_whole_was_there_until_a_reboot() {
    const REMOVED: &str = "it was removed with all that was beside it";
    let scratch = with_leases(10);
    let again = || {
        fs::remove_dir_all(scratch.root.run()).unwrap();
        let found = Store::look(&scratch.root).unwrap();
        (Store::open(&scratch.root).unwrap(), found)
    };
    let (store, found) = again();
    assert_eq!(found, Standing::Damaged(REMOVED.to_owned()));
    let looked = store.read(|_| Ok::<_, StoreError>(()));
    assert!(matches!(looked, Err(StoreError::Unsound { .. })), "{looked:?}");
    assert_told(&scratch, REMOVED);

    // Of another boot, of none, and none at all.
    for mark in [Some("1d1f2a3b-4c5d-4e6f-8a9b-0c1d2e3f4a5b\n"), Some("?"), Some(""), None] {
        match mark {
            Some(mark) => fs::write(scratch.root.store_mark(), mark).unwrap(),
            None => fs::remove_file(scratch.root.store_mark()).unwrap(),
        }
        let (store, found) = again();
        assert_eq!(found, Standing::Absent, "{mark:?}");
        assert_eq!(store.loss().unwrap(), None, "{mark:?}");
        assert!(again().0.loss().unwrap().is_some(), "{mark:?}: it is noted anew");
    }

    // Where it cannot be noted, a store is made all the same.
    fs::remove_file(scratch.root.store_mark()).unwrap();
    fs::create_dir(scratch.root.store_mark()).unwrap();
    assert_eq!(again().0.loss().unwrap(), None);
}
