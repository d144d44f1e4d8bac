//! A VF and a pod to which something is done in the middle of a verb, again and again.

use serde_json::{Value, json};

use super::{Bed, assert_forgotten};
use crate::guest::cni::{Call, Reply};
use crate::guest::pod::Pod;
use crate::guest::trace::Trace;
use crate::guest::transcript::log;
use crate::guest::vf_state::{VfState, assert_unchanged};

/// What the pod's interface is to have.
const MAC: &str = "02:11:22:33:44:55";

/// What is done to a call.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fault<'a> {
    /// Its name.
    pub(super) name: &'a str,
    /// What happens, in strace's words: `error=EPERM`, `signal=KILL`.
    pub(super) what: &'a str,
    /// To the which of its kind, of those of one thread.
    pub(super) nth: usize,
    /// Of those about this file alone.
    pub(super) path: Option<&'a str>,
}

pub(super) struct Victim {
    pub(super) bed: Bed,
    pub(super) pod: Pod,
    pub(super) config: Value,
    before: VfState,
}

impl Victim {
    /// A VF that nobody has, and a config with something of everything.
    #[track_caller]
    pub(super) fn new() -> Self {
        let bed = Bed::new(1);
        let keys = json!({"vlan": 100, "trust": "on", "spoofchk": "off", "mac": MAC, "mtu": 2000});
        let config = bed.config(0, keys);
        let before = VfState::of(&bed.vfs[0]);
        Self { bed, pod: Pod::new("pod1"), config, before }
    }

    /// A verb for container `c1`.
    pub(super) fn call(&self, verb: &str) -> Call {
        Call::new("sriov", verb, "c1", &self.config).env("CNI_NETNS", self.pod.path())
    }

    /// A verb with a fault in it; and the call that met it, as strace shows it, or nothing.
    pub(super) fn disturbed(&self, verb: &str, fault: Fault<'_>) -> (Reply, String) {
        let Fault { name, what, nth, path } = fault;
        let mut trace = Trace::new("inject")
            .only(name)
            .inject(&format!("{name}:{what}:when={nth}"))
            .naming_descriptors();
        if let Some(path) = path {
            trace = trace.at(path);
        }
        let reply = self.call(verb).under(&trace.command()).run();
        let call = trace.lines().into_iter().find(|line| line.contains("(INJECTED)"));
        (reply, call.unwrap_or_default())
    }

    /// All that the config asks for is there.
    #[track_caller]
    pub(super) fn is_attached(&self, after: &str) {
        let (link, info) = (self.pod.link("net1"), self.bed.vfs[0].info());
        assert_eq!((&link["address"], &link["mtu"]), (&json!(MAC), &json!(2000)), "{after}");
        assert_eq!(info["vlan_list"][0]["vlan"], 100, "{after}: {info}");
        assert_eq!((&info["trust"], &info["spoofchk"]), (&json!(true), &json!(false)), "{after}");
        assert_eq!(info["address"], MAC, "{after}");
        // Addresses are given out in turn.
        let addresses = self.pod.addresses("net1");
        assert!(
            matches!(&addresses[..], [one] if one.starts_with("10.77.0.")),
            "{after}: {addresses:?}"
        );
        let routes = self.pod.run("ip -j route show 10.78.0.0/16").ok().json();
        assert_eq!(routes[0]["gateway"], "10.77.0.1", "{after}");
    }

    /// The VF is as it was, and nothing is remembered of an attachment.
    #[track_caller]
    pub(super) fn is_home(&self, after: &str) {
        log(after.to_owned());
        assert_unchanged(&self.before, &VfState::of(&self.bed.vfs[0]));
        assert_forgotten();
        assert!(self.pod.links().is_empty());
    }
}
