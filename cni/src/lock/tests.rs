use std::thread;

use ipam::AttachmentKey;

use super::*;

fn vf() -> PciAddress {
    "0000:01:10.0".parse().unwrap()
}

fn key(container: &str) -> AttachmentKey {
    AttachmentKey { container: container.parse().unwrap(), ifname: "net1".parse().unwrap() }
}

fn take(root: &Root, purpose: Purpose, patience: Patience) -> Result<VfLock, LockError> {
    VfLock::take(root, vf(), purpose, patience)
}

#[test]
fn the_holder_is_named_while_it_holds() {
    let directory = tempfile::tempdir().unwrap();
    let root = Root::at(directory.path());
    assert_eq!(holder(&root, vf()).unwrap(), None);
    let held = take(&root, Purpose::Attach(key("a")), Patience::None).unwrap();
    let found = holder(&root, vf()).unwrap().unwrap();
    assert_eq!(found.pid, std::process::id());
    assert_eq!(found.purpose, Some(Purpose::Attach(key("a"))));
    let refused = take(&root, Purpose::Release(key("b")), Patience::None).unwrap_err();
    assert_eq!(
        refused.to_string(),
        format!(
            "lock VF 0000:01:10.0: it is held by process {} (ADD of interface net1 of container a)",
            std::process::id()
        )
    );
    assert_eq!(Error::from(refused).code, Code::TryAgainLater);
    drop(held);
    assert_eq!(holder(&root, vf()).unwrap(), None);
}

#[test]
fn nobody_waits_for_an_add_that_takes_the_vf() {
    let directory = tempfile::tempdir().unwrap();
    let root = Root::at(directory.path());
    let _held = take(&root, Purpose::Attach(key("a")), Patience::None).unwrap();
    // An hour: the test would not end if it waited.
    let patience = Patience::WaitUnlessAttaching(Duration::from_secs(3600));
    assert!(take(&root, Purpose::Attach(key("b")), patience).is_err());
}

/// The lock may go from a step of the daemon to an ADD while somebody waits for it.
#[test]
fn nobody_goes_on_waiting_for_an_add() {
    let directory = tempfile::tempdir().unwrap();
    let root = Root::at(directory.path());
    let held = take(&root, Purpose::Step("set MTU".to_owned()), Patience::None).unwrap();
    thread::scope(|scope| {
        let waiting = scope.spawn(|| {
            let patience = Patience::WaitUnlessAttaching(Duration::from_secs(3600));
            take(&root, Purpose::Attach(key("b")), patience)
        });
        Holder { pid: 7, purpose: Some(Purpose::Attach(key("a"))) }.write(&held.file);
        let Err(LockError::Held { holder, .. }) = waiting.join().unwrap() else { panic!("held") };
        assert_eq!(holder.to_string(), "process 7 (ADD of interface net1 of container a)");
    });
}

#[test]
fn a_lock_that_is_given_back_goes_to_who_waits() {
    let directory = tempfile::tempdir().unwrap();
    let root = Root::at(directory.path());
    let held = take(&root, Purpose::Release(key("a")), Patience::None).unwrap();
    let waiting = {
        let patience = Patience::WaitUnlessAttaching(Duration::from_secs(3600));
        thread::spawn(move || take(&root, Purpose::Attach(key("b")), patience).map(drop))
    };
    drop(held);
    waiting.join().unwrap().unwrap();
}

#[test]
fn who_waited_in_vain_does_not_get_the_lock_later() {
    let directory = tempfile::tempdir().unwrap();
    let root = Root::at(directory.path());
    let held = take(&root, Purpose::Release(key("a")), Patience::None).unwrap();
    let patience = Patience::Wait(Duration::from_millis(1));
    assert!(take(&root, Purpose::Attach(key("b")), patience).is_err());
    drop(held);
    take(&root, Purpose::Attach(key("c")), Patience::Wait(Duration::from_secs(3600))).unwrap();
}

#[test]
fn only_a_regular_file_is_a_lock() {
    let directory = tempfile::tempdir().unwrap();
    let root = Root::at(directory.path());
    std::fs::create_dir_all(root.vf_locks()).unwrap();
    let (other, lock) = (directory.path().join("other"), path(&root, vf()));
    std::fs::write(&other, "theirs").unwrap();
    std::os::unix::fs::symlink(&other, &lock).unwrap();
    assert!(take(&root, Purpose::Attach(key("a")), Patience::None).is_err());
    assert!(holder(&root, vf()).is_err());
    assert_eq!(std::fs::read_to_string(&other).unwrap(), "theirs");
    std::fs::remove_file(&lock).unwrap();
    nix::unistd::mkfifo(&lock, nix::sys::stat::Mode::S_IRWXU).unwrap();
    assert!(take(&root, Purpose::Attach(key("a")), Patience::None).is_err());
    assert!(holder(&root, vf()).is_err());
}

#[test]
fn what_stands_in_the_file_is_not_trusted() {
    let directory = tempfile::tempdir().unwrap();
    let root = Root::at(directory.path());
    let held = take(&root, Purpose::Step("set MTU".to_owned()), Patience::None).unwrap();
    std::fs::write(path(&root, vf()), [0xff; 10_000]).unwrap();
    assert_eq!(holder(&root, vf()).unwrap().unwrap().to_string(), "another process");
    drop(held);
}
