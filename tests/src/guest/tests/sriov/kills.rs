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
    let mut windows = durations(victim).map(Window);
    let mut finished = [0; 2];
    for round in 0..rounds {
        let instants = windows.each_ref().map(|window| random.below(window.0));
        silently(|| {
            for (number, verb) in ["ADD", "DEL"].into_iter().enumerate() {
                // Some have ended by then, as they should.
                let ended = killed_after(victim, verb, instants[number]);
                windows[number].learn(instants[number], ended);
                finished[number] += usize::from(ended);
            }
            victim.call("DEL").run().ok();
            victim.is_home(&format!("round {round}: ADD and DEL killed after {instants:?}"));
            look();
        });
    }
    log(format!("of {rounds}, {finished:?} had ended before; at last within {windows:?}"));
    assert!(finished.iter().all(|ended| *ended < rounds / 2), "most were killed: {finished:?}");
}

/// The runtime tries again for another container, and the killed ADD never gets its DEL.
fn no_del_comes(victim: &Victim, random: &mut Random) {
    let [add, _] = durations(victim);
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
fn durations(victim: &Victim) -> [Duration; 2] {
    let (mut adds, mut dels): (Vec<Duration>, Vec<Duration>) = (0..5)
        .map(|_| {
            let add = victim.call("ADD").run().output.ok().took;
            (add, victim.call("DEL").run().output.ok().took)
        })
        .unzip();
    adds.sort();
    dels.sort();
    [adds[2], dels[2]]
}

/// The time within which a verb is killed. It follows what the verb takes: the host is now busy, now idle.
#[derive(Debug)]
struct Window(Duration);

impl Window {
    /// The verb had ended by this instant, or it had not.
    fn learn(&mut self, instant: Duration, ended: bool) {
        // One that ended early because the kill came late says little.
        self.0 = if ended { instant.max(self.0 / 2) } else { self.0 + self.0 / 20 };
    }
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
