//! Failures and kills at every step, from outside: strace lets the n-th call of a kind fail, or kills the process there.

use serde_json::{Value, json};

use super::{Bed, assert_forgotten};
use crate::guest::Test;
use crate::guest::cni::{Call, Reply};
use crate::guest::pod::Pod;
use crate::guest::trace::Trace;
use crate::guest::transcript::log;
use crate::guest::vf_state::{VfState, assert_unchanged};

pub(super) const TESTS: &[Test] = &[
    ("sriov::a_request_that_fails_is_undone", a_request_that_fails_is_undone),
    ("sriov::a_killed_add_is_undone_by_del", a_killed_add_is_undone_by_del),
    ("sriov::a_killed_del_is_finished_by_del", a_killed_del_is_finished_by_del),
];

/// Where a verb can be stopped: before each netlink request, each lock and each write.
const STOPS: [&str; 3] = ["sendto", "flock", "pwrite64"];

struct Victim {
    bed: Bed,
    pod: Pod,
    config: Value,
    before: VfState,
}

impl Victim {
    #[track_caller]
    fn new() -> Self {
        let bed = Bed::new(1);
        let keys = json!({
            "vlan": 100, "trust": "on", "spoofchk": "off", "mac": "02:11:22:33:44:55", "mtu": 2000,
        });
        let config = bed.config(0, keys);
        let before = VfState::of(&bed.vfs[0]);
        Self { bed, pod: Pod::new("pod1"), config, before }
    }

    fn call(&self, verb: &str) -> Call {
        Call::new("sriov", verb, "c1", &self.config).env("CNI_NETNS", self.pod.path())
    }

    /// How often a verb makes a system call.
    fn count(&self, verb: &str, name: &str) -> usize {
        let trace = Trace::new("count").only(name);
        self.call(verb).under(&trace.command()).run().ok();
        trace.calls(name).len()
    }

    /// A verb with something done to its n-th call of a kind.
    fn disturbed(&self, verb: &str, name: &str, what: &str, nth: usize) -> Reply {
        let trace = Trace::new("inject").only(name).inject(&format!("{name}:{what}:when={nth}"));
        self.call(verb).under(&trace.command()).run()
    }

    #[track_caller]
    fn is_home(&self, after: &str) {
        log(after.to_owned());
        assert_unchanged(&self.before, &VfState::of(&self.bed.vfs[0]));
        assert_forgotten();
        assert!(self.pod.links().is_empty());
    }
}

fn a_request_that_fails_is_undone() {
    let victim = Victim::new();
    let requests = victim.count("ADD", "sendto");
    victim.call("DEL").run().ok();
    assert!(requests >= 8, "{requests} requests");
    for nth in 1..=requests {
        let reply = victim.disturbed("ADD", "sendto", "error=EPERM", nth);
        let after = format!("request {nth} of {requests} failed");
        if reply.output.status == 0 {
            // What nothing depends on may fail: sysctls, announcements.
            victim.call("DEL").run().ok();
        } else {
            let text = reply.document["msg"].to_string();
            assert!(text.contains("not permitted"), "{after}: {text}");
        }
        victim.is_home(&after);
    }
}

fn a_killed_add_is_undone_by_del() {
    let victim = Victim::new();
    for name in STOPS {
        let stops = victim.count("ADD", name);
        victim.call("DEL").run().ok();
        for nth in 1..=stops {
            let reply = victim.disturbed("ADD", name, "signal=KILL", nth);
            let after = format!("ADD killed at {name} {nth} of {stops}");
            assert_ne!(reply.output.status, 0, "{after}");
            victim.call("DEL").run().ok();
            victim.is_home(&after);
        }
    }
}

fn a_killed_del_is_finished_by_del() {
    let victim = Victim::new();
    for name in STOPS {
        victim.call("ADD").run().ok();
        let stops = victim.count("DEL", name);
        for nth in 1..=stops {
            victim.call("ADD").run().ok();
            victim.disturbed("DEL", name, "signal=KILL", nth);
            victim.call("DEL").run().ok();
            victim.is_home(&format!("DEL killed at {name} {nth} of {stops}"));
        }
    }
}
