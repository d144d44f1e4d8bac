//! Leases against what lives: containers that are gone without a DEL, and a store that somebody damaged.

use std::collections::BTreeMap;
use std::fs;
use std::time::{Instant, SystemTime};

use serde_json::{Value, json};

use crate::guest::cni::Call;
use crate::guest::pod::Pod;
use crate::guest::program::{Program, run};
use crate::guest::railhead::{object, railhead, remove_object, settings};
use crate::guest::trace::Trace;
use crate::guest::user::{HOME, who_covers_a_namespace};
use crate::guest::wait::wait_for;
use crate::guest::{Test, hand};

pub(super) const TESTS: &[Test] = &[
    ("ipam::the_dead_give_back_and_the_living_keep", the_dead_give_back_and_the_living_keep),
    ("ipam::a_full_block_of_the_dead_gives_out", a_full_block_of_the_dead_gives_out),
    ("ipam::a_damaged_store_is_made_good", a_damaged_store_is_made_good),
    ("ipam::a_user_who_covers_a_namespace_stops_nobody", a_user_who_covers_a_namespace),
    ("ipam::no_clock_that_is_set_matters", no_clock_that_is_set_matters),
    ("ipam::a_block_is_synced_before_it_counts", a_block_is_synced_before_it_counts),
    ("ipam::a_cut_while_blocks_are_written", a_cut_while_blocks_are_written),
];

/// The pool `blue`, of which this node has `.1` to `.6`, the first being the gateway.
fn pool() {
    object(
        "blue.yaml",
        "apiVersion: nv-ipam.nvidia.com/v1alpha1
kind: IPPool
metadata: {name: blue}
spec: {subnet: 10.77.0.0/29, perNodeBlockSize: 6, gateway: 10.77.0.1}
",
    );
    railhead("apply").ok();
}

fn config() -> Value {
    let ipam = json!({"type": "nv-ipam", "poolName": "blue"});
    json!({"cniVersion": "1.0.0", "name": "blue", "type": "macvlan", "ipam": ipam})
}

fn add(container: &str, pod: &Pod) -> Call {
    Call::add("nv-ipam", container, pod, &config())
}

fn address(result: &Value) -> String {
    result["ips"][0]["address"].as_str().expect("an address").to_owned()
}

/// What a plugin that delegates to nv-ipam does with the address.
fn attach(container: &str, pod: &Pod) -> String {
    let address = address(&add(container, pod).run().ok());
    pod.run("ip link add net1 up type dummy").ok();
    pod.run(&format!("ip addr add {address} dev net1")).ok();
    address
}

/// The containers that hold a lease, sorted.
fn holders() -> Vec<String> {
    let shown = railhead("ipam -o json").ok().json();
    let leases = shown["leases"].as_array().expect("leases").iter();
    let mut holders: Vec<String> =
        leases.map(|lease| lease["container"].as_str().expect("text").to_owned()).collect();
    holders.sort();
    holders
}

/// Held by a process or an open file, a namespace lives although its name is gone.
fn the_dead_give_back_and_the_living_keep() {
    pool();
    let pods = ["process", "file", "gone"].map(|name| {
        let pod = Pod::new(name);
        attach(name, &pod);
        pod
    });
    railhead("ipam verify").ok();
    let process = pods[0].program("sleep 1000").start();
    let file = Program::new("sleep 1000").after("exec 9</run/netns/file").start();
    let has_file = || fs::read_link(format!("/proc/{}/fd/9", file.pid())).is_ok();
    wait_for("the file to be open", || has_file().then_some(()));
    let inside = format!("/proc/{}/ns/net", process.pid());
    let host = fs::read_link("/proc/self/ns/net").expect("our namespace");
    let is_inside = || fs::read_link(&inside).is_ok_and(|netns| netns != host);
    wait_for("a process inside", || is_inside().then_some(()));

    for pod in &pods {
        run(&format!("ip netns del {}", pod.name())).ok();
    }
    railhead("apply").ok();
    assert_eq!(holders(), ["file", "process"]);
    railhead("ipam verify").ok();

    drop((process, file));
    railhead("apply").ok();
    assert!(holders().is_empty(), "{:?}", holders());
}

/// Scenario 63: no DEL came for them, and no daemon runs. The ADD that finds nothing free collects.
fn a_full_block_of_the_dead_gives_out() {
    pool();
    let (alive, dead) = (Pod::new("alive"), Pod::new("dead"));
    let lives = address(&add("lives", &alive).run().ok());
    for number in 0..4 {
        add(&format!("dead-{number}"), &dead).run().ok();
    }
    add("new", &alive).run().error(11);
    drop(dead);
    let given = address(&add("new", &alive).run().ok());
    assert_ne!(given, lives);
    assert_eq!(holders(), ["lives", "new"]);
}

