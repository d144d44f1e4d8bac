//! A PF that the machine itself is reached by is not interrupted, however that is hidden.

use super::{drivers, drop_policy, put_policy, undo};
use crate::guest::Test;
use crate::guest::host::pf;
use crate::guest::program::run;
use crate::guest::railhead::{railhead, settings};

pub(super) const TESTS: &[Test] = &[
    ("daemon::guard::sees_the_pf_below_whatever_the_machine_is_reached_by", sees_the_pf),
    ("daemon::guard::sees_what_leads_to_addresses_of_the_settings", sees_listed_addresses),
    ("daemon::guard::sees_a_vf_that_the_machine_is_reached_by", sees_a_vf),
    ("daemon::guard::yields_to_the_settings", yields_to_the_settings),
];

/// How the machine is set up, how it is taken down again, and what is told.
struct Setup {
    up: &'static [&'static str],
    down: &'static [&'static str],
    says: &'static str,
}

const SETUPS: &[Setup] = &[
    Setup {
        up: &["addr add 192.0.2.1/24 dev enp1s0", "route add default via 192.0.2.254"],
        down: &["route del default", "addr del 192.0.2.1/24 dev enp1s0"],
        says: "since it carries the default route;",
    },
    Setup {
        up: &["-6 addr add 2001:db8::1/64 dev enp1s0 nodad", "-6 route add default dev enp1s0"],
        down: &["-6 route del default", "-6 addr del 2001:db8::1/64 dev enp1s0"],
        says: "since it carries the default route;",
    },
    // The half routes of a VPN, and one of two next hops.
    Setup {
        up: &[
            "link add dummy0 up type dummy",
            "addr add 192.0.2.1/24 dev enp1s0",
            "addr add 198.51.100.1/24 dev dummy0",
            "route add 128.0.0.0/1 nexthop via 198.51.100.2 nexthop via 192.0.2.254",
        ],
        down: &["link del dummy0", "addr del 192.0.2.1/24 dev enp1s0"],
        says: "since it carries the default route;",
    },
    // A table of its own, as with policy routing.
    Setup {
        up: &["route add default dev enp1s0 table 100"],
        down: &["route del default dev enp1s0 table 100"],
        says: "since it carries the default route of table 100;",
    },
    // No default route at all: the address is what the node is known by.
    Setup {
        up: &["addr add 192.0.2.1/24 dev enp1s0"],
        down: &["addr del 192.0.2.1/24 dev enp1s0"],
        says: "since there is no default route, and it has the address 192.0.2.1;",
    },
    Setup {
        up: &[
            "link add link enp1s0 name lan type vlan id 5",
            "link set lan up",
            "route add default dev lan",
        ],
        down: &["link del lan"],
        says: "since it carries the default route (below lan);",
    },
    // A VLAN on a bridge on the PF.
    Setup {
        up: &[
            "link add br0 up type bridge vlan_filtering 1",
            "link set enp1s0 master br0",
            "link add link br0 name lan type vlan id 5",
            "link set lan up",
            "-6 route add default dev lan",
        ],
        down: &["link del lan", "link del br0"],
        says: "since it carries the default route (below lan);",
    },
    Setup {
        up: &[
            "link add bond0 type bond mode active-backup",
            "link set enp1s0 down",
            "link set enp1s0 master bond0",
            "link set bond0 up",
            "route add default dev bond0",
        ],
        down: &["link del bond0"],
        says: "since it carries the default route (below bond0);",
    },
    Setup {
        up: &["link add link enp1s0 name mv0 up type macvlan", "addr add 192.0.2.1/24 dev mv0"],
        down: &["link del mv0"],
        says: "since there is no default route, and it has the address 192.0.2.1 (below mv0);",
    },
];

fn sees_the_pf() {
    put_policy("net", "enp1s0", 2, "");
    for Setup { up, down, says } in SETUPS {
        run("ip link set enp1s0 up").ok();
        for line in *up {
            run(&format!("ip {line}")).ok();
        }
        let plan = railhead("plan").failed_with(1);
        assert!(plan.stdout.contains("create 2 VFs: would interrupt"), "{up:?}: {plan}");
        assert!(plan.stdout.contains(says), "{up:?}: {plan}");
        for line in *down {
            run(&format!("ip {line}")).ok();
        }
    }
    run("ip link set enp1s0 up").ok();
    let plan = railhead("plan").ok();
    assert!(plan.stdout.contains("create 2 VFs"), "nothing of it is left: {plan}");
    run("ip link set enp1s0 down").ok();
    drop_policy("net");
}

