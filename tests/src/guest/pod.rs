//! A pod as far as the network is concerned: a named network namespace.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use serde_json::Value;

use super::program::{Output, Program, run};
use super::wait::within;

/// How many there were.
static PODS: AtomicU32 = AtomicU32::new(0);

/// What a plugin does in the pod for its first interface.
pub const ETH0: [&str; 5] = [
    "link set eth0 up",
    "addr add 10.244.0.5/24 dev eth0",
    "addr add fd00:244::5/64 dev eth0 nodad",
    "route add default via 10.244.0.1",
    "route add default via fd00:244::1",
];

/// A network namespace under `/run/netns`. Dropped: deleted, whereupon the kernel gives physical interfaces back.
#[derive(Debug)]
pub struct Pod {
    name: String,
    /// The host's end of its eth0.
    peer: Option<String>,
}

impl Pod {
    /// Makes a namespace with its loopback up, and with an eth0 as a cluster's first network leaves it: a veth with
    /// addresses and default routes of both families. `sriov::chains` has one that a real plugin makes.
    #[track_caller]
    pub fn new(name: &str) -> Self {
        let mut pod = Self::bare(name);
        // The kernel takes its time to remove that of a pod that is gone.
        let peer = format!("veth{}", PODS.fetch_add(1, Ordering::Relaxed));
        let lines = [
            format!("link add {peer} type veth peer name eth0 netns {name}"),
            format!("link set {peer} up"),
        ];
        Program::new("ip -batch -").input(lines.join("\n")).run().ok();
        pod.program("ip -batch -").input(ETH0.join("\n")).run().ok();
        pod.peer = Some(peer);
        pod
    }

    /// Makes a namespace with its loopback up, and nothing else.
    #[track_caller]
    pub fn bare(name: &str) -> Self {
        run(&format!("ip netns add {name}")).ok();
        let pod = Self { name: name.to_owned(), peer: None };
        pod.run("ip link set lo up").ok();
        pod
    }

    /// The name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What a container runtime would give as `CNI_NETNS`.
    pub fn path(&self) -> String {
        format!("/run/netns/{}", self.name)
    }

    /// Runs a program, split at white space, inside.
    #[track_caller]
    pub fn run(&self, line: &str) -> Output {
        self.program(line).run()
    }

    /// A program to run inside.
    pub fn program(&self, line: &str) -> Program {
        Program::new(line).under(&format!("ip netns exec {}", self.name))
    }

    /// Names of all interfaces but the loopback and the eth0 that it was made with.
    #[track_caller]
    pub fn links(&self) -> Vec<String> {
        let links = self.run("ip -j link").ok().json();
        let names = links.as_array().expect("an array").iter();
        names
            .map(|link| link["ifname"].as_str().expect("a name").to_owned())
            .filter(|name| name != "lo" && !(name == "eth0" && self.peer.is_some()))
            .collect()
    }

    /// One interface, as `ip -j -d addr` prints it: link and addresses.
    #[track_caller]
    pub fn link(&self, name: &str) -> Value {
        self.run(&format!("ip -j -d addr show dev {name}")).ok().json()[0].clone()
    }

    /// The addresses of an interface as `ADDRESS/LENGTH`, without link-local ones.
    #[track_caller]
    pub fn addresses(&self, name: &str) -> Vec<String> {
        let link = self.link(name);
        let addresses = link["addr_info"].as_array().expect("an array").iter();
        addresses
            .filter(|address| address["scope"] != "link")
            .map(|address| {
                format!("{}/{}", address["local"].as_str().expect("text"), address["prefixlen"])
            })
            .collect()
    }

    /// Whether an address answers. Tries for a while, since a link that has just come up loses the first frames.
    pub fn reaches(&self, address: &str) -> bool {
        let answered = || self.run(&format!("ping -c 1 -W 1 {address}")).status == 0;
        within(Duration::from_secs(15), || answered().then_some(())).is_some()
    }

    /// Whether an address stays silent to three pings.
    pub fn does_not_reach(&self, address: &str) -> bool {
        self.run(&format!("ping -c 3 -W 1 {address}")).status != 0
    }
}

impl Drop for Pod {
    fn drop(&mut self) {
        if let Some(peer) = &self.peer
            && std::path::Path::new(&format!("/sys/class/net/{peer}")).exists()
        {
            // It may go by itself meanwhile, with the other end.
            run(&format!("ip link del {peer}"));
        }
        // The test may have deleted it itself.
        if std::path::Path::new(&self.path()).exists() {
            run(&format!("ip netns del {}", self.name));
        }
    }
}
