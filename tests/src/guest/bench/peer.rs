//! ADD and DEL of the sriov plugin against sriov-cni: same machine, same VF, same keys, each with the IPAM plugin that
//! comes with its kind.

use std::time::Duration;

use serde_json::{Value, json};

use super::{Figure, median, milliseconds, set_down, set_up};
use crate::guest::cni::Call;
use crate::guest::host::pf;
use crate::guest::pod::Pod;
use crate::guest::railhead::block;
use crate::guest::trace::Trace;

const RUNS: usize = 11;

/// A plugin, and what it is told.
#[derive(Debug)]
struct Side {
    plugin: &'static str,
    config: Value,
    times: Vec<Duration>,
}

/// What ADD and DEL were seen to do.
#[derive(Debug, Default)]
struct Seen {
    requests: usize,
    programs: usize,
}

pub(super) fn measure() -> Vec<Figure> {
    let pf = pf(1);
    set_up(&pf);
    let vf = &pf.make_vfs(1)[0];
    block(&[]);
    let side = |plugin, ipam| Side {
        plugin,
        // The newest version that both speak.
        config: json!({
            "cniVersion": "0.3.1", "name": "blue", "type": "sriov", "deviceID": vf.address,
            "vlan": 100, "spoofchk": "off", "trust": "on", "ipam": ipam,
        }),
        times: Vec::new(),
    };
    let host_local = json!({"type": "host-local", "ranges": [[{"subnet": "10.77.0.0/24"}]]});
    let mut sides = [
        side("sriov", json!({"type": "nv-ipam", "poolName": "blue"})),
        side("sriov-cni", host_local),
    ];
    for run in 0..RUNS {
        for side in &mut sides {
            let pod = Pod::new("bench");
            let container = format!("bench-{run}");
            let took = [Call::add, Call::del].map(|verb| {
                verb(side.plugin, &container, &pod, &side.config).into_program().time()
            });
            side.times.push(took.iter().sum());
            vf.wait_for_netdev();
        }
    }
    let seen = sides.each_ref().map(look);
    pf.remove_vfs();
    set_down(&pf);
    let [ours, peer] = sides.map(|side| median(side.times));
    let count = |what: &str, ours: usize, peer: usize| Figure {
        what: format!("  {what}"),
        ours: ours.to_string(),
        floor: peer.to_string(),
        goal: "fewer".to_owned(),
        met: ours < peer,
    };
    let [we, they] = seen;
    vec![
        Figure {
            what: "the same by CNI 0.3.1; beside sriov-cni 2.1.0 with host-local".to_owned(),
            ours: milliseconds(ours),
            floor: milliseconds(peer),
            goal: "faster".to_owned(),
            met: ours < peer,
        },
        count("netlink requests and announcements", we.requests, they.requests),
        count("programs", we.programs, they.programs),
    ]
}

/// One ADD and one DEL under strace.
fn look(side: &Side) -> Seen {
    let pod = Pod::new("bench");
    let mut seen = Seen::default();
    for verb in [Call::add, Call::del] {
        let trace = Trace::new("peer").only("sendto,sendmsg,execve");
        verb(side.plugin, "seen", &pod, &side.config).under(&trace.command()).run().ok();
        let lines = trace.lines();
        seen.requests += lines.iter().filter(|line| line.starts_with("send")).count();
        // A name that is looked for along a path fails until it is found.
        seen.programs += lines
            .iter()
            .filter(|line| line.starts_with("execve(") && !line.contains(") = -1"))
            .count();
    }
    seen
}
