//! A store that was lost, and addresses that still stand on interfaces.

use super::*;
use crate::allocate::tests::assert_sound;
use crate::allocate::{Grant, Source, Wish, allocate};
use crate::specimen::{Scratch, block, identity, ip, owner, second};

const COOKIE: u64 = 77;

/// A node whose store is lost.
fn lost() -> (Scratch, Loss) {
    let scratch = Scratch::new();
    std::fs::remove_file(scratch.store.directory().join("state.mdb")).unwrap();
    let loss = scratch.store.loss().unwrap().unwrap();
    (scratch, loss)
}

fn seen(address: &str, ifname: Option<&str>, netns_cookie: u64) -> Sighting {
    Sighting {
        address: ip(address),
        ifname: ifname.map(|name| name.parse().unwrap()),
        netns_cookie,
        netns: "/run/netns/pod".into(),
    }
}

fn blocks() -> Vec<NodeBlock> {
    let q = NodeBlock {
        pool: "cidrpool/q".parse().unwrap(),
        ..block("10.0.0.0/24", "10.0.0.3", "10.0.0.9")
    };
    vec![block("10.0.0.0/24", "10.0.0.1", "10.0.0.4"), q]
}

fn recover(scratch: &Scratch, loss: &Loss, seen: &[Sighting]) -> Option<usize> {
    let recovered = scratch.write(|txn| txn.recover(loss, &blocks(), seen, second(20)));
    scratch.read(|txn| {
        assert_sound(txn);
        Ok(())
    });
    recovered
}

fn add(scratch: &Scratch, container: &str, cookie: Option<u64>) -> Grant {
    add_of(scratch, &blocks()[0], container, cookie)
}

fn add_of(scratch: &Scratch, block: &NodeBlock, container: &str, cookie: Option<u64>) -> Grant {
    let identity = Identity { netns_cookie: cookie, ..identity(container) };
    let grant = scratch
        .store
        .write(|txn| allocate(txn, block, Wish::Any, &identity, second(30), Duration::ZERO));
    grant.unwrap_or_else(|error: crate::allocate::AllocateError| panic!("{error:?}"))
}

fn taken(scratch: &Scratch) -> Vec<String> {
    let leases = scratch.read(|txn| txn.leases());
    leases.iter().map(|lease| format!("{} {}", lease.pool, lease.address)).collect()
}

#[test]
fn what_stands_on_interfaces_is_leased_in_every_pool_that_may_have_given_it() {
    let (scratch, loss) = lost();
    let seen = [
        seen("10.0.0.2", Some("net1"), COOKIE),
        seen("10.0.0.3", Some("net1"), COOKIE),
        seen("10.0.0.2", Some("net1"), COOKIE + 1),
        seen("10.0.0.9", None, COOKIE),
        seen("192.168.1.1", Some("eth0"), COOKIE),
    ];
    assert_eq!(recover(&scratch, &loss, &seen), Some(4));
    assert_eq!(
        taken(&scratch),
        ["ippool/p 10.0.0.2", "ippool/p 10.0.0.3", "cidrpool/q 10.0.0.3", "cidrpool/q 10.0.0.9"]
    );
    assert_eq!(scratch.store.loss().unwrap(), None);
    // Nobody else gets one of them.
    assert_eq!(add(&scratch, "a", None).address, ip("10.0.0.1"));
    assert_eq!(add(&scratch, "b", None).address, ip("10.0.0.4"));
}

#[test]
fn a_loss_is_made_good_once_and_only_the_one_that_was_looked_at() {
    let (scratch, loss) = lost();
    let other = Loss { damage: "another".to_owned(), ..loss.clone() };
    assert_eq!(recover(&scratch, &other, &[]), None);
    assert_eq!(scratch.store.loss().unwrap().as_ref(), Some(&loss));
    assert_eq!(recover(&scratch, &loss, &[]), Some(0));
    assert_eq!(recover(&scratch, &loss, &[seen("10.0.0.2", None, COOKIE)]), None);
    assert!(taken(&scratch).is_empty());
}

#[test]
fn the_interface_finds_its_address_again_and_del_gives_it_back() {
    let (scratch, loss) = lost();
    let seen = [
        seen("10.0.0.2", Some("net1"), COOKIE),
        seen("10.0.0.3", Some("net1"), COOKIE),
        seen("10.0.0.4", Some("net2"), COOKIE),
    ];
    recover(&scratch, &loss, &seen);
    // A repeated ADD with the namespace of the sighting; another's gets another one.
    let again = add(&scratch, "a", Some(COOKIE));
    assert_eq!((again.address, again.source), (ip("10.0.0.2"), Source::Held));
    let own = scratch.read(|txn| txn.leases_of(&owner("a"))).remove(0);
    assert!(!own.recovered && own.network.as_str() == "net-a");
    assert_eq!(add(&scratch, "b", Some(COOKIE + 1)).address, ip("10.0.0.1"));
    // GC of whatever network leaves alone what it cannot know.
    let network = "recovered".parse().unwrap();
    assert!(scratch.write(|txn| txn.release_stale(&network, &[].into(), second(40))).is_empty());

    let del = |container: &str, cookie| {
        scratch
            .write(|txn| crate::nv_ipam::release(txn, &owner(container), Some(cookie), second(50)))
    };
    // 10.0.0.2, and 10.0.0.3 in both pools; not what net2 has.
    assert_eq!(del("a", COOKIE), 3);
    assert_eq!(del("a", COOKIE), 0);
    assert_eq!(taken(&scratch), ["ippool/p 10.0.0.1", "ippool/p 10.0.0.4", "cidrpool/q 10.0.0.4"]);
}

/// Two pools may have given the same address: what is taken over of one is of that one.
#[test]
fn of_one_address_in_two_pools_each_add_takes_over_its_own() {
    let (scratch, loss) = lost();
    recover(&scratch, &loss, &[seen("10.0.0.3", Some("net1"), COOKIE)]);
    let own = || -> Vec<String> {
        let leases = scratch.read(|txn| txn.leases_of(&owner("a")));
        leases.iter().map(|lease| format!("{} {}", lease.pool, lease.address)).collect()
    };
    let [p, q] = &blocks()[..] else { panic!("two blocks") };
    for (block, held) in
        [(q, &["cidrpool/q 10.0.0.3"][..]), (p, &["ippool/p 10.0.0.3", "cidrpool/q 10.0.0.3"])]
    {
        let grant = add_of(&scratch, block, "a", Some(COOKIE));
        assert_eq!((grant.address, grant.source), (ip("10.0.0.3"), Source::Held));
        assert_eq!(own(), held);
    }
}

#[test]
fn what_dead_namespaces_held_is_given_back_and_recorded_attachments_are_not_touched() {
    let (scratch, loss) = lost();
    recover(&scratch, &loss, &[seen("10.0.0.2", Some("net1"), COOKIE)]);
    add(&scratch, "dead", Some(5));
    add(&scratch, "living", Some(6));
    let dead = |cookies: &[u64]| {
        let cookies = cookies.iter().copied().collect();
        scratch.write(|txn| txn.release_dead(&cookies, second(60))).len()
    };
    assert_eq!(dead(&[1, 2]), 0);
    scratch.write(|txn| txn.put_attachment(&owner("dead"), &1));
    assert_eq!(dead(&[5]), 0, "its VF goes with it");
    scratch.write(|txn| txn.remove_attachment(&owner("dead")));
    assert_eq!(dead(&[5, COOKIE]), 2);
    assert_eq!(taken(&scratch), ["ippool/p 10.0.0.3"]);
    scratch.read(|txn| {
        assert_sound(txn);
        Ok(())
    });
}
