//! What a pod does to its interface.

use std::fs;
use std::path::Path;

use super::seen::{SYSCTLS, inside};
use crate::guest::pod::Pod;

/// What is put right without the driver: by netlink, or by the kernel with the move. One line after the other.
pub(super) const GENTLE: &[&str] = &[
    "ip token set ::7 dev net1",
    "ip link set net1 mtu 1400",
    "ip link set net1 promisc on allmulticast on",
    "ip link set net1 txqueuelen 17",
    "ip link set net1 group 77",
    "ip link set net1 alias mine",
    "ip link set net1 broadcast 02:00:00:00:00:01",
    "ip link set net1 gso_max_size 30000 gso_max_segs 100 gro_max_size 30000",
    "ip link property add dev net1 altname mine0",
    "ip link set net1 xdpgeneric pinned /tmp/bpf/xdp",
    "tc qdisc replace dev net1 root handle 1: prio",
    "tc filter add dev net1 parent 1: matchall classid 1:1",
    "tc qdisc add dev net1 clsact",
    "tc filter add dev net1 ingress matchall classid 1:1",
    "tc filter add dev net1 egress matchall classid 1:1",
    "ip addr add 10.9.0.1/24 dev net1",
    "ip addr add fd00:9::1/64 dev net1 nodad",
    "ip neigh add 10.9.0.9 lladdr 02:00:00:00:00:09 dev net1 nud permanent",
    "ip neigh add proxy 10.9.0.77 dev net1",
    "ip maddr add 01:00:5e:00:00:77 dev net1",
    "bridge fdb add 02:00:00:00:00:08 dev net1 self permanent",
    "ip nexthop add id 7 dev net1",
    "ip route add 10.99.0.0/16 dev net1",
    "ip route add 10.98.0.0/16 dev net1 table 77",
    "ip rule add iif net1 table 77",
    "ip link add link net1 name v5 type vlan id 5",
    "ip link set v5 up",
    "ip link add br9 type bridge",
    "ip link set net1 master br9",
    "ip link set net1 mode dormant",
    "ip link set net1 arp off multicast off",
];

/// What else may stand on it, and leaves no room for the others.
pub(super) const ON_IT: &[&str] = &[
    "ip link add link net1 name m1 type macvlan",
    "ip link set m1 up",
    "tc qdisc add dev net1 ingress",
    "tee /proc/sys/net/ipv6/conf/net1/disable_ipv6 1",
];

/// What only a driver that is bound anew takes away. Each in a life of its own, for one alone has to be found too.
pub(super) const HARD: &[&str] = &[
    "ethtool -K net1 gro off",
    "ethtool -K net1 tso off",
    "ethtool -G net1 rx 128 tx 128",
    "ethtool -C net1 rx-usecs 100",
    "ethtool -s net1 msglvl 4",
    "tee /sys/class/net/net1/gro_flush_timeout 20000",
    "tee /sys/class/net/net1/napi_defer_hard_irqs 5",
    "tee /sys/class/net/net1/threaded 1",
    "tee /sys/class/net/net1/power/control on",
    "tee /sys/class/net/net1/power/async enabled",
    "tee /sys/class/net/net1/queues/rx-0/rps_cpus 1",
    "tee /sys/class/net/net1/queues/rx-0/rps_flow_cnt 64",
    "tee /sys/class/net/net1/queues/tx-0/byte_queue_limits/hold_time 500",
    "tee /sys/class/net/net1/queues/tx-0/byte_queue_limits/limit_max 5000",
    "tee /sys/class/net/net1/queues/tx-0/byte_queue_limits/limit_min 50",
    "tee /sys/class/net/net1/queues/tx-0/byte_queue_limits/stall_thrs 52",
];

/// Does it, and sees that it is done: a deed that the machine refuses would prove nothing.
#[track_caller]
pub(super) fn done(pod: &Pod, line: &str) {
    let Some((file, value)) = line.strip_prefix("tee ").and_then(|file| file.split_once(' '))
    else {
        pod.run(line).ok();
        return;
    };
    pod.program(&format!("tee {file}")).input(value.to_owned()).run().ok();
    let now = pod.run(&format!("cat {file}")).ok().stdout;
    assert_eq!(now.trim(), value, "{file}");
}

/// Gives every sysctl of the interface that can have one another value.
#[track_caller]
pub(super) fn all_sysctls(pod: &Pod) {
    inside(pod, || {
        for tree in SYSCTLS {
            let directory = format!("/proc/sys/net/{tree}/net1");
            for entry in fs::read_dir(&directory).expect("sysctls") {
                let path = entry.expect("an entry").path();
                // With it off the addresses go, and more with them: it has a life of its own.
                if !path.ends_with("disable_ipv6") {
                    changed(&path);
                }
            }
        }
    });
}

/// Whether the file took another value.
fn changed(path: &Path) -> bool {
    if path.ends_with("stable_secret") {
        return fs::write(path, "2001:db8::7").is_ok();
    }
    let read = || fs::read_to_string(path).ok().and_then(|text| text.trim().parse::<i64>().ok());
    let Some(before) = read() else { return false };
    [before + 1, before - 1, 1, 0, before * 2, 100].iter().any(|other| {
        fs::write(path, other.to_string()).is_ok() && read().is_some_and(|now| now != before)
    })
}
