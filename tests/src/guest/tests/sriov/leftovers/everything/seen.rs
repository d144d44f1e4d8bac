//! All that the kernel tells of an interface, by name.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use serde_json::Value;

use crate::guest::bpf;
use crate::guest::host::Vf;
use crate::guest::netlink::{self, Attributes};
use crate::guest::pod::Pod;
use crate::guest::program::run;
use crate::guest::transcript::silently;

pub(super) const LINK: &str = "RTM_GETLINK";
pub(super) const ETHTOOL: &str = "ethtool";
pub(super) const SYSFS: &str = "/sys/class/net/IF";
pub(super) const SYSCTLS: [&str; 4] = ["ipv4/conf", "ipv4/neigh", "ipv6/conf", "ipv6/neigh"];
pub(super) const BESIDE: &str = "other tables";

/// What is told by which name of which source: `RTM_GETLINK IFLA_MTU`, `/sys/class/net/IF mtu`.
#[derive(Debug, Clone, Default)]
pub(super) struct Seen(pub(super) BTreeMap<String, String>);

/// The attributes of a link by number, as `include/uapi/linux/if_link.h` has them.
const IFLA: &[&str] = &[
    "UNSPEC",
    "ADDRESS",
    "BROADCAST",
    "IFNAME",
    "MTU",
    "LINK",
    "QDISC",
    "STATS",
    "COST",
    "PRIORITY",
    "MASTER",
    "WIRELESS",
    "PROTINFO",
    "TXQLEN",
    "MAP",
    "WEIGHT",
    "OPERSTATE",
    "LINKMODE",
    "LINKINFO",
    "NET_NS_PID",
    "IFALIAS",
    "NUM_VF",
    "VFINFO_LIST",
    "STATS64",
    "VF_PORTS",
    "PORT_SELF",
    "AF_SPEC",
    "GROUP",
    "NET_NS_FD",
    "EXT_MASK",
    "PROMISCUITY",
    "NUM_TX_QUEUES",
    "NUM_RX_QUEUES",
    "CARRIER",
    "PHYS_PORT_ID",
    "CARRIER_CHANGES",
    "PHYS_SWITCH_ID",
    "LINK_NETNSID",
    "PHYS_PORT_NAME",
    "PROTO_DOWN",
    "GSO_MAX_SEGS",
    "GSO_MAX_SIZE",
    "PAD",
    "XDP",
    "EVENT",
    "NEW_NETNSID",
    "TARGET_NETNSID",
    "CARRIER_UP_COUNT",
    "CARRIER_DOWN_COUNT",
    "NEW_IFINDEX",
    "MIN_MTU",
    "MAX_MTU",
    "PROP_LIST",
    "ALT_IFNAME",
    "PERM_ADDRESS",
    "PROTO_DOWN_REASON",
    "PARENT_DEV_NAME",
    "PARENT_DEV_BUS_NAME",
    "GRO_MAX_SIZE",
    "TSO_MAX_SIZE",
    "TSO_MAX_SEGS",
    "ALLMULTI",
    "DEVLINK_PORT",
    "GSO_IPV4_MAX_SIZE",
    "GRO_IPV4_MAX_SIZE",
    "DPLL_PIN",
    "MAX_PACING_OFFLOAD_HORIZON",
    "NETNS_IMMUTABLE",
    "HEADROOM",
    "TAILROOM",
];

/// Those below `IFLA_AF_SPEC` for IPv6.
const INET6: &[&str] = &[
    "UNSPEC",
    "FLAGS",
    "CONF",
    "STATS",
    "MCAST",
    "CACHEINFO",
    "ICMP6STATS",
    "TOKEN",
    "ADDR_GEN_MODE",
    "RA_MTU",
];

/// The commands of the family `ethtool` that ask, as `include/uapi/linux/ethtool_netlink.h` has them. The other ones
/// set or do something.
const ETHTOOL_GETS: &[(u8, &str)] = &[
    (1, "STRSET"),
    (2, "LINKINFO"),
    (4, "LINKMODES"),
    (6, "LINKSTATE"),
    (7, "DEBUG"),
    (9, "WOL"),
    (11, "FEATURES"),
    (13, "PRIVFLAGS"),
    (15, "RINGS"),
    (17, "CHANNELS"),
    (19, "COALESCE"),
    (21, "PAUSE"),
    (23, "EEE"),
    (25, "TSINFO"),
    (28, "TUNNEL_INFO"),
    (29, "FEC"),
    (31, "MODULE_EEPROM"),
    (32, "STATS"),
    (33, "PHC_VCLOCKS"),
    (34, "MODULE"),
    (36, "PSE"),
    (38, "RSS"),
    (39, "PLCA_CFG"),
    (41, "PLCA_STATUS"),
    (42, "MM"),
    (45, "PHY"),
    (46, "TSCONFIG"),
];
const ETHTOOL_OTHERS: &[u8] =
    &[3, 5, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 27, 30, 35, 37, 40, 43, 44, 47];

