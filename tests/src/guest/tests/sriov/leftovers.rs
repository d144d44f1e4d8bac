//! What a pod leaves on its VF, by malice or by the way: the next pod, and the host, find nothing of it.

mod altnames;
mod programs;

use serde_json::{Value, json};

use super::{Bed, assert_forgotten};
use crate::guest::Test;
use crate::guest::cni::Call;
use crate::guest::pod::Pod;
use crate::guest::vf_state::{VfState, assert_unchanged};

pub(super) const TESTS: &[Test] = &[
    ("sriov::an_altname_keeps_no_vf", altnames::an_altname_keeps_no_vf),
    ("sriov::no_program_of_a_pod_stays_on_its_vf", programs::no_program_of_a_pod_stays_on_its_vf),
    (
        "sriov::a_vf_that_only_a_socket_holds_comes_home",
        programs::a_vf_that_only_a_socket_holds_comes_home,
    ),
    (
        "sriov::a_vf_that_cannot_be_bound_anew_goes_to_nobody",
        programs::a_vf_that_cannot_be_bound_anew_goes_to_nobody,
    ),
    ("sriov::a_reset_is_made_when_it_is_asked_for", programs::a_reset_is_made_when_it_is_asked_for),
];

/// How an attachment ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// DEL, while the pod is there.
    Del,
    /// The namespace dies, then comes DEL.
    Death,
}

/// A VF that has a MAC of its own, since a driver that is bound anew makes up another one.
struct Tenancy {
    bed: Bed,
    config: Value,
    before: VfState,
}

impl Tenancy {
    #[track_caller]
    fn new() -> Self {
        let bed = Bed::new(1);
        let config = bed.config(0, json!({"vlan": 100}));
        let before = VfState::of(&bed.vfs[0]);
        Self { bed, config, before }
    }

    fn call(&self, verb: &str) -> Call {
        Call::new("sriov", verb, "c1", &self.config)
    }

    /// ADD, what a pod does, its end, and a VF as it was.
    #[track_caller]
    fn lived(&self, end: End, life: impl FnOnce(&Pod)) -> String {
        let pod = Pod::new("pod1");
        Call::add("sriov", "c1", &pod, &self.config).run().ok();
        life(&pod);
        let call = self.call("DEL");
        let reply = match end {
            End::Del => call.env("CNI_NETNS", pod.path()).run(),
            End::Death => {
                drop(pod);
                call.run()
            }
        };
        let log = reply.output.stderr.clone();
        reply.ok();
        self.is_home();
        log
    }

    #[track_caller]
    fn is_home(&self) {
        assert_unchanged(&self.before, &VfState::of(&self.bed.vfs[0]));
        assert_forgotten();
    }
}
