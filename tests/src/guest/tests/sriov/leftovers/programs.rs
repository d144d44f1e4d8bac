//! BPF programs on a VF, VFs that nobody can reach, and drivers that are bound anew for it.

use std::net::UdpSocket;

use serde_json::{Value, json};

use super::{End, Tenancy};
use crate::guest::bpf::{self, Pins, Way};
use crate::guest::cni::Call;
use crate::guest::host::{link, netdev_of};
use crate::guest::pod::Pod;
use crate::guest::program::run;
use crate::guest::trace::Trace;
use crate::guest::vf_state::VfState;

pub(super) fn no_program_of_a_pod_stays_on_its_vf() {
    let tenancy = Tenancy::new();
    let (xdp, tcx) = (bpf::xdp(), bpf::tcx());
    let pins = Pins::new();
    bpf::pin(&xdp, "/tmp/bpf/xdp");
    for end in [End::Del, End::Death] {
        // By netlink: it is taken away by netlink, in the mode that it is in.
        let log = lived(&tenancy, end, |pod| {
            pod.run("ip link set dev net1 xdpgeneric pinned /tmp/bpf/xdp").ok();
            assert!(pod.link("net1")["xdp"].is_object());
        });
        assert!(!log.contains("anew"), "{log}");
        // By a link that lives on with a process.
        let mut held = Vec::new();
        let log = lived(&tenancy, end, |pod| held.push(bpf::link_xdp(&xdp, pod, "net1")));
        assert!(log.contains("anew") && log.contains("generic XDP"), "{log}");
        drop(held);
        // By a link that lives on in a file.
        lived(&tenancy, end, |pod| bpf::pin(&bpf::link_xdp(&xdp, pod, "net1"), "/tmp/bpf/link"));
        std::fs::remove_file("/tmp/bpf/link").expect("remove a link");
        for way in [Way::Ingress, Way::Egress] {
            let log = lived(&tenancy, end, |pod| bpf::attach_tcx(&tcx, pod, "net1", way));
            assert!(log.contains("1 tcx programs"), "{log}");
            let mut held = Vec::new();
            lived(&tenancy, end, |pod| held.push(bpf::link_tcx(&tcx, pod, "net1", way)));
        }
    }
    drop(pins);
}

/// Ends with a VF without programs, on the host and in the next pod.
#[track_caller]
fn lived(tenancy: &Tenancy, end: End, life: impl FnOnce(&Pod)) -> String {
    let log = tenancy.lived(end, life);
    let shown = link(&tenancy.bed.vfs[0].wait_for_netdev());
    assert_eq!(shown["xdp"], Value::Null, "{shown}");
    assert_eq!(bpf::tcx_programs(shown["ifindex"].as_u64().expect("an index")), 0);
    log
}

/// The pod hides its VF in a namespace of which nothing but a socket is left.
pub(super) fn a_vf_that_only_a_socket_holds_comes_home() {
    let tenancy = Tenancy::new();
    for end in [End::Del, End::Death] {
        let mut held = None;
        let log = tenancy.lived(end, |pod| {
            let hidden = Pod::new("hidden");
            held = Some(bpf::inside(&hidden, || UdpSocket::bind("127.0.0.1:0").expect("a socket")));
            pod.run("ip link set net1 netns hidden name gone").ok();
        });
        assert!(log.contains("anew"), "{log}");
        drop(held);
    }
}

/// Its driver cannot be taken away, or cannot be bound again: the VF stays with its record, which says why, until a
/// DEL succeeds.
pub(super) fn a_vf_that_cannot_be_bound_anew_goes_to_nobody() {
    let tenancy = Tenancy::new();
    let vf = &tenancy.bed.vfs[0];
    let tcx = bpf::tcx();
    let files = [
        (format!("/sys/bus/pci/devices/{}/driver/unbind", vf.address), true),
        (format!("/sys/bus/pci/drivers/{}/bind", vf.driver().expect("a driver")), false),
    ];
    for (file, is_bound) in files {
        for what in ["error=EIO", "signal=KILL"] {
            let pod = Pod::new("pod1");
            Call::add("sriov", "c1", &pod, &tenancy.config).run().ok();
            bpf::attach_tcx(&tcx, &pod, "net1", Way::Ingress);
            let trace = Trace::new("rebind").inject(&format!("open:{what}:when=1")).at(&file);
            let del = || tenancy.call("DEL").env("CNI_NETNS", pod.path());
            let error = del().under(&trace.command()).run().error(11);
            assert!(error["msg"].to_string().contains("to nobody else"), "{error}");
            assert!(pod.links().is_empty(), "it has left the pod");
            assert_eq!(vf.driver().is_some(), is_bound);
            let held = Call::add("sriov", "c2", &pod, &tenancy.config).run().error(11);
            assert!(
                held.to_string().contains("c1") || held.to_string().contains("no driver"),
                "{held}"
            );
            let shown = run("railhead attachments -o json").ok().json();
            let fence = shown["attachments"][0]["fence"].to_string();
            assert!(fence.contains("tcx"), "{shown}");
            assert!(run("railhead attachments").ok().stdout.contains("fenced"));
            for command in ["status", "doctor"] {
                let told = run(&format!("railhead {command}")).stdout;
                let named = told.contains(&vf.address) && told.contains("tcx");
                assert!(named && told.contains("delete the pod"), "{told}");
                assert_eq!(told.contains("| sudo tee"), !is_bound, "{told}");
            }
            del().run().ok();
            tenancy.is_home();
        }
    }
}

pub(super) fn a_reset_is_made_when_it_is_asked_for() {
    let mut tenancy = Tenancy::new();
    let index = |tenancy: &Tenancy| link(&tenancy.bed.vfs[0].wait_for_netdev())["ifindex"].clone();
    let xdp = bpf::xdp();
    let first = index(&tenancy);
    tenancy.config["resetOnRelease"] = json!("always");
    let log = tenancy.lived(End::Del, |_| {});
    assert!(log.contains("resetOnRelease is always"), "{log}");
    let second = index(&tenancy);
    assert_ne!(first, second, "another interface");
    tenancy.config["resetOnRelease"] = json!("never");
    let pod = Pod::new("pod1");
    Call::add("sriov", "c1", &pod, &tenancy.config).run().ok();
    let held = bpf::link_xdp(&xdp, &pod, "net1");
    let reply = tenancy.call("DEL").env("CNI_NETNS", pod.path()).run();
    assert!(reply.output.stderr.contains("resetOnRelease is never"), "{}", reply.output);
    reply.ok();
    let netdev = netdev_of(&tenancy.bed.vfs[0].address).expect("an interface");
    assert!(link(&netdev)["xdp"].is_object(), "it was told, and not done");
    drop(held);
    let after = VfState::of(&tenancy.bed.vfs[0]);
    crate::guest::vf_state::assert_unchanged(&tenancy.before, &after);
}
