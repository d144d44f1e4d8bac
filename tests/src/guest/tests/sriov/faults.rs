//! Failures and kills at every step, from outside: strace lets the n-th call of a kind fail, or kills the process there.

use std::collections::BTreeSet;

use super::victim::{Fault, Victim};
use crate::guest::Test;
use crate::guest::transcript::{log, silently};

pub(super) const TESTS: &[Test] = &[
    ("sriov::a_call_that_fails_is_undone", a_call_that_fails_is_undone),
    ("sriov::a_call_that_fails_in_del_is_made_good", a_call_that_fails_in_del_is_made_good),
    ("sriov::a_killed_add_is_undone_by_del", a_killed_add_is_undone_by_del),
    ("sriov::a_killed_del_is_finished_by_del", a_killed_del_is_finished_by_del),
];

/// What can fail in a verb, and how: netlink requests, files, locks, the store's writes, sockets, namespaces.
const FAULTS: &[(&str, &str)] = &[
    ("sendto", "EPERM"),
    ("open", "EIO"),
    ("readlink", "EIO"),
    ("flock", "ENOLCK"),
    ("pwrite64", "ENOSPC"),
    ("writev", "ENOSPC"),
    ("fallocate", "ENOSPC"),
    ("socket", "EMFILE"),
    ("setns", "EPERM"),
];

/// Where a verb can be stopped: before each netlink request, each lock and each write of the store.
const STOPS: [&str; 4] = ["sendto", "flock", "pwrite64", "writev"];

/// What may fail in an ADD that succeeds, for nothing depends on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Tolerated {
    /// Neighbours that do not hear of an address learn of it later. There is a warning.
    Announcement,
    /// So it is with the settings that have the kernel tell them. There is a warning.
    Setting,
    /// Whether the VF may have its MAC before the PF assigns it; another way leads there.
    AskingForMac,
    /// An index says enough in a message.
    NameForMessage,
    /// What a lock's file says of its holder is for those who wait.
    HolderOfLock,
    /// Without it the store is looked through before it is trusted the next time.
    StampOfStore,
    /// It is opened ahead of its lock so that others wait less; under the lock that is tried again.
    StoreAhead,
    /// A lock goes with its file.
    Unlocking,
    /// On a full store room is made of addresses that have rested, where some have by then.
    FullStore,
    /// Which discipline queues by default is one of several that count as such.
    DefaultQdisc,
    /// How the interface is tuned: what could not be read differs at the end, and the driver is bound anew.
    Tuning,
}

impl Tolerated {
    /// What a call is, as strace shows it; `None` when nobody may do without.
    fn of(call: &str) -> Option<Self> {
        let name = call.split('(').next().unwrap_or_default();
        match name {
            "sendto" => Self::of_request(call),
            "open" if call.contains("/core/default_qdisc\"") => Some(Self::DefaultQdisc),
            "open" if call.contains("\"/proc/sys/net/") => Some(Self::Setting),
            "open" if call.contains("/net/") && call.contains("\"/sys/") => Some(Self::Tuning),
            "open" if call.contains("\"/run/railhead/store/state.mdb\"") => Some(Self::StoreAhead),
            // The engine follows its path, part by part.
            "readlink" if call.contains("(\"/run") => Some(Self::StoreAhead),
            "pwrite64" if call.contains("</proc/sys/net/") => Some(Self::Setting),
            "pwrite64" if call.contains("</run/railhead/vf/") => Some(Self::HolderOfLock),
            "pwrite64" if call.contains("</run/railhead/store/lock>") => Some(Self::StampOfStore),
            "pwrite64" | "writev" | "fallocate"
                if call.contains("</run/railhead/store/state.mdb>") =>
            {
                Some(Self::FullStore)
            }
            "flock" if call.contains("LOCK_UN") => Some(Self::Unlocking),
            _ => None,
        }
    }

    /// What a netlink request is, of which strace shows the type and the first octets.
    fn of_request(call: &str) -> Option<Self> {
        const RTM_GETLINK: &str = "nlmsg_type=0x12 ";
        const RTM_SETLINK: &str = "nlmsg_type=0x13 ";
        const RTM_NEWNEIGH: &str = "nlmsg_type=0x1c ";
        const RTM_DELNEIGH: &str = "nlmsg_type=0x1d ";
        const RTEXT_FILTER_SKIP_STATS: u8 = 1 << 3;
        const IFLA_ADDRESS: u8 = 1;
        const IFLA_VFINFO_LIST: u8 = 22;
        const IFLA_EXT_MASK: u8 = 29;
        if [RTM_NEWNEIGH, RTM_DELNEIGH].iter().any(|kind| call.contains(kind)) {
            return Some(Self::Announcement);
        }
        let octets: Vec<u8> = call
            .split("\\x")
            .skip(1)
            .map(|octet| u8::from_str_radix(&octet[..2], 16).expect("a hexadecimal octet"))
            .collect();
        // struct ifinfomsg has 16 octets; then come an attribute's length and type.
        let [first, mask] = [18, 20].map(|at| octets.get(at).copied().unwrap_or_default());
        match first {
            IFLA_ADDRESS if call.contains(RTM_SETLINK) => Some(Self::AskingForMac),
            // With the MAC alone: the PF is to lift its assignment.
            IFLA_VFINFO_LIST if call.contains("nlmsg_len=80, ") => Some(Self::AskingForMac),
            IFLA_EXT_MASK if call.contains(RTM_GETLINK) && mask == RTEXT_FILTER_SKIP_STATS => {
                Some(Self::NameForMessage)
            }
            _ => None,
        }
    }

