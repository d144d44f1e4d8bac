//! Ends of attachments that are cut short while there are programs of a pod on its VF: kills and failures, one by one.

use super::{End, Tenancy};
use crate::guest::bpf::{self, Pins, Way};
use crate::guest::cni::Call;
use crate::guest::host::link;
use crate::guest::pod::Pod;
use crate::guest::program::{Output, Program, run};
use crate::guest::trace::Trace;
use crate::guest::transcript::{log, silently};

/// At what: netlink requests, questions for programs, locks and writes of the store.
const CALLS: [&str; 5] = ["sendto", "bpf", "flock", "pwrite64", "writev"];

/// What becomes of the call.
const KILLED: &str = "signal=KILL";
const REFUSED: &str = "error=EPERM";

pub(super) fn a_del_that_is_cut_short_leaves_no_program() {
    cut_short(End::Del, &[KILLED, REFUSED]);
}

pub(super) fn a_reclaim_that_is_cut_short_leaves_no_program() {
    // What is refused it takes as DEL does, by the same code; a pass makes many more requests.
    cut_short(End::Reclaim, &[KILLED]);
}

/// However it was cut short, the next one ends it.
fn cut_short(end: End, faults: &[&str]) {
    let tenancy = Tenancy::new();
    let pins = Pins::new();
    bpf::pin(&bpf::xdp(), "/tmp/bpf/xdp");
    let mut cut = 0;
    for name in CALLS {
        for fault in faults {
            for nth in 1.. {
                let what = format!("{name}:{fault}:when={nth}");
                if !silently(|| cut_and_look(&tenancy, end, &what)) {
                    log(format!("{fault} at {name}: {} times", nth - 1));
                    break;
                }
                cut += 1;
            }
        }
    }
    assert!(cut > 20, "{cut} were cut short");
    drop(pins);
}

/// Whether there was such a call.
#[track_caller]
fn cut_and_look(tenancy: &Tenancy, end: End, what: &str) -> bool {
    let pod = Pod::new("pod1");
    Call::add("sriov", "c1", &pod, &tenancy.config).run().ok();
    pod.run("ip link set dev net1 xdpgeneric pinned /tmp/bpf/xdp").ok();
    bpf::attach_tcx(&bpf::tcx(), &pod, "net1", Way::Ingress);
    let name = what.split(':').next().unwrap_or_default();
    let trace = Trace::new("cut").only(name).inject(what);
    let was_cut = match end {
        End::Del | End::Death => {
            let del = || tenancy.call("DEL").env("CNI_NETNS", pod.path());
            let cut = del().under(&trace.command()).run().output;
            del().run().ok();
            has_met(&trace, &cut)
        }
        End::Reclaim => {
            drop(pod);
            let cut = Program::new("railhead apply").under(&trace.command()).run();
            run("railhead apply").ok();
            has_met(&trace, &cut)
        }
    };
    tenancy.is_home();
    let shown = link(&tenancy.bed.vfs[0].wait_for_netdev());
    assert!(shown["xdp"].is_null(), "{what}: {shown}");
    let index = shown["ifindex"].as_u64().expect("an index");
    assert_eq!(bpf::tcx_programs(index), 0, "{what}");
    was_cut
}

fn has_met(trace: &Trace, cut: &Output) -> bool {
    cut.status == -nix::libc::SIGKILL
        || trace.lines().iter().any(|line| line.contains("(INJECTED)"))
}