const AF_INET: u16 = 2;
const AF_INET6: u16 = 10;
const IFLA_AF_SPEC: u16 = 26;
const IFLA_PROP_LIST: u16 = 52;
const NONE: &str = "none";

/// How it is told that an interface listens to all nodes of IPv6: it does from when it is made until it is down for the
/// first time, and then while it is up.
const ALL_NODES: [&str; 2] = [
    r#"{"link":"33:33:00:00:00:01"},"#,
    r#"{"mac":"33:33:00:00:00:01","flags":["self"],"state":"permanent"}"#,
];

impl Seen {
    /// Of a VF that is home.
    #[track_caller]
    pub(super) fn of(vf: &Vf) -> Self {
        let netdev = vf.wait_for_netdev();
        silently(|| Self::here(&netdev))
    }

    /// Of an interface in a pod.
    #[track_caller]
    pub(super) fn in_pod(pod: &Pod, name: &str) -> Self {
        inside(pod, || silently(|| Self::here(name)))
    }

    /// Of an interface of the calling thread's namespace.
    #[track_caller]
    fn here(name: &str) -> Self {
        let mut seen = Self::default();
        seen.link(name);
        seen.ethtool(name);
        seen.sysfs(name);
        for tree in SYSCTLS {
            let directory = format!("/proc/sys/net/{tree}/{name}");
            seen.files(&source(tree), Path::new(&directory), "");
        }
        seen.beside(name);
        seen
    }

    /// The names that are told otherwise by `other`, or by one of the two alone.
    pub(super) fn differing(&self, other: &Self) -> Vec<String> {
        let names = self.0.keys().chain(other.0.keys());
        let mut names: Vec<String> =
            names.filter(|name| self.0.get(*name) != other.0.get(*name)).cloned().collect();
        names.sort();
        names.dedup();
        names
    }

    fn add(&mut self, source: &str, name: &str, value: impl Into<String>) {
        self.0.insert(format!("{source} {name}"), value.into());
    }

    fn link(&mut self, name: &str) {
        let (flags, attributes) = netlink::link(name);
        // Up, running, dormant and so on are the state of the link, as IFLA_OPERSTATE is.
        const STATE: u32 = 0x1_0000 | 0x2_0000 | 0x40;
        self.add(LINK, "ifi_flags", format!("{:#x}", flags & !STATE));
        for (kind, value) in attributes {
            let name = IFLA.get(usize::from(kind));
            let name = name.unwrap_or_else(|| panic!("IFLA {kind} is new: name it"));
            match kind {
                IFLA_AF_SPEC => self.families(&value),
                IFLA_PROP_LIST => self.add(LINK, "IFLA_ALT_IFNAME", format!("{value:02x?}")),
                _ => self.add(LINK, &format!("IFLA_{name}"), format!("{value:02x?}")),
            }
        }
    }

    fn families(&mut self, nested: &[u8]) {
        for (family, value) in netlink::attributes(nested) {
            match family {
                AF_INET => self.add(LINK, "IFLA_INET_CONF", format!("{value:02x?}")),
                AF_INET6 => {
                    for (kind, value) in netlink::attributes(&value) {
                        let name = INET6.get(usize::from(kind));
                        let name =
                            name.unwrap_or_else(|| panic!("IFLA_INET6 {kind} is new: name it"));
                        self.add(LINK, &format!("IFLA_INET6_{name}"), format!("{value:02x?}"));
                    }
                }
                family => panic!("IFLA_AF_SPEC of family {family} is new: name it"),
            }
        }
    }

    fn ethtool(&mut self, name: &str) {
        let (family, commands) = netlink::ethtool_family();
        for command in commands {
            if ETHTOOL_OTHERS.contains(&command) {
                continue;
            }
            let known = ETHTOOL_GETS.iter().find(|(number, _)| *number == command);
            let (_, known) =
                known.unwrap_or_else(|| panic!("ethtool command {command} is new: name it"));
            let told = match netlink::ethtool(family, command, name) {
                Ok(attributes) => shown(&attributes),
                Err(errno) => format!("{errno:?}"),
            };
            self.add(ETHTOOL, &format!("ETHTOOL_MSG_{known}_GET"), told);
        }
    }

