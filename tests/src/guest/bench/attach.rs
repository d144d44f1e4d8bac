//! ADD and DEL of the sriov plugin, against the same changes in two runs of `ip`.

use std::time::Instant;

use serde_json::json;

use super::{Figure, median, milliseconds};
use crate::guest::cni::Call;
use crate::guest::host::{Vf, pf};
use crate::guest::pod::Pod;
use crate::guest::program::Program;

const RUNS: usize = 9;

pub(super) fn measure() -> Vec<Figure> {
    let pf = pf(1);
    let vf = &pf.make_vfs(1)[0];
    let (mut ours, mut floor) = (Vec::new(), Vec::new());
    for run in 0..RUNS {
        let pod = Pod::new("bench");
        let config = json!({
            "cniVersion": "1.1.0", "name": "bench", "type": "sriov", "deviceID": vf.address,
            "vlan": 100, "spoofchk": "on", "trust": "on",
        });
        let container = format!("bench-{run}");
        let started = Instant::now();
        Call::add("sriov", &container, &pod, &config).run().ok();
        Call::del("sriov", &container, &pod, &config).run().ok();
        ours.push(started.elapsed());
        floor.push(by_ip(vf, &pod));
    }
    pf.remove_vfs();
    vec![Figure {
        what: "sriov ADD and DEL with vlan, spoofchk, trust; against ip -batch".to_owned(),
        ours: milliseconds(median(ours)),
        floor: milliseconds(median(floor)),
        goal: String::new(),
        met: true,
    }]
}

/// The least that puts a VF into a pod and takes it back: VF attributes, move, rename, up, and back.
fn by_ip(vf: &Vf, pod: &Pod) -> std::time::Duration {
    let (pf, index, name) = (&vf.pf, vf.index, vf.wait_for_netdev());
    let there = format!(
        "link set {pf} vf {index} vlan 100 spoofchk on trust on\nlink set {name} netns {} name net1\n",
        pod.name()
    );
    let back = format!("link set net1 down\nlink set net1 netns 1 name {name}\n");
    let home = format!("link set {pf} vf {index} vlan 0 trust off\n");
    let batch = |text: &str| Program::new("ip -batch -").input(text);
    let inside = |text: &str| Program::new(&format!("ip -n {} -batch -", pod.name())).input(text);
    let started = Instant::now();
    batch(&there).run().ok();
    inside("link set net1 up\n").run().ok();
    inside(&back).run().ok();
    batch(&home).run().ok();
    started.elapsed()
}
