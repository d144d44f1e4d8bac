//! VFs in use are left alone, and their users named.

use std::fs::File;

use serde_json::json;

use super::{drivers, drop_policy, holder_of, put_policy, undo};
use crate::guest::Test;
use crate::guest::bpf::{self, Pins, Way};
use crate::guest::cni::Call;
use crate::guest::host::{self, pf};
use crate::guest::packet;
use crate::guest::pod::Pod;
use crate::guest::program::{Program, run};
use crate::guest::railhead::railhead;
use crate::guest::trace::Trace;
use crate::guest::wait::{PATIENCE, wait_for};

pub(super) const TESTS: &[Test] = &[
    ("daemon::users::a_vf_in_another_namespace", a_vf_in_another_namespace),
    ("daemon::users::a_process_with_the_vfio_group", a_process_with_the_vfio_group),
    ("daemon::users::a_port_of_a_bridge", a_port_of_a_bridge),
    ("daemon::users::vfs_that_the_host_uses", vfs_that_the_host_uses),
    ("daemon::users::a_program_is_use_and_a_packet_socket_is_none", programs_and_packet_sockets),
    ("daemon::users::a_plugin_and_a_step_wait_for_each_other", a_plugin_and_a_step),
    ("daemon::users::foreign_vfs_in_use", foreign_vfs_in_use),
    ("daemon::users::an_attached_vf_and_one_whose_container_died", attached_and_dead),
];

fn a_vf_in_another_namespace() {
    put_policy("net", "enp1s0", 2, "");
    railhead("apply").ok();
    let pf = pf(0);
    let netdev = pf.vfs()[0].wait_for_netdev();
    let pod = Pod::bare("pod");
    run(&format!("ip link set {netdev} netns pod")).ok();

    put_policy("net", "enp1s0", 4, "");
    let waits = railhead("apply").failed_with(1);
    assert!(waits.stdout.contains("VF 0 (another network namespace)"), "{waits}");
    assert_eq!((pf.num_vfs(), pod.links()), (2, vec![netdev]));
    railhead("plan").ok();

    drop(pod);
    pf.vfs()[0].wait_for_netdev();
    railhead("apply").ok();
    assert_eq!(pf.num_vfs(), 4);
    undo("net");
}

fn a_process_with_the_vfio_group() {
    put_policy("vms", "enp1s0", 1, "  deviceType: vfio-pci\n");
    railhead("apply").ok();
    let holder = holder_of(&pf(0).vfs()[0], "bash -c");
    put_policy("vms", "enp1s0", 1, "");
    let waits = railhead("apply").failed_with(1);
    assert!(waits.stdout.contains(&format!("VF 0 (process {} (", holder.pid())), "{waits}");
    assert_eq!(drivers(&pf(0)), ["vfio-pci"]);
    drop(holder);
    railhead("apply").ok();
    assert_eq!(drivers(&pf(0)), ["igbvf"]);
    undo("vms");
}

/// The other VF of the PF is free, and gets what it should.
fn a_port_of_a_bridge() {
    put_policy("net", "enp1s0", 2, "");
    railhead("apply").ok();
    let pf = pf(0);
    run("ip link add br0 type bridge").ok();
    run(&format!("ip link set {} master br0", pf.vfs()[1].wait_for_netdev())).ok();
    put_policy("net", "enp1s0", 2, "  deviceType: vfio-pci\n");
    let waits = railhead("apply").failed_with(1);
    assert!(waits.stdout.contains("VF 1 (port of br0)"), "{waits}");
    assert_eq!(drivers(&pf), ["vfio-pci", "igbvf"]);
    run("ip link del br0").ok();
    railhead("apply").ok();
    assert_eq!(drivers(&pf), ["vfio-pci", "vfio-pci"]);
    undo("net");
}

