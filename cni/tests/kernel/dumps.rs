//! Answers larger than any buffer that one might think enough.

use std::collections::BTreeSet;
use std::io::Write;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use cni::kernel::netlink::Route;
use cni::kernel::netns::{Netns, enter};

use crate::bed::{ip, isolated, link};

fn batch(lines: impl Iterator<Item = String>) {
    let mut child = Command::new("ip").args(["-batch", "-"]).stdin(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    for line in lines {
        writeln!(stdin, "{line}").unwrap();
    }
    drop(stdin);
    assert!(child.wait().unwrap().success());
}

#[test]
fn six_hundred_links() {
    isolated(|| {
        batch((0..300).map(|pair| format!("link add a{pair} type veth peer name b{pair}")));
        let mut route = Route::open().unwrap();
        let links = route.links().unwrap();
        assert_eq!(links.len(), 601);
        assert!(links.is_sorted_by_key(|link| link.index));
        assert_eq!(links.iter().filter(|link| link.kind.as_deref() == Some("veth")).count(), 600);
        // The socket is in order afterwards.
        assert_eq!(link(&mut route, "a299").name, "a299");
    });
}

/// The kernel tells a dump in pieces and marks it when something came or went in between
/// (NLM_F_DUMP_INTR): it is begun again then, and nobody sees a link twice or not at all.
#[test]
fn links_that_stay_are_told_once_while_others_come_and_go() {
    isolated(|| {
        batch((0..150).map(|pair| format!("link add a{pair} type veth peer name b{pair}")));
        let own = Netns::current().unwrap();
        let done = AtomicBool::new(false);
        thread::scope(|scope| {
            scope.spawn(|| {
                enter(&own, || {
                    while !done.load(Ordering::Relaxed) {
                        batch((0..20).map(|number| format!("link add x{number} type bridge")));
                        batch((0..20).map(|number| format!("link del x{number}")));
                    }
                })
                .unwrap();
            });
            let mut route = Route::open().unwrap();
            for _ in 0..30 {
                let links = route.links().unwrap();
                let steady = links.iter().filter(|link| !link.name.starts_with('x'));
                let names: BTreeSet<_> = steady.clone().map(|link| link.name.as_str()).collect();
                assert_eq!((steady.count(), names.len()), (301, 301));
            }
            done.store(true, Ordering::Relaxed);
        });
    });
}

#[test]
fn one_link_that_fills_pages() {
    isolated(|| {
        ip("link add va type veth peer name vb");
        let long = |number| format!("{number:0>120}");
        batch((0..250).map(|number| format!("link property add dev va altname {}", long(number))));
        let mut route = Route::open().unwrap();
        let altnames = link(&mut route, "va").altnames;
        assert_eq!(altnames, (0..250).map(long).collect::<Vec<_>>());
        assert_eq!(route.links().unwrap().len(), 3);
    });
}

#[test]
fn addresses_of_one_link_among_many() {
    isolated(|| {
        ip("link add va type veth peer name vb");
        batch(
            (0..1000)
                .map(|number| format!("addr add 10.0.{}.{}/32 dev va", number / 250, number % 250)),
        );
        batch((0..10).map(|number| format!("addr add 10.1.0.{number}/32 dev vb")));
        let mut route = Route::open().unwrap();
        let [va, vb] = ["va", "vb"].map(|name| link(&mut route, name).index);
        assert_eq!(route.addresses(va).unwrap().len(), 1000);
        assert_eq!(route.addresses(vb).unwrap().len(), 10);
    });
}
