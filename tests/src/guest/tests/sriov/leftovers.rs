//! What a pod leaves on its VF, by malice or by the way: the next pod, and the host, find nothing of it.

mod altnames;
mod cut;
mod everything;
mod programs;

use serde_json::{Value, json};

use super::{Bed, assert_forgotten};
use crate::guest::Test;
use crate::guest::cni::Call;
use crate::guest::pod::Pod;
use crate::guest::program::run;
use crate::guest::railhead::Daemon;
use crate::guest::vf_state::{VfState, assert_unchanged};
use crate::guest::wait::wait_for;

pub(super) const TESTS: &[Test] = &[
    (
        "sriov::what_an_administrator_tuned_is_there_again",
        everything::what_an_administrator_tuned_is_there_again,
    ),
    ("sriov::the_table_of_attributes_is_true", everything::the_table_of_attributes_is_true),
    ("sriov::nothing_of_a_pod_stays_on_its_vf", everything::nothing_of_a_pod_stays_on_its_vf),
    (
        "sriov::nothing_stays_where_a_reset_is_asked_for",
        everything::nothing_stays_where_a_reset_is_asked_for,
    ),
    (
        "sriov::what_is_documented_stays_without_a_reset",
        everything::what_is_documented_stays_without_a_reset,
    ),
    (
        "sriov::a_del_that_is_cut_short_leaves_no_program",
        cut::a_del_that_is_cut_short_leaves_no_program,
    ),
    (
        "sriov::a_reclaim_that_is_cut_short_leaves_no_program",
        cut::a_reclaim_that_is_cut_short_leaves_no_program,
    ),
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
    /// The namespace dies, no DEL comes, and the daemon finds out.
    Reclaim,
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
        Self::with(1, &json!({"vlan": 100}))
    }

    /// The first of so many VFs, with these keys of the config.
    #[track_caller]
    fn with(vfs: u16, keys: &Value) -> Self {
        let bed = Bed::new(vfs);
        let config = bed.config(0, keys.clone());
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
        let log = match end {
            End::Del => self.deleted(Some(&pod)),
            End::Death => {
                drop(pod);
                self.deleted(None)
            }
            End::Reclaim => {
                let daemon = Daemon::start();
                drop(pod);
                wait_for("the daemon to find out", || {
                    let listed = run("railhead attachments -o json").ok().json();
                    (listed["attachments"] == json!([])).then_some(())
                });
                daemon.stop().stderr
            }
        };
        self.is_home();
        log
    }

    /// DEL, and what it logs.
    #[track_caller]
    fn deleted(&self, pod: Option<&Pod>) -> String {
        let mut call = self.call("DEL");
        if let Some(pod) = pod {
            call = call.env("CNI_NETNS", pod.path());
        }
        let reply = call.run();
        let log = reply.output.stderr.clone();
        reply.ok();
        log
    }

    #[track_caller]
    fn is_home(&self) {
        assert_unchanged(&self.before, &VfState::of(&self.bed.vfs[0]));
        assert_forgotten();
    }
}