/// Scenario 84: the wall clock jumps back and forth under leases, rests and a block whose pool is gone. What they
/// are counted on goes on as before.
fn no_clock_that_is_set_matters() {
    settings("cooldownSeconds: 600\n");
    pool();
    let pod = Pod::new("pod");
    let add = |container: &str| address(&add(container, &pod).run().ok());
    let del = |container: &str| Call::del("nv-ipam", container, &pod, &config()).run().ok();
    let clock = Clock::new();
    let (kept, freed) = (add("kept"), add("a"));
    for (days, resting) in [(-3, 1), (7, 4), (0, 4)] {
        del("a");
        clock.set(days);
        // It rests, however long ago that was or is yet to be by the clock; the one that rested least comes last.
        let pools = railhead("ipam -o json").ok().json();
        assert_eq!(pools["pools"][0]["cooling"], resting);
        let given = ["b", "c", "d"].map(add);
        assert!(!given.contains(&freed), "{freed} rests and was given out: {given:?}");
        assert_eq!(add("a"), freed);
        assert!(ages()["kept"] < 600, "{:?}", ages());
        ["b", "c", "d"].iter().for_each(|container| drop(del(container)));
        assert_eq!(add("kept"), kept);
        railhead("ipam verify").ok();
    }
    // A pool that is gone has 300 s of grace, and not by this clock.
    remove_object("blue.yaml");
    railhead("apply").ok();
    clock.set(7);
    railhead("apply").ok();
    add("in-the-grace");
}

/// The wall clock, which is right again when this is dropped.
struct Clock {
    started: (Instant, SystemTime),
}

impl Clock {
    fn new() -> Self {
        Self { started: (Instant::now(), SystemTime::now()) }
    }

    /// Sets it so many days ahead of what is right.
    fn set(&self, days: i64) {
        let right = self.started.1 + self.started.0.elapsed();
        let seconds = right.duration_since(SystemTime::UNIX_EPOCH).expect("after 1970").as_secs();
        let seconds = seconds.checked_add_signed(days * 24 * 3600).expect("after 1970");
        run(&format!("date -s @{seconds}")).ok();
    }
}

impl Drop for Clock {
    fn drop(&mut self) {
        self.set(0);
    }
}

/// How long each lease is held, in seconds.
fn ages() -> BTreeMap<String, u64> {
    let shown = railhead("ipam -o json").ok().json();
    let leases = shown["leases"].as_array().expect("leases").iter();
    leases
        .map(|lease| {
            let container = lease["container"].as_str().expect("text").to_owned();
            (container, lease["ageSeconds"].as_u64().expect("seconds"))
        })
        .collect()
}

fn a_damaged_store_is_made_good() {
    pool();
    made_good("set aside as", || {
        fs::write("/run/railhead/store/state.mdb", "damaged").expect("damage the store");
    });
    // Nothing is left of it, not even its lock; it is no first use all the same.
    made_good("it was removed", || {
        fs::remove_dir_all("/run/railhead").expect("remove what /run holds");
    });
}

fn made_good(words: &str, harm: impl Fn()) {
    let (one, two, three) = (Pod::new("one"), Pod::new("two"), Pod::new("three"));
    let held = [attach("one", &one), attach("two", &two)];
    harm();

    // An attachment that was under way gets its time; nothing is given out meanwhile.
    let told = add("three", &three).run().error(11);
    let told = told["msg"].as_str().expect("a message");
    assert!(told.contains(words) && told.contains("to finish"), "{told}");
    let findings = railhead("ipam verify -o json");
    assert_eq!(
        (findings.status, findings.json()["findings"][0]["reason"].clone()),
        (1, json!("NoLease"))
    );

    let given = wait_for("an address", || {
        let reply = add("three", &three).run();
        (reply.output.status == 0).then(|| address(&reply.document))
    });
    assert!(!held.contains(&given), "{given} is in use: {held:?}");
    assert_eq!(holders().len(), 3);
    railhead("ipam verify").ok();

    // The interface finds its own again, and nothing is left of it after its DEL.
    assert_eq!(address(&add("one", &one).run().ok()), held[0]);
    one.run("ip link del net1").ok();
    Call::del("nv-ipam", "one", &one, &config()).run().ok();
    // A DEL needs no ADD before it, only its namespace; and what never gets one goes with it.
    two.run("ip link del net1").ok();
    Call::del("nv-ipam", "two", &two, &config()).run().ok();
    assert_eq!(holders(), ["three"]);
    drop(three);
    railhead("apply").ok();
    assert!(holders().is_empty());
}