/// An address; a VLAN; a macvlan and a VLAN that were moved into a container; a program; a route.
fn vfs_that_the_host_uses() {
    put_policy("net", "enp1s0", 6, "");
    railhead("apply").ok();
    let pf = pf(0);
    let netdevs: Vec<String> = pf.vfs().iter().map(|vf| vf.wait_for_netdev()).collect();
    let pod = Pod::new("web");
    // The machine is reached by another interface, or that of the VF's address would be taken for it.
    for words in [
        "ip link add mgmt0 type dummy",
        "ip link set mgmt0 up",
        "ip addr add 192.0.2.1/24 dev mgmt0",
        "ip route add default via 192.0.2.254 dev mgmt0",
    ] {
        run(words).ok();
    }
    run("ip link set enp1s0 up").ok();
    for netdev in &netdevs {
        run(&format!("ip link set {netdev} up")).ok();
    }
    // What comes by itself is no sign of use.
    let lines = |output: &str| {
        let of_pf = output
            .lines()
            .filter(|line| line.starts_with("enp1s0 ") && line.contains(" 0000:01:1"));
        of_pf.map(str::to_owned).collect::<Vec<_>>()
    };
    let free = railhead("discover").ok();
    assert!(lines(&free.stdout).iter().all(|line| line.trim_end().ends_with('-')), "{free}");

    let [addressed, tagged, shared, lent, filtered, routed] = netdevs.as_slice() else {
        panic!("6 netdevs were expected: {netdevs:?}");
    };
    for words in [
        format!("ip addr add 198.51.100.7/24 dev {addressed}"),
        format!("ip link add link {tagged} name st100 type vlan id 100"),
        format!("ip link add link {shared} name mv0 netns web type macvlan mode bridge"),
        "ip -n web link set mv0 up".to_owned(),
        format!("ip link add link {lent} name vl0 netns web type vlan id 7"),
        "ip -n web link set vl0 up".to_owned(),
        format!("tc qdisc add dev {filtered} clsact"),
        format!("ip route add 203.0.113.0/24 dev {routed}"),
    ] {
        run(&words).ok();
    }
    let signs = [
        "address 198.51.100.7",
        "st100 stands on it",
        "a macvlan, VLAN or the like in another namespace stands on it",
        "a macvlan, VLAN or the like in another namespace stands on it",
        "traffic control (clsact) is set up on it",
        "route to 203.0.113.0/24 by it",
    ];
    let discovered = railhead("discover").ok();
    for (line, sign) in lines(&discovered.stdout).iter().zip(signs) {
        assert!(line.trim_end().ends_with(sign), "{sign} in {discovered}");
    }
    put_policy("net", "enp1s0", 4, "");
    let waits = railhead("apply").failed_with(1);
    for (index, sign) in signs.iter().enumerate() {
        assert!(waits.stdout.contains(&format!("VF {index} ({sign})")), "{waits}");
    }
    assert_eq!(pf.num_vfs(), 6);
    assert_eq!(pod.links(), ["mv0", "vl0"]);
    assert!(run("ip -br addr").ok().stdout.contains("198.51.100.7/24"));

    for words in [
        format!("ip addr flush dev {addressed} scope global"),
        "ip link del st100".to_owned(),
        "ip -n web link del mv0".to_owned(),
        "ip -n web link del vl0".to_owned(),
        format!("tc qdisc del dev {filtered} clsact"),
        format!("ip route del 203.0.113.0/24 dev {routed}"),
    ] {
        run(&words).ok();
    }
    railhead("apply").ok();
    assert_eq!(pf.num_vfs(), 4);
    run("ip link del mgmt0").ok();
    undo("net");
}

/// XDP, queueing that somebody chose, and what lldpd does on every interface.
fn programs_and_packet_sockets() {
    put_policy("net", "enp1s0", 4, "");
    railhead("apply").ok();
    let pf = pf(0);
    let vfs = pf.vfs();
    let netdevs: Vec<String> = vfs.iter().map(|vf| vf.wait_for_netdev()).collect();
    let pins = Pins::new();
    bpf::pin(&bpf::xdp(), "/tmp/bpf/xdp");
    run(&format!("ip link set dev {} xdpgeneric pinned /tmp/bpf/xdp", netdevs[0])).ok();
    run(&format!("tc qdisc replace dev {} root pfifo limit 7", netdevs[1])).ok();
    let index_of = |vf: usize| {
        let shown = host::link(&vfs[vf].wait_for_netdev());
        shown["ifindex"].as_u64().expect("an index")
    };
    let link = bpf::link_tcx_of_host(&bpf::tcx(), index_of(2), Way::Ingress);
    let socket = packet::listen(index_of(3));

    let signs = [
        "an XDP program is attached to it",
        "traffic control (pfifo) is set up on it",
        "a tcx program is attached to it",
    ];
    let shown = railhead("discover -o json").ok().json();
    let shown = &shown["pfs"][0]["vfs"];
    for (vf, sign) in signs.iter().enumerate() {
        assert_eq!(
            (&shown[vf]["usedBy"], &shown[vf]["packetSockets"]),
            (&json!(sign), &json!(null))
        );
    }
    assert_eq!((&shown[3]["usedBy"], &shown[3]["packetSockets"]), (&json!(null), &json!(1)));
    let words = "nobody (1 packet socket listens)";
    for look in ["discover".to_owned(), format!("explain {}", netdevs[3])] {
        let told = railhead(&look).stdout;
        assert!(told.contains(words), "{told}");
    }

    let pod = Pod::new("pod");
    let config = |vf: usize| {
        let address = &vfs[vf].address;
        json!({"cniVersion": "1.0.0", "name": "blue", "type": "sriov", "deviceID": address})
    };
    for (vf, sign) in signs.iter().enumerate() {
        let refused = Call::add("sriov", "c1", &pod, &config(vf)).run().error(11);
        assert!(refused["msg"].to_string().contains(sign), "{refused}");
    }
    Call::add("sriov", "c1", &pod, &config(3)).run().ok();
    Call::del("sriov", "c1", &pod, &config(3)).run().ok();
    drop(socket);

    let socket = packet::listen(index_of(3));
    put_policy("net", "enp1s0", 2, "");
    let waits = railhead("apply").failed_with(1);
    for (vf, sign) in signs.iter().enumerate() {
        assert!(waits.stdout.contains(&format!("VF {vf} ({sign})")), "{waits}");
    }
    assert!(!waits.stdout.contains("VF 3"), "{waits}");
    assert_eq!(pf.num_vfs(), 4);
    drop(link);
    run(&format!("ip link set dev {} xdpgeneric off", netdevs[0])).ok();
    run(&format!("tc qdisc del dev {} root", netdevs[1])).ok();
    railhead("apply").ok();
    assert_eq!(pf.num_vfs(), 2);
    drop((socket, pins));
    undo("net");
}

