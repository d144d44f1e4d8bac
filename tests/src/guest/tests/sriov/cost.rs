//! What a verb costs: netlink requests, replies that grow, visits to the container's namespace, processes and threads,
//! syncs.

use serde_json::{Value, json};

use super::Bed;
use crate::guest::Test;
use crate::guest::cni::Call;
use crate::guest::pod::Pod;
use crate::guest::trace::Trace;

pub(super) const TESTS: &[Test] =
    &[("sriov::a_verb_costs_the_same_whatever_the_vfs", a_verb_costs_the_same_whatever_the_vfs)];

/// What a verb was seen to do.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Cost {
    /// Netlink requests.
    requests: usize,
    /// Those that are answered with the state of all VFs of the PF.
    vf_reads: usize,
    /// Visits to the container's namespace.
    visits: usize,
}

impl Cost {
    const fn of(requests: usize, vf_reads: usize, visits: usize) -> Self {
        Self { requests, vf_reads, visits }
    }
}

/// ADD, CHECK and DEL, with attributes that the PF sets, and without.
const EXPECTED: [[Cost; 3]; 2] = [
    [Cost::of(13, 1, 2), Cost::of(5, 1, 1), Cost::of(7, 0, 1)],
    [Cost::of(11, 0, 2), Cost::of(3, 0, 1), Cost::of(5, 0, 1)],
];

/// A visit proves that there is a way back, goes there, and comes back.
const STEPS_OF_A_VISIT: usize = 3;

fn a_verb_costs_the_same_whatever_the_vfs() {
    for vfs in [1, 7] {
        let bed = Bed::new(vfs);
        let pod = Pod::new("pod1");
        let plain = bed.config(0, json!({}));
        // The first verb after a boot makes the directories.
        Call::add("sriov", "c0", &pod, &plain).run().ok();
        Call::del("sriov", "c0", &pod, &plain).run().ok();
        let attributes = bed.config(0, json!({"vlan": 100, "spoofchk": "off", "trust": "on"}));
        let costs = [attributes, plain].map(|config| costs(&pod, config));
        assert_eq!(costs, EXPECTED, "with {vfs} VFs");
    }
}

fn costs(pod: &Pod, mut config: Value) -> [Cost; 3] {
    ["ADD", "CHECK", "DEL"].map(|verb| {
        let trace = Trace::new("cost")
            .only("sendto,sendmsg,setns,execve,fork,vfork,clone,clone3,fsync,fdatasync,msync");
        let call = Call::new("sriov", verb, "c1", &config).env("CNI_NETNS", pod.path());
        let result = call.under(&trace.command()).run().ok();
        if verb == "ADD" {
            config["prevResult"] = result;
        }
        assert_eq!(trace.calls("execve").len(), 1, "{verb}");
        let mut cost = Cost::default();
        for line in trace.lines() {
            let starts = |call: &str| line.starts_with(call);
            let helpers = ["fork", "vfork", "clone"].iter().any(|call| starts(call));
            assert!(!helpers && !line.contains("sync("), "{verb}: {line}");
            // A dump of routes or addresses of one interface is none of links, which come by the hundred.
            assert!(
                !(line.contains("nlmsg_type=0x12 ") && line.contains("NLM_F_DUMP")),
                "{verb}: {line}"
            );
            cost.requests += usize::from(starts("send"));
            cost.vf_reads += usize::from(reads_vfs(&line));
            cost.visits += usize::from(starts("setns"));
        }
        assert_eq!(cost.visits % STEPS_OF_A_VISIT, 0, "{verb}: {} setns", cost.visits);
        cost.visits /= STEPS_OF_A_VISIT;
        cost
    })
}

/// Whether it is an RTM_GETLINK whose IFLA_EXT_MASK has RTEXT_FILTER_VF.
fn reads_vfs(line: &str) -> bool {
    // The attribute's length and type, then the mask: RTEXT_FILTER_SKIP_STATS is another bit of it.
    line.contains("nlmsg_type=0x12 ")
        && [r"\x08\x00\x1d\x00\x01", r"\x08\x00\x1d\x00\x09"].iter().any(|mask| line.contains(mask))
}