/// To verify, to collect and to recover takes a look at every namespace that lives: a user hides one of theirs, and
/// nobody is kept from anything by that.
fn a_user_who_covers_a_namespace() {
    pool();
    let user = who_covers_a_namespace();
    let (one, dead, next) = (Pod::new("one"), Pod::new("dead"), Pod::new("next"));
    let held = attach("one", &one);
    attach("dead", &dead);
    railhead("ipam verify").ok();
    drop(dead);
    let found = railhead("ipam verify -o json").failed_with(1).json();
    assert_eq!(found["findings"].as_array().map(Vec::len), Some(1), "{found}");
    railhead("apply").ok();
    assert_eq!(holders(), ["one"], "what the dead held is given back");

    fs::write("/run/railhead/store/state.mdb", "damaged").expect("damage the store");
    let given = wait_for("an address", || {
        let reply = add("next", &next).run();
        (reply.output.status == 0).then(|| address(&reply.document))
    });
    assert_ne!(given, held);
    assert_eq!(holders().len(), 2, "that of the living was leased again");
    drop(user);
    fs::remove_dir_all(HOME).expect("remove a directory");
    one.run("ip link del net1").ok();
}

/// How the daemon puts a block on disk, a new one and an edited one: a cut at any of these calls leaves the one before or
/// the one after (`ipam/tests/power_cut` tries all).
fn a_block_is_synced_before_it_counts() {
    let writes = |name: &str| -> Vec<String> {
        let trace = Trace::new(name).only("write,rename,link,unlink,fsync,fdatasync");
        let trace = trace.naming_descriptors();
        Program::new("railhead apply").under(&trace.command()).run().ok();
        let of_blocks = trace.lines().into_iter().filter(|line| line.contains("/blocks/ippool"));
        of_blocks.map(|line| what_it_writes(&line)).collect()
    };
    let replaced = ["write temporary", "fsync temporary", "rename temporary", "fsync directory"];
    for gateway in [1, 2] {
        pools(1, gateway);
        assert_eq!(writes("written"), replaced);
        assert!(writes("same").is_empty());
    }
}

/// A line about a block's file: the call, and what it is about.
fn what_it_writes(line: &str) -> String {
    let (call, rest) = line.split_once('(').expect("a call");
    let what = if rest.contains("/ippool/.") {
        "temporary"
    } else if rest.contains("/blocks/ippool>") {
        "directory"
    } else {
        "the file itself"
    };
    format!("{call} {what}")
}

/// So many pools of a /24 each, whose gateway is that host of it.
fn pools(count: usize, gateway: u8) {
    let pool = |number: usize| {
        format!(
            "apiVersion: nv-ipam.nvidia.com/v1alpha1
kind: IPPool
metadata: {{name: p{number}}}
spec: {{subnet: 10.{number}.0.0/24, perNodeBlockSize: 100, gateway: 10.{number}.0.{gateway}}}
"
        )
    };
    let pools: Vec<String> = (0..count).map(pool).collect();
    object("pools.yaml", &pools.join("---\n"));
}

/// Each block is the one before or the one after, whole, and an apply brings all to what is written.
fn a_cut_while_blocks_are_written() {
    const POOLS: usize = 60;
    let gateways = || -> Vec<String> {
        let block = |number: usize| {
            let text =
                fs::read_to_string(format!("/var/lib/railhead/blocks/ippool/p{number}.json"));
            let block: Value = serde_json::from_str(&text.expect("a block")).expect("whole JSON");
            assert_eq!(block["range"]["last"], format!("10.{number}.0.100"));
            block["gateway"].as_str().expect("a gateway").to_owned()
        };
        (0..POOLS).map(block).collect()
    };
    let edited = || gateways().iter().filter(|gateway| gateway.ends_with(".2")).count();
    if hand::note::<usize>().is_none() {
        pools(POOLS, 1);
        railhead("apply").ok();
        assert_eq!(edited(), 0);
        pools(POOLS, 2);
        run("sync").ok();
        let _applying = Program::new("railhead apply").start();
        wait_for("some blocks to be edited", || (edited() >= POOLS / 4).then_some(()));
        hand::cut(&edited())
    }
    let before: usize = hand::note().expect("a note");
    // Whoever has read a file sees it renamed already, and its directory not yet synced.
    assert!(edited() + 1 >= before, "{} are left of {before}", edited());
    railhead("apply").ok();
    assert_eq!(edited(), POOLS);
    let pod = Pod::new("pod");
    let ipam = json!({"type": "nv-ipam", "poolName": "p7"});
    let config = json!({"cniVersion": "1.0.0", "name": "p7", "type": "macvlan", "ipam": ipam});
    assert_eq!(address(&Call::add("nv-ipam", "c1", &pod, &config).run().ok()), "10.7.0.1/24");
}
