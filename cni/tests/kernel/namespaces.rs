//! Namespaces: opening, telling apart, entering and coming back.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use cni::kernel::Errno;
use cni::kernel::netlink::Route;
use cni::kernel::netns::{Netns, enter};
use nix::mount::{MsFlags, mount};
use nix::sys::stat::Mode;

use crate::bed::{ip_in, isolated, other_netns};

fn names() -> Vec<String> {
    Route::open().unwrap().links().unwrap().into_iter().map(|link| link.name).collect()
}

#[test]
fn cookies_tell_namespaces_apart() {
    isolated(|| {
        let (own, pod) = (Netns::current().unwrap(), other_netns());
        let cookies = [own.cookie().unwrap(), pod.cookie().unwrap()];
        assert_ne!(cookies[0], cookies[1]);
        assert_eq!(Route::open().unwrap().netns_cookie().unwrap(), cookies[0]);
        assert_eq!(Route::open_in(&pod).unwrap().netns_cookie().unwrap(), cookies[1]);
        // One after the other may have the same inode number, never the same cookie.
        drop(pod);
        assert!(!cookies.contains(&other_netns().cookie().unwrap()));
    });
}

#[test]
fn the_same_namespace_by_two_ways() {
    isolated(|| {
        let (own, pod) = (Netns::current().unwrap(), other_netns());
        let again = Netns::open(Path::new("/proc/thread-self/ns/net")).unwrap();
        assert!(own.is_same(&again).unwrap());
        assert!(!own.is_same(&pod).unwrap());
        // The process's is its first thread's, which is not this one.
        let process = Netns::open(Path::new("/proc/self/ns/net")).unwrap();
        assert!(!process.is_same(&own).unwrap());
    });
}

#[test]
fn a_bound_namespace_is_opened_by_its_path() {
    isolated(|| {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("pod");
        fs::write(&path, "").unwrap();
        let pod = other_netns();
        enter(&pod, || {
            let own = Some("/proc/thread-self/ns/net");
            mount(own, &path, None::<&str>, MsFlags::MS_BIND, None::<&str>).unwrap();
        })
        .unwrap();
        assert!(Netns::open(&path).unwrap().is_same(&pod).unwrap());
        let cookie = pod.cookie().unwrap();
        ip_in(&pod, "link add net1 type bridge");
        assert_eq!(Route::open_at(&path, cookie).unwrap().links().unwrap().len(), 2);
        assert!(Route::open_at(&path, Netns::current().unwrap().cookie().unwrap()).is_none());
        assert!(Route::open_at(&directory.path().join("nothing"), cookie).is_none());
    });
}

#[test]
fn what_is_not_a_network_namespace_is_refused() {
    isolated(|| {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("file");
        fs::write(&file, "").unwrap();
        let fifo = directory.path().join("fifo");
        nix::unistd::mkfifo(&fifo, Mode::S_IRWXU).unwrap();
        let cases = [
            (directory.path().join("nothing"), Errno::ENOENT, "No such file or directory"),
            (file, Errno::EINVAL, "not a namespace"),
            (fifo, Errno::EINVAL, "not a namespace"),
            (directory.path().to_owned(), Errno::EINVAL, "not a namespace"),
            ("/proc/self/ns/mnt".into(), Errno::EINVAL, "not a network namespace"),
        ];
        for (path, errno, words) in cases {
            let error = Netns::open(&path).unwrap_err();
            assert_eq!(error.errno(), Some(errno), "{error}");
            let text = error.to_string();
            let begin = format!("open network namespace {}: ", path.display());
            assert!(text.starts_with(&begin) && text.contains(words), "{text}");
        }
    });
}

#[test]
fn entering_shows_the_other_namespace_and_comes_back() {
    isolated(|| {
        let pod = other_netns();
        ip_in(&pod, "link add net1 type bridge");
        assert_eq!(enter(&pod, names).unwrap(), ["lo", "net1"]);
        assert_eq!(names(), ["lo"]);
    });
}

#[test]
fn an_error_inside_comes_back() {
    isolated(|| {
        let (own, pod) = (Netns::current().unwrap(), other_netns());
        let error = enter(&pod, || Netns::open(Path::new("/nothing"))).unwrap().unwrap_err();
        assert!(error.is(Errno::ENOENT));
        assert!(Netns::current().unwrap().is_same(&own).unwrap());
    });
}

#[test]
fn a_panic_inside_goes_on_outside() {
    isolated(|| {
        let (own, pod) = (Netns::current().unwrap(), other_netns());
        let visit = || enter(&pod, || panic!("in there"));
        let panic = catch_unwind(AssertUnwindSafe(visit)).unwrap_err();
        assert_eq!(panic.downcast_ref::<&str>(), Some(&"in there"));
        assert!(Netns::current().unwrap().is_same(&own).unwrap());
    });
}

#[test]
fn entering_again_inside() {
    isolated(|| {
        let (one, two) = (other_netns(), other_netns());
        ip_in(&two, "link add net2 type bridge");
        let (inner, after) = enter(&one, || (enter(&two, names).unwrap(), names())).unwrap();
        assert_eq!(
            (inner, after),
            (vec!["lo".to_owned(), "net2".to_owned()], vec!["lo".to_owned()])
        );
    });
}