    fn sysfs(&mut self, name: &str) {
        self.files(SYSFS, Path::new(&format!("/sys/class/net/{name}")), "");
    }

    /// The files of a directory and those below it. Other devices are no part of the netdev, and what was counted is one
    /// thing.
    fn files(&mut self, source: &str, directory: &Path, prefix: &str) {
        let entries = fs::read_dir(directory);
        let entries = entries.unwrap_or_else(|error| panic!("{}: {error}", directory.display()));
        for entry in entries {
            let path = entry.expect("an entry").path();
            let file = path.file_name().expect("a name").to_string_lossy().into_owned();
            let name = format!("{prefix}{file}");
            // What a bridge knows of its port is gone with IFLA_MASTER.
            if path.is_symlink() || file == "brport" {
                continue;
            }
            if file == "statistics" {
                self.add(source, &name, "");
            } else if path.is_dir() {
                self.files(source, &path, &format!("{name}/"));
            } else {
                let text = fs::read_to_string(&path).unwrap_or_else(|error| error.to_string());
                self.add(source, &name, text.trim());
            }
        }
    }

    /// What stands in other tables of the kernel's.
    fn beside(&mut self, name: &str) {
        let index = fs::read_to_string(format!("/sys/class/net/{name}/ifindex")).expect("an index");
        let index = index.trim();
        for (what, line) in [
            ("multicast", "ip -j maddr show dev IF"),
            ("neighbours", "ip -j neigh show dev IF nud all"),
            ("proxied neighbours", "ip -j neigh show proxy dev IF"),
            ("routes", "ip -j route show table all dev IF"),
            ("routes of IPv6", "ip -j -6 route show table all dev IF"),
            ("next hops", "ip -j nexthop show dev IF"),
            ("FDB entries", "bridge -j fdb show dev IF"),
            ("filters", "tc filter show dev IF"),
            ("filters of ingress", "tc filter show dev IF ingress"),
            ("filters of egress", "tc filter show dev IF egress"),
        ] {
            let said = run(&line.replace("IF", name)).stdout;
            let mut said = said.replace(&format!("\"ifindex\":{index},"), "").replace(name, "IF");
            for all_nodes in ALL_NODES {
                said = said.replace(all_nodes, "");
            }
            self.add(BESIDE, what, said.trim());
        }
        let mut addresses = run(&format!("ip -j addr show dev {name}")).ok().json();
        self.add(BESIDE, "addresses", addresses[0]["addr_info"].take().to_string());
        // What queues by default depends on whether it was ever up.
        let qdiscs = run(&format!("tc -j qdisc show dev {name}")).ok().json();
        let default = ["noop", "fq_codel", "pfifo_fast", "mq"].map(Value::from);
        let odd = qdiscs.as_array().into_iter().flatten();
        let odd: Vec<String> = odd
            .filter(|qdisc| !default.contains(&qdisc["kind"]))
            .map(|qdisc| qdisc["kind"].to_string())
            .collect();
        self.add(BESIDE, "queueing", odd.join(" "));
        let uppers = fs::read_dir(format!("/sys/class/net/{name}")).expect("a directory");
        let names = uppers.map(|entry| entry.expect("an entry").file_name());
        let names: Vec<String> = names
            .map(|name| name.to_string_lossy().into_owned())
            .filter(|name| name.starts_with("upper_"))
            .collect();
        self.add(BESIDE, "what stands on it", names.join(" "));
        let programs = bpf::tcx_programs(index.parse().expect("an index"));
        let programs = if programs == 0 { NONE.to_owned() } else { programs.to_string() };
        self.add(BESIDE, "tcx", programs);
    }
}

/// The source of what is in this directory of `/proc/sys/net`.
pub(super) fn source(tree: &str) -> String {
    format!("/proc/sys/net/{tree}/IF")
}

/// Does something in a pod's namespace, whose interfaces are in sysfs then.
#[track_caller]
pub(super) fn inside<T: Send>(pod: &Pod, work: impl FnOnce() -> T + Send) -> T {
    bpf::inside(pod, || {
        unshare(CloneFlags::CLONE_NEWNS).expect("a mount namespace");
        let none: Option<&str> = None;
        mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none).expect("keep mounts");
        mount(Some("sysfs"), "/sys", Some("sysfs"), MsFlags::empty(), none).expect("mount sysfs");
        work()
    })
}

fn shown(attributes: &Attributes) -> String {
    let each = attributes.iter().map(|(kind, value)| format!("{kind}: {value:02x?}"));
    each.collect::<Vec<_>>().join("\n")
}
