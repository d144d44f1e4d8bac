//! A store that stays open between transactions, while others work on its file or damage it.
//!
//! Only one store is kept by a process, so each test is a process of its own: the test binary runs
//! itself again with `IPAM_KEPT` set.

use std::fs::OpenOptions;
use std::os::fd::BorrowedFd;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::process::Command;

use nix::fcntl::{FcntlArg, FdFlag, fcntl};

use crate::paths::Root;
use crate::specimen::{Scratch, owner};
use crate::store::Store;
use crate::store::file::StoreFile;

const ALONE: &str = "IPAM_KEPT";

/// Runs the test `name`, which is `body`, in a process of its own.
fn alone(name: &str, body: impl FnOnce()) {
    if std::env::var_os(ALONE).is_some() {
        return body();
    }
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", &format!("store::tests::kept::{name}"), "--nocapture"])
        .env(ALONE, "1")
        .output()
        .unwrap();
    let [told, complained] =
        [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text));
    assert!(output.status.success() && told.contains("1 passed"), "{told}{complained}");
}

struct Kept {
    scratch: Scratch,
    store: Store,
}

impl Kept {
    /// A store that is open, with one record.
    fn new() -> Self {
        let scratch = Scratch::new();
        let store = scratch.store.clone().keep_open();
        let kept = Self { scratch, store };
        kept.put("a", 1);
        assert!(kept.is_open());
        kept
    }

    fn put(&self, who: &str, record: u32) {
        self.store.write(|txn| txn.put_attachment(&owner(who), &record)).unwrap();
    }

    fn get(&self, who: &str) -> Option<u32> {
        self.store.read(|txn| txn.attachment(&owner(who))).unwrap()
    }

    fn data(&self) -> PathBuf {
        self.store.directory().join("state.mdb")
    }

    fn is_open(&self) -> bool {
        let open = StoreFile::take_kept(&self.data());
        open.map(StoreFile::keep).is_some()
    }

    /// What the next transaction says is wrong.
    fn damage(&self) -> Option<String> {
        self.store.loss().unwrap().map(|loss| loss.damage)
    }
}

#[test]
fn it_is_open_between_transactions_and_sees_what_others_wrote() {
    alone("it_is_open_between_transactions_and_sees_what_others_wrote", || {
        let kept = Kept::new();
        // Another process, with a map of its own.
        let shell = "IPAM_CHILD=\"$1 other 1 1\" \"$2\" --exact store::tests::processes::child";
        let other = Command::new("sh")
            .args(["-c", shell, "sh"])
            .arg(kept.scratch.root.path())
            .arg(std::env::current_exe().unwrap())
            .env_remove(ALONE)
            .output()
            .unwrap();
        assert!(other.status.success(), "{other:?}");
        assert!(kept.is_open());
        assert_eq!(kept.store.read(|txn| txn.leases()).unwrap().len(), 1);
        kept.put("b", 2);
        assert!(kept.is_open());
        assert_eq!((kept.get("a"), kept.get("b"), kept.damage()), (Some(1), Some(2), None));
    });
}

#[test]
fn no_program_that_is_started_meanwhile_has_its_file() {
    alone("no_program_that_is_started_meanwhile_has_its_file", || {
        let kept = Kept::new();
        let mut open = 0;
        for entry in std::fs::read_dir("/proc/self/fd").unwrap() {
            let entry = entry.unwrap();
            if !std::fs::read_link(entry.path()).is_ok_and(|file| file == kept.data()) {
                continue;
            }
            open += 1;
            let number = entry.file_name().to_str().unwrap().parse().unwrap();
            #[expect(unsafe_code, reason = "a descriptor by its number")]
            // SAFETY: it is open, and nobody closes it here.
            let descriptor = unsafe { BorrowedFd::borrow_raw(number) };
            let flags = FdFlag::from_bits_retain(fcntl(descriptor, FcntlArg::F_GETFD).unwrap());
            assert!(flags.contains(FdFlag::FD_CLOEXEC), "descriptor {number}");
        }
        assert!(open >= 2, "ours and the engine's: {open}");
    });
}

#[test]
fn a_file_that_was_cut_short_meanwhile_is_set_aside() {
    alone("a_file_that_was_cut_short_meanwhile_is_set_aside", || {
        let kept = Kept::new();
        OpenOptions::new().write(true).open(kept.data()).unwrap().set_len(100).unwrap();
        assert_eq!(kept.damage().as_deref(), Some("it ends after 100 bytes, within a meta page"));
        assert_eq!(kept.get("a"), None);
    });
}

#[test]
fn a_file_that_was_written_to_meanwhile_is_looked_at() {
    alone("a_file_that_was_written_to_meanwhile_is_looked_at", || {
        let kept = Kept::new();
        (0..300).for_each(|number| kept.put(&format!("c{number}"), number));
        // All leaves but the one that every transaction reads.
        let file = OpenOptions::new().read(true).write(true).open(kept.data()).unwrap();
        let mut page = [0; 4096];
        for number in 2..200 {
            file.read_exact_at(&mut page, number * 4096).unwrap();
            let has_format = page.windows(10).any(|text| text == b"written_by");
            if page[10] == 2 && !has_format {
                file.write_all_at(&[0; 4096], number * 4096).unwrap();
            }
        }
        assert!(kept.damage().unwrap().ends_with("is not what its tree expects"));
    });
}

#[test]
fn a_file_that_is_gone_or_another_one_is_not_mistaken_for_it() {
    alone("a_file_that_is_gone_or_another_one_is_not_mistaken_for_it", || {
        let kept = Kept::new();
        std::fs::remove_file(kept.data()).unwrap();
        assert_eq!(kept.damage().as_deref(), Some("its file is gone"));

        // A sound store of somebody else's, moved into its place.
        let other = Scratch::new();
        other.write(|txn| txn.put_attachment(&owner("other"), &3));
        assert_eq!(kept.get("a"), None);
        assert!(kept.is_open());
        let moved = kept.data().with_extension("moved");
        std::fs::copy(other.store.directory().join("state.mdb"), &moved).unwrap();
        std::fs::rename(&moved, kept.data()).unwrap();
        assert_eq!(kept.get("other"), Some(3));
    });
}

#[test]
fn a_transaction_that_failed_leaves_nothing_open() {
    alone("a_transaction_that_failed_leaves_nothing_open", || {
        let kept = Kept::new();
        let failed = kept.store.write(|txn| {
            txn.put_attachment(&owner("b"), &2)?;
            Err::<(), _>(crate::store::StoreError::Full {
                path: kept.data(),
                source: std::io::Error::other("no"),
            })
        });
        assert!(failed.is_err() && !kept.is_open());
        assert_eq!((kept.get("a"), kept.get("b")), (Some(1), None));
    });
}

#[test]
fn two_stores_take_turns() {
    alone("two_stores_take_turns", || {
        let (one, other) = (Kept::new(), Kept::new());
        for number in 2..5 {
            one.put("a", number);
            other.put("a", 10 * number);
            assert!(!one.is_open() || !other.is_open());
        }
        assert_eq!((one.get("a"), other.get("a")), (Some(4), Some(40)));
        let again = Store::open(&Root::at(one.scratch.root.path())).unwrap();
        assert_eq!(again.read(|txn| txn.attachment::<u32>(&owner("a"))).unwrap(), Some(4));
    });
}
