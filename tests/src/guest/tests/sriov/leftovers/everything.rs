//! Every setting of an interface, set in a pod and looked at afterwards.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use super::{End, Tenancy};
use crate::guest::host::Vf;
use crate::guest::pod::Pod;
use crate::guest::program::run;
use crate::guest::transcript::silently;

/// What a pod does to its interface: a name, and lines; one that begins with `/` is a file and what is written to it.
const DEEDS: &[(&str, &[&str])] = &[
    ("flags", &["ip link set net1 arp off multicast off"]),
    ("modes", &["ip link set net1 mode dormant"]),
    ("promiscuity", &["ip link set net1 promisc on allmulticast on"]),
    ("queue length", &["ip link set net1 txqueuelen 17"]),
    ("group and alias", &["ip link set net1 group 77", "ip link set net1 alias mine"]),
    ("broadcast", &["ip link set net1 broadcast 02:00:00:00:00:01"]),
    (
        "limits",
        &[
            "ip link set net1 gso_max_size 30000 gso_max_segs 100",
            "ip link set net1 gro_max_size 30000",
        ],
    ),
    ("mtu and address", &["ip link set net1 mtu 1300"]),
    ("offloads", &["ethtool -K net1 gro off gso off tso off"]),
    ("rings", &["ethtool -G net1 rx 128 tx 128"]),
    ("coalescing", &["ethtool -C net1 rx-usecs 100"]),
    ("messages", &["ethtool -s net1 msglvl 0xffff"]),
    (
        "napi",
        &[
            "/sys/class/net/net1/gro_flush_timeout 20000",
            "/sys/class/net/net1/napi_defer_hard_irqs 5",
        ],
    ),
    ("threads", &["/sys/class/net/net1/threaded 1"]),
    (
        "steering",
        &[
            "/sys/class/net/net1/queues/rx-0/rps_cpus 1",
            "/sys/class/net/net1/queues/rx-0/rps_flow_cnt 64",
        ],
    ),
    ("a queue's rate", &["/sys/class/net/net1/queues/tx-0/byte_queue_limits/limit_max 5000"]),
    (
        "filters",
        &[
            "tc qdisc replace dev net1 root pfifo limit 7",
            "tc qdisc add dev net1 clsact",
            "tc filter add dev net1 ingress matchall action drop",
            "tc filter add dev net1 egress matchall action drop",
        ],
    ),
    ("an ingress qdisc", &["tc qdisc add dev net1 ingress"]),
    (
        "addresses",
        &[
            "ip addr add 10.9.0.1/24 dev net1",
            "ip addr add fd00:9::1/64 dev net1 nodad",
            "ip neigh add 10.9.0.9 lladdr 02:00:00:00:00:09 dev net1 nud permanent",
            "ip maddr add 01:00:5e:00:00:77 dev net1",
            "bridge fdb add 02:00:00:00:00:08 dev net1 self permanent",
            "ip route add 10.99.0.0/16 dev net1",
        ],
    ),
    (
        "sysctls",
        &[
            "/proc/sys/net/ipv4/conf/net1/rp_filter 2",
            "/proc/sys/net/ipv4/conf/net1/proxy_arp 1",
            "/proc/sys/net/ipv4/neigh/net1/base_reachable_time 77",
            "/proc/sys/net/ipv6/conf/net1/accept_ra 2",
            "/proc/sys/net/ipv6/conf/net1/disable_ipv6 1",
            "/proc/sys/net/ipv6/neigh/net1/retrans_time_ms 777",
        ],
    ),
    (
        "what stands on it",
        &[
            "ip link add link net1 name v5 type vlan id 5",
            "ip link set v5 up",
            "ip link add link net1 name m1 type macvlan",
            "ip link set m1 up",
        ],
    ),
];

pub(super) fn nothing_of_a_pod_stays_on_its_vf() {
    let tenancy = Tenancy::new();
    let vf = &tenancy.bed.vfs[0];
    let before = everything(vf);
    for end in [End::Del, End::Death] {
        for (name, lines) in DEEDS {
            silently(|| lived_and_unchanged(&tenancy, end, name, &before, |pod| done(pod, lines)));
        }
        lived_and_unchanged(&tenancy, end, "all at once", &before, |pod| {
            DEEDS
                .iter()
                // It cannot have both.
                .filter(|(name, _)| *name != "an ingress qdisc")
                .for_each(|(_, lines)| done(pod, lines));
        });
        lived_and_unchanged(&tenancy, end, "nothing", &before, |_| {});
    }
}

