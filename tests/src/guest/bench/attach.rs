//! ADD and DEL of the sriov plugin, against the bare requests without which no VF gets into a pod and back.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use cni::kernel::Change;
use cni::kernel::link::Moved;
use cni::kernel::netlink::Route;
use cni::kernel::netns::{self, Netns};
use cni::kernel::sysfs::Sysfs;
use cni::kernel::vf::VfChange;
use conf::{IfName, OnOff, PciAddress, VfIndex, VlanId, VlanProto, VlanQos};
use serde_json::{Value, json};

use super::{Figure, median, milliseconds, set_down, set_up, time};
use crate::guest::cni::Call;
use crate::guest::host::{Vf, pf, read};
use crate::guest::pod::Pod;
use crate::guest::railhead::block;

const RUNS: usize = 15;

/// Kibibytes that the plugin may occupy at its peak.
const MEMORY: u64 = 4096;

/// What is given by hand, for lack of an IPAM.
const ADDRESS: &str = "10.77.0.2/24";

pub(super) fn measure() -> Vec<Figure> {
    let pf = pf(1);
    set_up(&pf);
    let vf = &pf.make_vfs(1)[0];
    block(&[]);
    let config = json!({
        "cniVersion": "1.1.0", "name": "blue", "type": "sriov", "deviceID": vf.address,
        "vlan": 100, "spoofchk": "off", "trust": "on", "ipam": {"type": "nv-ipam", "poolName": "blue"},
    });
    let (mut ours, mut floor) = (Vec::new(), Vec::new());
    for run in 0..RUNS {
        // One after the other, so that both meet the same weather on the host.
        ours.push(by_plugin(&config, run));
        floor.push(by_hand(vf));
    }
    let peak = peak(&config);
    pf.remove_vfs();
    set_down(&pf);
    let (ours, floor) = (median(ours), median(floor));
    vec![
        Figure {
            what: "sriov ADD and DEL with vlan, spoofchk, trust and an address".to_owned(),
            ours: milliseconds(ours),
            floor: milliseconds(floor),
            goal: "at most 1.25 times the floor".to_owned(),
            met: ours.as_secs_f64() <= floor.as_secs_f64() * 1.25,
        },
        Figure {
            what: "sriov at its peak, ADD and DEL, resident".to_owned(),
            ours: format!("{peak} KiB"),
            floor: String::new(),
            goal: format!("at most {MEMORY} KiB"),
            met: peak <= MEMORY,
        },
    ]
}

fn by_plugin(config: &Value, run: usize) -> Duration {
    let pod = Pod::new("bench");
    let container = format!("bench-{run}");
    let verbs = [Call::add, Call::del].map(|verb| verb("sriov", &container, &pod, config));
    verbs.into_iter().map(|call| call.into_program().time()).sum()
}

/// The requests alone, over sockets that are open already, and two runs of a static program that does nothing.
fn by_hand(vf: &Vf) -> Duration {
    let pod = Pod::new("bench");
    let home_name: IfName = vf.wait_for_netdev().parse().expect("a name");
    let inside_name: IfName = "net1".parse().expect("a name");
    let home = Netns::current().expect("this namespace");
    let there = Netns::open(Path::new(&pod.path())).expect("the pod's namespace");
    let mut outside = Route::open().expect("a socket");
    let mut inside = netns::enter(&there, Route::open).expect("enter").expect("a socket");
    let pf: IfName = vf.pf.parse().expect("a name");
    let pf = outside.link_by_name(&pf).expect("look").expect("the PF").index;
    let address: PciAddress = vf.address.parse().expect("a PCI address");
    let index =
        outside.link_by_pci(&Sysfs::system(), address).expect("look").expect("the VF").index;
    let (wish, before) =
        (attributes(100, OnOff::Off, OnOff::On), attributes(0, OnOff::On, OnOff::Off));
    let number = VfIndex(vf.index);

    let programs = time("nothing") + time("nothing");
    let started = Instant::now();
    outside.set_vf(pf, number, &wish).expect("set");
    let gone = outside.move_and_rename(index, &there, &inside_name).expect("move");
    inside.set_up(index).expect("up");
    let added = inside.add_address(index, ADDRESS.parse().expect("an address")).expect("add");
    let back = inside.move_and_rename(index, &home, &home_name).expect("move back");
    outside.set_vf(pf, number, &before).expect("set back");
    let requests = started.elapsed();
    assert!(matches!([gone, back], [Moved::Renamed, Moved::Renamed]), "the VF was renamed");
    assert_eq!(added, Change::Changed);
    programs + requests
}

fn attributes(vlan: i64, spoofchk: OnOff, trust: OnOff) -> VfChange {
    let vlan = VlanId::try_from(vlan).expect("a VLAN");
    VfChange {
        vlan: Some((vlan, VlanQos::LEAST, VlanProto::default())),
        spoofchk: Some(spoofchk),
        trust: Some(trust),
        ..VfChange::default()
    }
}

/// The most memory that ADD or DEL had resident, in KiB.
fn peak(config: &Value) -> u64 {
    let pod = Pod::new("bench");
    let peaks = [Call::add, Call::del].map(|verb| {
        let call = verb("sriov", "peak", &pod, config);
        call.under("peak /tmp/peak").run().ok();
        read("/tmp/peak").parse::<u64>().expect("a peak in KiB")
    });
    fs::remove_file("/tmp/peak").expect("remove the peak");
    peaks[0].max(peaks[1])
}
