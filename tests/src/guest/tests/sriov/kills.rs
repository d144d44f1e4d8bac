//! Kills at random instants. The instants before system calls, one by one, are in `faults`.

use std::thread::sleep;
use std::time::{Duration, SystemTime};

use serde_json::json;

use super::fake_ipam::FakeIpam;
use super::victim::Victim;
use crate::guest::Test;
use crate::guest::cni::Call;
use crate::guest::pod::Pod;
use crate::guest::transcript::{log, silently};

pub(super) const TESTS: &[Test] = &[("sriov::killed_at_any_instant", killed_at_any_instant)];

/// How often ADD and DEL are killed, with our own IPAM and with a foreign one.
const ROUNDS: [usize; 2] = [140, 60];

fn killed_at_any_instant() {
    let mut random = Random::seeded();
    let mut victim = Victim::new();
    kill_and_look(&victim, ROUNDS[0], &mut random, || {});
    let ipam = FakeIpam::counting("counting");
    victim.config["ipam"] = json!({"type": "counting"});
    kill_and_look(&victim, ROUNDS[1], &mut random, || ipam.assert_balanced());
    no_del_comes(&victim, &mut random);
}

/// An ADD that is killed, a DEL that is killed, and a DEL that is not: all is as before.
fn kill_and_look(victim: &Victim, rounds: usize, random: &mut Random, look: impl Fn()) {
    let (add, del) = durations(victim);
    let mut finished = [0; 2];
    for round in 0..rounds {
        // Some have ended by then, as they should.
        let (add, del) = (random.below(add), random.below(del));
        silently(|| {
            finished[0] += usize::from(killed_after(victim, "ADD", add));
            finished[1] += usize::from(killed_after(victim, "DEL", del));
            victim.call("DEL").run().ok();
            victim.is_home(&format!("round {round}: ADD killed after {add:?}, DEL after {del:?}"));
            look();
        });
    }
    log(format!("of {rounds}, {finished:?} had ended before (ADD takes {add:?}, DEL {del:?})"));
    assert!(finished.iter().all(|ended| *ended < rounds / 2), "most were killed: {finished:?}");
}

/// The runtime tries again for another container, and the killed ADD never gets its DEL.
fn no_del_comes(victim: &Victim, random: &mut Random) {
    let (add, _) = durations(victim);
    for _ in 0..20 {
        let instant = random.below(add);
        silently(|| lose_one(victim, instant));
    }
}

fn lose_one(victim: &Victim, instant: Duration) {
    let lost = Pod::new("lost");
    let lose = |call: Call| call.env("CNI_CONTAINERID", "lost").env("CNI_NETNS", lost.path());
    let running = lose(victim.call("ADD")).into_program().start();
    sleep(instant);
    running.kill();
    let late = lose(victim.call("DEL"));
    drop(lost);
    victim.call("ADD").run().ok();
    victim.is_attached(&format!("an ADD was killed after {instant:?}"));
    late.run().ok();
    victim.is_attached(&format!("the late DEL of an ADD that was killed after {instant:?}"));
    victim.call("DEL").run().ok();
    victim.is_home(&format!("an ADD was killed after {instant:?}"));
}

/// Whether the verb had ended by then.
fn killed_after(victim: &Victim, verb: &str, instant: Duration) -> bool {
    let running = victim.call(verb).into_program().start();
    sleep(instant);
    running.kill().status == 0
}

/// The median of what ADD and DEL take here and now.
fn durations(victim: &Victim) -> (Duration, Duration) {
    let (mut adds, mut dels): (Vec<Duration>, Vec<Duration>) = (0..5)
        .map(|_| {
            let add = victim.call("ADD").run().output.ok().took;
            (add, victim.call("DEL").run().output.ok().took)
        })
        .unzip();
    adds.sort();
    dels.sort();
    (adds[2], dels[2])
}

/// SplitMix64 (Steele, Lea, Flood, "Fast splittable pseudorandom number generators", 2014).
struct Random(u64);

impl Random {
    /// With a seed that is in the transcript.
    fn seeded() -> Self {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("a clock");
        let seed = u64::try_from(now.as_nanos() & u128::from(u64::MAX)).expect("64 bits");
        log(format!("seed {seed}"));
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Any time below `end`.
    fn below(&mut self, end: Duration) -> Duration {
        let micros = u64::try_from(end.as_micros()).expect("no years").max(1);
        Duration::from_micros(self.next() % micros)
    }
}