    fn has_a_warning(self) -> bool {
        matches!(self, Self::Announcement | Self::Setting)
    }
}

fn a_call_that_fails_is_undone() {
    let victim = Victim::new();
    let mut tolerated = BTreeSet::new();
    for (name, errno) in FAULTS {
        let error = format!("error={errno}");
        // As far as there are calls: how many, depends on how the driver takes to the MAC.
        for nth in 1.. {
            let fault = Fault { name, what: &error, nth, path: None };
            let Some(outcome) = silently(|| fail_and_look(&victim, fault)) else { break };
            tolerated.extend(outcome);
        }
    }
    // A read-only /proc/sys refuses to be opened for writing alone.
    for key in ["ipv4/conf/net1/arp_notify", "ipv6/conf/net1/ndisc_notify"] {
        let path = format!("/proc/sys/net/{key}");
        let fault = Fault { name: "open", what: "error=EROFS", nth: 1, path: Some(&path) };
        tolerated.extend(fail_and_look(&victim, fault).expect("a setting"));
    }
    let all = [
        Tolerated::Announcement,
        Tolerated::Setting,
        Tolerated::AskingForMac,
        Tolerated::NameForMessage,
        Tolerated::HolderOfLock,
        Tolerated::StampOfStore,
        Tolerated::StoreAhead,
        Tolerated::Unlocking,
        Tolerated::DefaultQdisc,
        Tolerated::Tuning,
    ];
    // Whether any address has rested by then depends on how fast the machine is.
    tolerated.remove(&Tolerated::FullStore);
    assert_eq!(tolerated, BTreeSet::from(all));
}

/// Lets ADD fail: the VF is as before, or all is there and what failed was tolerated. `None` when there was no such
/// call.
#[track_caller]
fn fail_and_look(victim: &Victim, fault: Fault<'_>) -> Option<Option<Tolerated>> {
    let (reply, call) = victim.disturbed("ADD", fault);
    let after = format!("{fault:?} at {call}");
    let mut tolerated = None;
    if reply.output.status == 0 {
        victim.is_attached(&after);
        if !call.is_empty() {
            let what =
                Tolerated::of(&call).unwrap_or_else(|| panic!("success in spite of {after}"));
            let warned = reply.output.stderr.contains("level=warning");
            assert_eq!(warned, what.has_a_warning(), "{after}: {}", reply.output);
            tolerated = Some(what);
        }
    } else {
        assert!(!call.is_empty(), "{}", reply.output);
        // A verb that finds no way back from the container's namespace ends there and then.
        let is_cut_short = call.starts_with("setns(") && reply.document["code"] == 5;
        if !is_cut_short {
            victim.is_home(&after);
        }
    }
    victim.call("DEL").run().ok();
    victim.is_home(&after);
    (!call.is_empty()).then_some(tolerated)
}

/// The VF comes home in spite of it, or the next DEL brings it.
fn a_call_that_fails_in_del_is_made_good() {
    let victim = Victim::new();
    let (mut done, mut failed) = (0, 0);
    for (name, errno) in FAULTS {
        let error = format!("error={errno}");
        for nth in 1.. {
            let fault = Fault { name, what: &error, nth, path: None };
            let (met, ended) = silently(|| fail_del_and_look(&victim, fault));
            failed += usize::from(!ended);
            done += 1;
            if !met {
                break;
            }
        }
    }
    log(format!("{failed} of {done} failed"));
    // Much of it is made good at once, by binding the driver anew.
    assert!(failed > 10, "{failed} of {done} failed");
}

/// Whether there was such a call, and whether the first DEL succeeded.
#[track_caller]
fn fail_del_and_look(victim: &Victim, fault: Fault<'_>) -> (bool, bool) {
    victim.call("ADD").run().ok();
    let (reply, call) = victim.disturbed("DEL", fault);
    let ended = reply.output.status == 0;
    if !ended {
        victim.call("DEL").run().ok();
    }
    victim.is_home(&format!("{fault:?} at {call}: {}", reply.document));
    (!call.is_empty(), ended)
}

fn a_killed_add_is_undone_by_del() {
    let victim = Victim::new();
    let mut killed = 0;
    for name in STOPS {
        // As far as there are calls: how many pages the store writes depends on what it holds.
        for nth in 1.. {
            let fault = Fault { name, what: "signal=KILL", nth, path: None };
            let (reply, _) = victim.disturbed("ADD", fault);
            let after = format!("ADD killed at {name} {nth}");
            victim.call("DEL").run().ok();
            victim.is_home(&after);
            if reply.output.status == 0 {
                break;
            }
            assert_eq!(reply.output.status, -nix::libc::SIGKILL, "{name} {nth}: {}", reply.output);
            killed += 1;
        }
    }
    assert!(killed > 10, "{killed} kills");
}

fn a_killed_del_is_finished_by_del() {
    let victim = Victim::new();
    let mut killed = 0;
    for name in STOPS {
        for nth in 1.. {
            victim.call("ADD").run().ok();
            let fault = Fault { name, what: "signal=KILL", nth, path: None };
            let (reply, _) = victim.disturbed("DEL", fault);
            victim.call("DEL").run().ok();
            victim.is_home(&format!("DEL killed at {name} {nth}"));
            if reply.output.status == 0 {
                break;
            }
            assert_eq!(reply.output.status, -nix::libc::SIGKILL, "{name} {nth}: {}", reply.output);
            killed += 1;
        }
    }
    assert!(killed > 10, "{killed} kills");
}
