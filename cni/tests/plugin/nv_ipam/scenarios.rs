//! Scenarios of docs/ipam.md that are about more than one process, by their number.

use std::fs;
use std::os::unix::fs::symlink;

use nix::errno::Errno;
use nix::mount::{MsFlags, mount};
use serde_json::{Value, json};

use super::at_once::large_block;
use super::store::{held, no_cooldown};
use super::{add, call, two_pools};
use crate::bed::{block, isolated, save};

const CONF_DIR: &str = "/run/conf";

/// A node's file that would block, or never end, or leads elsewhere; names that would be paths.
#[test]
fn scenario_51_what_means_harm_is_refused_with_a_code() {
    isolated(|| {
        block(9);
        fs::create_dir(CONF_DIR).unwrap();
        let file = format!("{CONF_DIR}/nv-ipam.conf");
        let keys = json!({"ipam": {"type": "nv-ipam", "poolName": "blue", "confDir": CONF_DIR}});
        let refused = |code: u16| call("ADD", "c1", keys.clone()).run().error(code);

        fs::create_dir(&file).unwrap();
        assert!(refused(5).contains("not a regular file"));
        fs::remove_dir(&file).unwrap();
        nix::unistd::mkfifo(file.as_str(), nix::sys::stat::Mode::S_IRWXU).unwrap();
        assert!(refused(5).contains("not a regular file"));
        for target in ["/dev/zero", "/run/endless"] {
            fs::File::create("/run/endless").unwrap().set_len(1 << 40).unwrap();
            fs::remove_file(&file).unwrap();
            symlink(target, &file).unwrap();
            assert!(refused(5).starts_with("read "), "{target}");
        }
        fs::remove_file(&file).unwrap();
        fs::write(&file, "[1]").unwrap();
        assert!(refused(7).contains("nv-ipam.conf"));

        for pool in ["../../../etc/passwd", "/etc/passwd", ".", "a\0b"] {
            let ipam = json!({"type": "nv-ipam", "poolName": pool});
            call("ADD", "c1", json!({"ipam": ipam})).run().error(7);
        }
        call("ADD", "../c1", json!({})).run().error(4);
        assert!(held().is_empty());
    });
}

/// One subnet twice: two containers, and one of both pools, never have one address.
#[test]
fn pools_that_overlap_never_give_two_containers_one_address() {
    isolated(|| {
        block(9);
        save(&json!({
            "pool": "ippool/again", "first": "10.77.0.1", "last": "10.77.0.9", "network": "10.77.0.0/24",
        }));
        let of = |pools: &str| json!({"ipam": {"type": "nv-ipam", "poolName": pools}});
        let add = |container: &str, pools: &str| {
            let result = call("ADD", container, of(pools)).run().ok();
            let ips = result["ips"].as_array().unwrap().clone();
            ips.iter().map(|ip| ip["address"].to_string()).collect::<Vec<_>>()
        };
        let mut given = add("c1", "blue");
        given.extend(add("c2", "again"));
        given.extend(add("c3", "blue,again"));
        let distinct: std::collections::BTreeSet<_> = given.iter().collect();
        assert_eq!((given.len(), distinct.len()), (4, 4), "{given:?}");
        call("DEL", "c2", of("again")).run().ok();
        assert_eq!(add("c1", "blue"), given[..1], "asked again, it has what it had");
    });
}

/// By CNI_ARGS, which Multus writes as a list, with prefix lengths that say nothing.
#[test]
fn scenario_54_addresses_of_the_environment_find_their_pools() {
    isolated(|| {
        block(9);
        let two = two_pools();
        let add = |container: &str, args: &str| {
            call("ADD", container, two.clone()).env("CNI_ARGS", args).run()
        };
        let told = |result: Value| {
            let ips = result["ips"].as_array().unwrap().iter();
            ips.map(|ip| ip["address"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
        };
        let both = "IgnoreUnknown=1;K8S_POD_NAME=p;IP=fd00::7/128,10.77.0.7/8";
        assert_eq!(told(add("c1", both).ok()), ["10.77.0.7/24", "fd00::7/64"]);
        // The same once more is the same; another's wish for it is refused, and nothing is held.
        assert_eq!(told(add("c1", both).ok()), ["10.77.0.7/24", "fd00::7/64"]);
        assert!(add("c2", both).error(11).contains("interface net1 of container c1"));
        assert_eq!(told(add("c2", "IP=10.77.0.8").ok()), ["10.77.0.8/24", "fd00::1/64"]);
        assert!(add("c3", "IP=10.77.0").error(4).contains("CNI_ARGS IP: 10.77.0"));
        assert_eq!(held().len(), 2);
    });
}

/// Each ADD is a process of its own: what it goes by is in the store.
#[test]
fn scenario_60_round_robin_goes_on_from_process_to_process() {
    isolated(|| {
        block(5);
        no_cooldown();
        assert_eq!(["a", "b", "c"].map(add), ["10.77.0.2", "10.77.0.3", "10.77.0.4"]);
        for container in ["a", "b"] {
            call("DEL", container, json!({})).run().ok();
        }
        assert_eq!(["d", "e", "f"].map(add), ["10.77.0.5", "10.77.0.2", "10.77.0.3"]);
        call("ADD", "g", json!({})).run().error(11);
    });
}

#[test]
fn scenario_62_a_full_block_stays_full_until_exclusions_shrink() {
    isolated(|| {
        let pool = |excluded: &str| {
            save(&json!({
                "pool": "ippool/blue", "first": "10.77.0.1", "last": "10.77.0.4",
                "network": "10.77.0.0/24", "gateway": "10.77.0.1",
                "exclusions": [{"first": excluded, "last": "10.77.0.4"}],
            }));
        };
        pool("10.77.0.4");
        add("a");
        add("b");
        for _ in 0..2 {
            call("ADD", "c", json!({})).run().error(11);
        }
        // An address in use that is excluded now stays with who has it.
        pool("10.77.0.3");
        assert_eq!(add("b"), "10.77.0.3");
        block(4);
        assert_eq!(add("c"), "10.77.0.4");
    });
}

/// On a file system of its own, since all else in `/run` goes on.
#[test]
fn scenario_73_a_full_and_a_read_only_file_system() {
    isolated(|| {
        large_block();
        let place = "/run/railhead";
        let tmpfs = |flags: MsFlags, options: &str| loop {
            match mount(Some("tmpfs"), place, Some("tmpfs"), flags, Some(options)) {
                // A process that another test forks has what is open here until it calls exec.
                Err(Errno::EBUSY) => std::thread::yield_now(),
                mounted => break mounted.unwrap(),
            }
        };
        fs::create_dir(place).unwrap();
        no_cooldown();
        tmpfs(MsFlags::empty(), "size=600k");
        let mut added = 0;
        let refused = loop {
            let reply = call("ADD", &format!("c{added}"), json!({})).run();
            if reply.status != Some(0) {
                break reply;
            }
            added += 1;
        };
        assert!(refused.error(11).contains("is full: make room"));
        assert!(added > 50, "only {added} fitted");
        assert_eq!(held().len(), added);

        tmpfs(MsFlags::MS_REMOUNT | MsFlags::MS_RDONLY, "");
        for verb in ["ADD", "DEL"] {
            assert!(call(verb, "c0", json!({})).run().error(5).starts_with("open /run/railhead"));
        }
        tmpfs(MsFlags::MS_REMOUNT, "");
        for number in 0..added {
            call("DEL", &format!("c{number}"), json!({})).run().ok();
        }
        assert!(held().is_empty());
        // What is left are rests, which have lasted long enough: they make room.
        add("later");
    });
}