/// The default route leads elsewhere; what the node is known by, and whom it must reach, only its admin knows.
fn sees_listed_addresses() {
    put_policy("net", "enp1s0", 2, "");
    for line in [
        "link set enp1s0 up",
        "link add dummy0 up type dummy",
        "addr add 198.51.100.1/24 dev dummy0",
        "route add default via 198.51.100.2",
        "link add link enp1s0 name lan up type vlan id 5",
        "addr add 192.0.2.1/24 dev lan",
        "route add 203.0.113.0/24 nexthop via 198.51.100.3 nexthop via 192.0.2.254",
        "-6 addr add 2001:db8::1/64 dev enp1s0 nodad",
    ] {
        run(&format!("ip {line}")).ok();
    }
    railhead("plan").ok();
    for (address, says) in [
        ("192.0.2.1", "since it has the address 192.0.2.1 of guard.addresses (below lan);"),
        ("203.0.113.7", "since the way to 203.0.113.7 of guard.addresses leads by it (below lan);"),
        ("2001:db8::9", "since the way to 2001:db8::9 of guard.addresses leads by it;"),
    ] {
        settings(&format!("nodeName: node-a\nguard: {{addresses: [\"{address}\"]}}\n"));
        let plan = railhead("plan").failed_with(1);
        assert!(plan.stdout.contains("create 2 VFs: would interrupt"), "{address}: {plan}");
        assert!(plan.stdout.contains(says), "{address}: {plan}");
    }
    // Those of the default route's NIC, and one that nobody knows: told, since it guards nothing.
    settings("nodeName: node-a\nguard: {addresses: [198.51.100.9, \"2001:db8:9::1\"]}\n");
    let plan = railhead("plan").ok();
    assert!(plan.stderr.contains("2001:db8:9::1: no interface has it"), "{plan}");
    assert!(!plan.stderr.contains("198.51.100.9"), "{plan}");
    for line in ["link del lan", "link del dummy0", "link set enp1s0 down"] {
        run(&format!("ip {line}")).ok();
    }
    run("ip -6 addr flush dev enp1s0").ok();
    drop_policy("net");
}

/// Its VF is in use then, and the PF has to stay up for it.
fn sees_a_vf() {
    let pf = pf(0);
    let vf = pf.make_vfs(2).remove(0);
    let netdev = vf.wait_for_netdev();
    run("ip link set enp1s0 up").ok();
    run(&format!("ip link set {netdev} up")).ok();
    run(&format!("ip route add default dev {netdev}")).ok();
    put_policy("vms", "enp1s0", 2, "  deviceType: vfio-pci\n");
    let waits = railhead("apply").failed_with(1);
    assert!(waits.stdout.contains("VF 0 (this machine: it carries the default route)"), "{waits}");
    assert_eq!(drivers(&pf), ["igbvf", "vfio-pci"]);
    put_policy("vms", "enp1s0", 3, "");
    let refused = railhead("apply").failed_with(1);
    assert!(refused.stdout.contains("waits until nobody uses VF 0 (this machine"), "{refused}");
    assert_eq!((pf.num_vfs(), vf.netdev()), (2, Some(netdev)));
    undo("vms");
    assert_eq!(drivers(&pf), ["igbvf", "igbvf"]);
    pf.remove_vfs();
    run("ip link set enp1s0 down").ok();
}

/// By name, altname or PCI address; and a step that interrupts nothing is done anyway.
fn yields_to_the_settings() {
    run("ip link set enp1s0 up").ok();
    run("ip route add default dev enp1s0").ok();
    put_policy("net", "enp1s0", 1, "");
    railhead("apply").failed_with(1);
    assert_eq!(pf(0).num_vfs(), 0);
    settings("nodeName: node-a\nguard: {allow: [\"0000:01:00.0\"]}\n");
    railhead("apply").ok();
    assert_eq!(pf(0).num_vfs(), 1);
    settings("nodeName: node-a\n");
    pf(0).vfs()[0].unbind();
    railhead("apply").ok();
    assert_eq!(drivers(&pf(0)), ["igbvf"], "to bind a VF interrupts nobody");
    settings("nodeName: node-a\nguard: {allow: [enp1s0]}\n");
    undo("net");
    run("ip route del default").ok();
    run("ip link set enp1s0 down").ok();
}