/// The lock of a VF is all that tells of an ADD which has only just begun, and all that keeps an ADD from a VF which is
/// about to get another driver.
fn a_plugin_and_a_step() {
    put_policy("vms", "enp1s0", 1, "");
    railhead("apply").ok();
    let vf = pf(0).vfs().remove(0);
    let path = format!("/run/railhead/vf/{}.lock", vf.address);
    host::put(&path, "");
    let lock = File::open(&path).expect("open the lock");
    lock.lock().expect("take the lock");
    put_policy("vms", "enp1s0", 1, "  deviceType: vfio-pci\n");
    let waits = railhead("apply").failed_with(1);
    assert!(waits.stdout.contains("VF 0 (another process, which works on it)"), "{waits}");
    assert_eq!(drivers(&pf(0)), ["igbvf"]);
    drop(lock);

    // The step's first write takes its time; the ADD that comes meanwhile finds the VF as it is after the step.
    let file = format!("/sys/bus/pci/devices/{}/driver_override", vf.address);
    let slow = Trace::new("slow").at(&file).only("write").inject("write:delay_enter=5s:when=1");
    let apply = Program::new("railhead apply").under(&slow.command()).start();
    wait_for("the step to have the lock", || host::read(&path).contains("step").then_some(()));
    assert_eq!(drivers(&pf(0)), ["igbvf"]);
    let pod = Pod::new("pod");
    let config =
        json!({"cniVersion": "1.0.0", "name": "blue", "type": "sriov", "deviceID": vf.address});
    Call::add("sriov", "c1", &pod, &config).run().ok();
    assert_eq!(drivers(&pf(0)), ["vfio-pci"], "the step came first");
    assert!(pod.links().is_empty(), "no interface was taken from below the step");
    Call::del("sriov", "c1", &pod, &config).run().ok();
    apply.finish(PATIENCE).ok();
    undo("vms");
}

fn foreign_vfs_in_use() {
    let pf = pf(0);
    let netdev = pf.make_vfs(2)[1].wait_for_netdev();
    let pod = Pod::bare("pod");
    run(&format!("ip link set {netdev} netns pod")).ok();
    put_policy("net", "enp1s0", 3, "");
    let refused = railhead("apply").failed_with(1);
    assert!(refused.stdout.contains("somebody else made 2 VFs and 3 are wished"), "{refused}");
    assert_eq!((pf.num_vfs(), pod.links()), (2, vec![netdev]));
    drop_policy("net");
    drop(pod);
    railhead("apply").ok();
    assert_eq!(pf.num_vfs(), 2);
    pf.vfs()[1].wait_for_netdev();
    pf.remove_vfs();
}

/// The plugin's record names the container; when its namespace goes without a DEL, the VF comes back all the same.
fn attached_and_dead() {
    put_policy("net", "enp1s0", 1, "");
    railhead("apply").ok();
    let vf = pf(0).vfs().remove(0);
    let pod = Pod::new("pod");
    let config = json!({
        "cniVersion": "1.0.0", "name": "blue", "type": "sriov", "deviceID": vf.address, "vlan": 7,
    });
    let arguments = "IgnoreUnknown=1;K8S_POD_NAMESPACE=shop;K8S_POD_NAME=cart-0;K8S_POD_UID=u1";
    Call::add("sriov", "c1", &pod, &config).env("CNI_ARGS", arguments).run().ok();
    put_policy("net", "enp1s0", 2, "");
    let waits = railhead("apply").failed_with(1);
    assert!(waits.stdout.contains("VF 0 (pod shop/cart-0 (net1))"), "{waits}");
    assert_eq!(pod.links(), ["net1"]);

    drop(pod);
    vf.wait_for_netdev();
    railhead("apply").ok();
    assert_eq!(pf(0).num_vfs(), 2);
    let attachments = railhead("attachments -o json").ok().json();
    assert_eq!(attachments["attachments"], json!([]));
    undo("net");
}
