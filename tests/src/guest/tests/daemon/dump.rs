//! A dump of this machine says later, when all is different here, what the machine said.

use std::fs;

use serde_json::json;

use super::{drop_policy, put_policy, undo};
use crate::guest::Test;
use crate::guest::cni::Call;
use crate::guest::host::{pf, read};
use crate::guest::pod::Pod;
use crate::guest::program::{Output, Program, run};
use crate::guest::railhead::{object, policy, railhead, settings};
use crate::guest::trace::Trace;
use crate::guest::wait::wait_for;

pub(super) const TESTS: &[Test] =
    &[("daemon::dump::says_later_what_the_machine_said", says_later_what_the_machine_said)];

const DUMP: &str = "/root/dump.json";

/// All that can be asked of a dump.
const LOOKS: [&str; 8] = [
    "discover -o json",
    "plan -o json --exit-code",
    "explain enp1s0 -o json",
    "explain enp1s0#0 -o json",
    "explain storage",
    "explain late -o json",
    "status -o json",
    "doctor -o json",
];

const POOL: &str = "apiVersion: nv-ipam.nvidia.com/v1alpha1
kind: IPPool
metadata: {name: blue}
spec: {subnet: 192.168.100.0/24, perNodeBlockSize: 8, gateway: 192.168.100.1}
";

fn says(look: &str, of: &str) -> (i32, String, String) {
    let Output { status, stdout, stderr, .. } = railhead(&format!("{look} {of}"));
    (status, stdout, stderr)
}

fn says_later_what_the_machine_said() {
    // In force, with a VF in a container, one that somebody took, and another name.
    settings("");
    run("ip link property add dev enp1s0 altname storage").ok();
    object("net.yaml", &policy("net", "storage", 3, "  mtu: 4000\n"));
    object("blue.yaml", POOL);
    railhead("apply").ok();
    let vfs = pf(0).vfs();
    let (pod, thief) = (Pod::new("pod"), Pod::bare("thief"));
    let config = json!({
        "cniVersion": "1.0.0", "name": "blue", "type": "sriov", "deviceID": vfs[0].address,
        "ipam": {"type": "nv-ipam", "poolName": "blue"},
    });
    Call::add("sriov", "c1", &pod, &config).run().ok();
    run(&format!("ip link set {} netns thief", vfs[1].wait_for_netdev())).ok();
    // Not in force, on a NIC that the machine is reached by.
    object("late.yaml", &policy("late", "enp2s0", 1, ""));
    run("ip link add link enp2s0 name lan type vlan id 5").ok();
    run("ip link set enp2s0 up").ok();
    run("ip link set lan up").ok();
    run("ip route add default dev lan").ok();
    // A link that comes up between the look and the dump is told as another.
    wait_for("the link of enp2s0", || {
        (read("/sys/class/net/enp2s0/operstate") == "up").then_some(())
    });

    let here = LOOKS.map(|look| says(look, ""));
    assert!(here[1].1.contains("below lan"), "{}", here[1].1);
    railhead(&format!("dump {DUMP}")).ok();
    railhead("dump /root/again.json").ok();
    let [first, again] =
        [DUMP, "/root/again.json"].map(|file| fs::read_to_string(file).expect("a dump"));
    let differ = |line: &&str| !line.contains("\"time\":") && !line.contains("\"taken\":");
    assert_eq!(
        first.lines().filter(differ).collect::<Vec<_>>(),
        again.lines().filter(differ).collect::<Vec<_>>(),
        "the same at every run"
    );

    run("ip link del lan").ok();
    run("ip link set enp2s0 down").ok();
    drop(thief);
    vfs[1].wait_for_netdev();
    Call::del("sriov", "c1", &pod, &config).run().ok();
    drop(pod);
    vfs[0].wait_for_netdev();
    run("ip link property del dev enp1s0 altname storage").ok();
    drop_policy("late");
    drop_policy("blue");
    undo("net");
    put_policy("other", "enp9s0", 1, "");
    for (look, here) in LOOKS.iter().zip(here) {
        assert_eq!(says(look, &format!("--replay {DUMP}")), here, "{look}");
    }
    let trace = Trace::new("replay").only("socket");
    Program::new(&format!("railhead status --replay {DUMP}")).under(&trace.command()).run();
    let sockets = trace.calls("socket");
    assert!(sockets.iter().all(|call| !call.contains("NETLINK")), "{sockets:?}");
    drop_policy("other");
}
