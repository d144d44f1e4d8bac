//! Moving a link to another namespace and renaming it, in one request.

use cni::kernel::Errno;
use cni::kernel::link::Moved;
use cni::kernel::netlink::Route;
use cni::kernel::netns::Netns;

use crate::bed::{ip, ip_in, isolated, link, name, other_netns};

#[test]
fn a_link_moves_and_has_its_new_name_at_once() {
    isolated(|| {
        let pod = other_netns();
        ip("link add va type veth peer name vb");
        ip("link property add dev va altname host-name");
        ip("link set va up");
        let mut route = Route::open().unwrap();
        let va = link(&mut route, "va");
        let before = route.requests();
        let moved = route.move_and_rename(va.index, &pod, &name("net1")).unwrap();
        assert!(matches!(moved, Moved::Renamed));
        assert_eq!(route.requests() - before, 1);
        assert_eq!(route.link_by_name(&name("va")).unwrap(), None);
        let net1 = link(&mut Route::open_in(&pod).unwrap(), "net1");
        assert_eq!((net1.mac, net1.mtu, net1.altnames), (va.mac, va.mtu, va.altnames));
        assert!(!net1.up, "a move closes the link");
    });
}

#[test]
fn on_a_name_clash_the_link_has_moved_and_kept_its_name() {
    isolated(|| {
        let pod = other_netns();
        ip_in(&pod, "link add net1 type bridge");
        ip("link add va type veth peer name vb");
        let mut route = Route::open().unwrap();
        let va = link(&mut route, "va").index;
        let Moved::NotRenamed(error) = route.move_and_rename(va, &pod, &name("net1")).unwrap()
        else {
            panic!("net1 is taken");
        };
        assert!(error.is(Errno::EEXIST), "{error}");
        assert_eq!(route.link_by_name(&name("va")).unwrap(), None);
        let mut inside = Route::open_in(&pod).unwrap();
        let va = link(&mut inside, "va");
        assert_eq!(link(&mut inside, "net1").kind.as_deref(), Some("bridge"));

        // And the way back.
        let home = Netns::current().unwrap();
        let moved = inside.move_and_rename(va.index, &home, &name("va")).unwrap();
        assert!(matches!(moved, Moved::Renamed));
        assert_eq!(link(&mut route, "va").mac, va.mac);
    });
}

#[test]
fn what_the_kernel_refuses_before_the_move_has_not_moved() {
    isolated(|| {
        let pod = other_netns();
        // An altname that is taken there, and the loopback device, which never leaves.
        ip_in(&pod, "link add br0 type bridge");
        ip_in(&pod, "link property add dev br0 altname host-name");
        ip("link add va type veth peer name vb");
        ip("link property add dev va altname host-name");
        let mut route = Route::open().unwrap();
        let va = link(&mut route, "va");
        let error = route.move_and_rename(va.index, &pod, &name("net1")).unwrap_err();
        assert!(error.is(Errno::EEXIST), "{error}");
        assert!(error.to_string().starts_with("move va as net1: File exists"), "{error}");
        assert_eq!(link(&mut route, "va"), va);
        let error = route.move_and_rename(1, &pod, &name("net1")).unwrap_err();
        assert!(error.is(Errno::EINVAL), "{error}");
    });
}

#[test]
fn the_index_may_be_another_after_the_move() {
    isolated(|| {
        let pod = other_netns();
        ip("link add va index 77 type veth peer name vb");
        ip_in(&pod, "link add taken index 77 type bridge");
        let mut route = Route::open().unwrap();
        assert!(matches!(route.move_and_rename(77, &pod, &name("net1")).unwrap(), Moved::Renamed));
        let mut inside = Route::open_in(&pod).unwrap();
        assert_ne!(link(&mut inside, "net1").index, 77);
        assert_eq!(link(&mut inside, "taken").index, 77);
    });
}
