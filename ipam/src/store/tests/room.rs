//! A full tmpfs refuses an ADD, loses nothing, and does not stand in the way of a DEL.

use std::io::Write;
use std::path::Path;
use std::time::Duration;

use nix::errno::Errno;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};

use crate::allocate::tests::assert_sound;
use crate::allocate::{AllocateError, Wish, allocate};
use crate::paths::Root;
use crate::specimen::{block, identity, owner, second};
use crate::store::{Store, StoreError};

/// Runs `work` with a tmpfs of `size` mounted on a directory that only its own thread sees so.
fn with_tmpfs(size: &str, work: impl FnOnce(&Path) + Send) {
    assert!(nix::unistd::geteuid().is_root(), "this test mounts a tmpfs: run it as root");
    let directory = tempfile::tempdir().unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            unshare(CloneFlags::CLONE_NEWNS).unwrap();
            let none: Option<&str> = None;
            mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none).unwrap();
            let options = Some(format!("size={size}"));
            mount(
                Some("tmpfs"),
                directory.path(),
                Some("tmpfs"),
                MsFlags::empty(),
                options.as_deref(),
            )
            .unwrap();
            work(directory.path());
        });
    });
}

fn add(store: &Store, container: usize) -> Result<(), AllocateError> {
    let block = block("10.0.0.0/16", "10.0.0.1", "10.0.255.254");
    let identity = identity(&format!("c{container}"));
    store.write(|txn| {
        allocate(txn, &block, Wish::Any, &identity, second(0), Duration::ZERO)?;
        Ok(())
    })
}

/// Takes every byte that is left.
fn fill(directory: &Path) {
    let mut file = std::fs::File::create(directory.join("other")).unwrap();
    while file.write_all(&[1; 4096]).is_ok() {}
    while file.write_all(&[1]).is_ok() {}
}

#[test]
fn full_refuses_add_loses_nothing_and_lets_del_pass() {
    with_tmpfs("2m", |directory| {
        let store = Store::open(&Root::at(directory)).unwrap();
        let mut added = 0;
        let refused = loop {
            match add(&store, added) {
                Ok(()) => added += 1,
                Err(error) => break error,
            }
        };
        assert!(matches!(refused, AllocateError::Store(StoreError::Full { .. })), "{refused:?}");
        assert!(refused.to_string().contains("is full: make room"), "{refused}");
        assert!(added > 100, "only {added} fitted");
        fill(directory);

        let sound = |held: usize| {
            store
                .read(|txn| {
                    assert_sound(txn);
                    assert_eq!(txn.leases()?.len(), held);
                    Ok::<_, StoreError>(())
                })
                .unwrap();
        };
        sound(added);
        // An ADD that is only repeated needs no room.
        add(&store, 0).unwrap();
        for container in 0..added {
            let freed = store
                .write(|txn| txn.release(&owner(&format!("c{container}")), second(1)))
                .unwrap_or_else(|error: StoreError| panic!("DEL {container}: {error:?}"));
            assert_eq!(freed.len(), 1);
        }
        sound(0);
        // What DEL freed can be used again, with the file system as full as before.
        add(&store, added).unwrap();
        sound(1);
    });
}

/// All that is left are rests that are over; they take the room of the next allocation.
#[test]
fn rests_that_are_over_make_room() {
    with_tmpfs("600k", |directory| {
        let store = Store::open(&Root::at(directory)).unwrap();
        let added = (0..).take_while(|container| add(&store, *container).is_ok()).count();
        for container in 0..added {
            let owner = owner(&format!("c{container}"));
            store
                .write(|txn| txn.release(&owner, second(1)))
                .map(drop)
                .unwrap_or_else(|error: StoreError| panic!("DEL {container}: {error:?}"));
        }
        let refused = add(&store, added).unwrap_err();
        assert!(matches!(refused, AllocateError::Store(StoreError::Full { .. })), "{refused:?}");
        let free = |at: u64| {
            let rest = Duration::from_secs(30);
            store
                .write(|txn| txn.free_rested_anywhere(second(at), rest))
                .unwrap_or_else(|error: StoreError| panic!("{error:?}"))
        };
        assert_eq!(free(30), 0, "they have not rested yet");
        assert_eq!(
            std::iter::repeat_with(|| free(31)).take_while(|freed| *freed > 0).sum::<usize>(),
            added
        );
        add(&store, added).unwrap();
        store
            .read(|txn| {
                assert_sound(txn);
                Ok::<_, StoreError>(())
            })
            .unwrap();
    });
}

#[test]
fn a_store_that_cannot_be_made_is_made_later() {
    with_tmpfs("64k", |directory| {
        let root = Root::at(directory);
        let store = Store::open(&root).unwrap();
        let refused = store.loss().unwrap_err();
        assert!(matches!(refused, StoreError::Full { .. }), "{refused:?}");
        let grown = Some("size=4m");
        let none: Option<&str> = None;
        mount(none, directory, none, MsFlags::MS_REMOUNT, grown).unwrap();
        assert_eq!(store.loss().unwrap(), None);
        add(&store, 0).unwrap();
    });
}

#[test]
fn a_read_only_file_system_is_an_error_with_a_name() {
    with_tmpfs("4m", |directory| {
        let store = Store::open(&Root::at(directory)).unwrap();
        add(&store, 0).unwrap();
        let none: Option<&str> = None;
        let read_only = MsFlags::MS_REMOUNT | MsFlags::MS_RDONLY;
        // A process that another test forks holds our open files until it calls exec.
        while mount(none, directory, none, read_only, none) == Err(Errno::EBUSY) {
            std::thread::yield_now();
        }
        let refused = add(&store, 1).unwrap_err();
        assert!(refused.to_string().starts_with("open /"), "{refused}");
        mount(none, directory, none, MsFlags::MS_REMOUNT, none).unwrap();
        assert_eq!(store.read(|txn| txn.leases()).unwrap().len(), 1);
    });
}
