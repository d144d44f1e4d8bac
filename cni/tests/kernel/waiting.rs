//! Waiting for the kernel: woken by events, ended by a deadline.

use std::os::fd::AsFd;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use cni::kernel::monitor::{Monitor, Topic};
use cni::kernel::netlink::Route;
use cni::kernel::netns::{Netns, enter};
use cni::kernel::uevent::{Drained, Uevents};
use cni::kernel::{Errno, Error};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::bed::{ip, ip_in, isolated, link, name, other_netns};

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(30)
}

#[test]
fn a_carrier_is_waited_for() {
    isolated(|| {
        ip("link add va type veth peer name vb");
        let mut route = Route::open().unwrap();
        let va = link(&mut route, "va").index;
        route.set_up(va).unwrap();
        let own = Netns::current().unwrap();
        let (looked, first_look) = mpsc::channel();
        let found = thread::scope(|scope| {
            scope.spawn(move || {
                first_look.recv().unwrap();
                ip_in(&own, "link set vb up");
            });
            let mut monitor = Monitor::open(&[Topic::Links]).unwrap();
            monitor.until(soon(), || {
                let link = route.link_by_index(va)?.filter(|link| link.carrier);
                // Nobody listens any more after the first look.
                looked.send(()).unwrap_or_default();
                Ok(link)
            })
        });
        assert_eq!(found.unwrap().unwrap().index, va);
    });
}

#[test]
fn a_deadline_ends_the_wait() {
    isolated(|| {
        let mut monitor = Monitor::open(&[Topic::Links]).unwrap();
        let mut looks = 0;
        let look = || -> Result<Option<()>, Error> {
            looks += 1;
            Ok(None)
        };
        let deadline = Instant::now() + Duration::from_millis(20);
        assert_eq!(monitor.until(deadline, look).unwrap(), None);
        assert!(Instant::now() >= deadline);
        assert_eq!(looks, 1, "nothing happened: no reason to look again");
    });
}

#[test]
fn what_is_so_already_is_found_after_the_deadline() {
    isolated(|| {
        let mut monitor = Monitor::open(&[Topic::Links]).unwrap();
        assert_eq!(monitor.until(Instant::now(), || Ok(Some(1))).unwrap(), Some(1));
    });
}

#[test]
fn an_error_ends_the_wait() {
    isolated(|| {
        let mut monitor = Monitor::open(&[Topic::Links]).unwrap();
        let mut route = Route::open().unwrap();
        let outcome = monitor.until(soon(), || route.set_up(9999).map(Some));
        assert!(outcome.unwrap_err().is(Errno::ENODEV));
    });
}

#[test]
fn each_topic_is_heard_in_its_namespace_only() {
    isolated(|| {
        let pod = other_netns();
        ip("link add va type veth peer name vb");
        ip("link set va up");
        ip("link set vb up");
        let topics = [
            (Topic::Links, "link set va mtu 1400"),
            (Topic::Addresses, "addr add 10.1.0.2/24 dev va"),
            (Topic::Addresses, "addr add 2001:db8::2/64 dev va nodad"),
            (Topic::Routes, "route add 10.9.0.0/16 dev va"),
            (Topic::Routes, "-6 route add 2001:db8:9::/48 dev va"),
        ];
        for (topic, words) in topics {
            let mut here = Monitor::open(&[topic]).unwrap();
            let mut there = Monitor::open_in(&pod, &[topic]).unwrap();
            ip(words);
            // Waited for: of an IPv6 address the kernel tells from a work queue.
            let mut looks = 0;
            let heard = here.until(soon(), || {
                looks += 1;
                Ok((looks == 2).then_some(()))
            });
            assert_eq!(heard.unwrap(), Some(()), "{words}");
            assert!(!there.drain().unwrap(), "{words}");
        }
    });
}

#[test]
fn lost_events_are_a_reason_to_look() {
    isolated(|| {
        ip("link add va type veth peer name vb");
        let mut route = Route::open().unwrap();
        let va = link(&mut route, "va").index;
        let mut monitor = Monitor::open(&[Topic::Links]).unwrap();
        // More than its receive buffer holds.
        for number in 0..2000 {
            route.rename(va, &name(&format!("n{number}"))).unwrap();
        }
        let mut looks = 0;
        let found = monitor.until(soon(), || {
            looks += 1;
            Ok((looks == 2).then_some(()))
        });
        assert_eq!(found.unwrap(), Some(()));
        assert!(!monitor.drain().unwrap());
    });
}

#[test]
fn an_event_makes_the_descriptor_readable() {
    isolated(|| {
        let mut monitor = Monitor::open(&[Topic::Links]).unwrap();
        let readable = |monitor: &Monitor| {
            let mut watched = [PollFd::new(monitor.as_fd(), PollFlags::POLLIN)];
            poll(&mut watched, PollTimeout::ZERO).unwrap() == 1
        };
        assert!(!readable(&monitor));
        ip("link add br0 type bridge");
        assert!(readable(&monitor));
        assert!(monitor.drain().unwrap());
        assert!(!readable(&monitor));
    });
}

#[test]
fn a_socket_stays_in_its_namespace() {
    isolated(|| {
        let pod = other_netns();
        let mut inside = Route::open_in(&pod).unwrap();
        ip_in(&pod, "link add net1 type bridge");
        let elsewhere = other_netns();
        let found = enter(&elsewhere, || inside.link_by_name(&name("net1"))).unwrap();
        assert!(found.unwrap().is_some());
    });
}

#[test]
fn devices_are_announced() {
    isolated(|| {
        let mut uevents = Uevents::open().unwrap();
        assert_eq!(uevents.drain().unwrap(), Drained::default());
        ip("link add br0 type bridge");
        let announced = uevents.wait(soon()).unwrap();
        assert!(!announced.lost);
        let event = announced.events.iter().find(|event| event.action == "add").unwrap();
        assert_eq!(event.devpath, "/devices/virtual/net/br0");
        assert_eq!(event.subsystem, "net");
        assert_eq!(event.properties["INTERFACE"], "br0");
        assert_eq!(uevents.wait(Instant::now()).unwrap(), Drained::default());
    });
}

#[test]
fn lost_device_events_are_said_to_be_lost() {
    isolated(|| {
        let mut uevents = Uevents::open().unwrap();
        ip("link add br0 type bridge");
        for _ in 0..2000 {
            std::fs::write("/sys/class/net/br0/uevent", "change").unwrap();
        }
        let drained = uevents.drain().unwrap();
        assert!(drained.lost && !drained.events.is_empty());
    });
}