#[track_caller]
fn lived_and_unchanged(
    tenancy: &Tenancy,
    end: End,
    name: &str,
    before: &BTreeMap<String, String>,
    life: impl FnOnce(&Pod),
) {
    let log = tenancy.lived(end, life);
    let after = everything(&tenancy.bed.vfs[0]);
    let names = before.keys().chain(after.keys());
    let mut changed: Vec<String> = names
        .filter(|name| before.get(*name) != after.get(*name))
        .map(|name| format!("{name}: {:?} -> {:?}", before.get(name), after.get(name)))
        .collect();
    changed.sort();
    changed.dedup();
    assert!(changed.is_empty(), "{name}, {end:?}:\n{}\n{log}", changed.join("\n"));
    let quiet = ["nothing", "modes", "queue length", "filters", "addresses", "sysctls"];
    if quiet.contains(&name) {
        assert!(!log.contains("anew"), "{name}: no driver has to be bound for that: {log}");
    }
}

/// Does it, and sees that it is done: a deed that the machine refuses would prove nothing.
#[track_caller]
fn done(pod: &Pod, lines: &[&str]) {
    for line in lines {
        match line.strip_prefix('/').and_then(|file| file.split_once(' ')) {
            Some((file, value)) => {
                pod.program(&format!("tee /{file}")).input(value.to_owned()).run().ok();
                let now = pod.run(&format!("cat /{file}")).ok().stdout;
                assert_eq!(now.trim(), value, "{file}");
            }
            None => {
                pod.run(line).ok();
            }
        }
    }
}

/// What tells of the interface at one moment alone, or where it stands: statistics, indices, what a carrier does.
const MOMENTARY: &[&str] = &[
    "ifindex",
    "iflink",
    "uevent",
    "carrier",
    "carrier_changes",
    "carrier_up_count",
    "carrier_down_count",
    "operstate",
    "dormant",
    "speed",
    "duplex",
    "statistics",
    "power",
    "device",
    "subsystem",
    // How address and name came about: what was set back is what was set.
    "addr_assign_type",
    "name_assign_type",
    // What a queue has counted.
    "inflight",
    "limit",
    "tx_timeout",
    "traffic_class",
    "stall_cnt",
    "stall_max",
    "stall_thrs",
];

/// All that ethtool, tc, ip and bridge say, and every file of sysfs and sysctl.
fn everything(vf: &Vf) -> BTreeMap<String, String> {
    let netdev = vf.wait_for_netdev();
    let mut all = BTreeMap::new();
    for option in
        ["-k", "-g", "-l", "-c", "-a", "-n", "-x", "--show-priv-flags", "--show-eee", "-T"]
    {
        let said = run(&format!("ethtool {option} {netdev}"));
        all.insert(format!("ethtool {option}"), said.stdout);
    }
    // What the link does is no setting.
    let plain = run(&format!("ethtool {netdev}")).stdout;
    let settings: Vec<&str> =
        plain.lines().filter(|line| line.contains("ake-on") || line.contains("essage")).collect();
    all.insert("ethtool".to_owned(), settings.join("\n"));
    for line in [
        format!("tc filter show dev {netdev}"),
        format!("tc filter show dev {netdev} ingress"),
        format!("tc filter show dev {netdev} egress"),
        format!("ip maddr show dev {netdev}"),
        format!("ip neigh show dev {netdev}"),
        format!("ip route show table all dev {netdev}"),
        format!("ip -6 route show table all dev {netdev}"),
        format!("bridge fdb show dev {netdev}"),
    ] {
        all.insert(line.clone(), run(&line).stdout);
    }
    let qdiscs = run(&format!("tc qdisc show dev {netdev}")).stdout;
    let default = ["qdisc noop ", "qdisc fq_codel ", "qdisc pfifo_fast ", "qdisc mq "];
    let odd: Vec<&str> =
        qdiscs.lines().filter(|line| !default.iter().any(|own| line.starts_with(own))).collect();
    all.insert("tc qdisc".to_owned(), odd.join("\n"));
    read_tree(&mut all, Path::new(&format!("/sys/class/net/{netdev}")));
    for tree in ["ipv4/conf", "ipv4/neigh", "ipv6/conf", "ipv6/neigh"] {
        read_tree(&mut all, Path::new(&format!("/proc/sys/net/{tree}/{netdev}")));
    }
    // A secret that the kernel makes up, which no reader without a key gets.
    all.retain(|name, _| !name.ends_with("stable_secret"));
    all
}

fn read_tree(all: &mut BTreeMap<String, String>, directory: &Path) {
    for entry in fs::read_dir(directory).into_iter().flatten() {
        let path = entry.expect("an entry").path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if MOMENTARY.contains(&name.as_str()) || name.starts_with("upper_") {
            continue;
        }
        if path.is_dir() {
            read_tree(all, &path);
        } else {
            let text = fs::read_to_string(&path).unwrap_or_else(|error| error.kind().to_string());
            all.insert(path.display().to_string(), text);
        }
    }
}
