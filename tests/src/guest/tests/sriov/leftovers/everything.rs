//! Every setting of an interface, set in a pod and compared afterwards with a VF that nobody has used.

mod deeds;
mod seen;
mod table;

use serde_json::json;

use self::deeds::{GENTLE, HARD, ON_IT, all_sysctls, done};
use self::seen::{Seen, inside};
use self::table::{Attributes, Restored};
use super::{End, Tenancy};
use crate::guest::bpf::{self, Pins, Way};
use crate::guest::host::{self, Vf};
use crate::guest::init::name_interface;
use crate::guest::pod::Pod;
use crate::guest::program::run;
use crate::guest::transcript::silently;

/// What could be restored and cannot be set in this machine.
const REFUSED: &[(&str, &str)] = &[
    ("RTM_GETLINK IFLA_PROTO_DOWN", "only drivers that ask for it can be set so"),
    ("/sys/class/net/IF proto_down", "the same"),
    ("ethtool ETHTOOL_MSG_CHANNELS_GET", "igbvf has one"),
    ("ethtool ETHTOOL_MSG_PAUSE_GET", "igbvf refuses to set it"),
    ("ethtool ETHTOOL_MSG_PRIVFLAGS_GET", "igbvf has none"),
    ("ethtool ETHTOOL_MSG_RSS_GET", "igbvf has one queue"),
    ("ethtool ETHTOOL_MSG_WOL_GET", "igbvf refuses to set it"),
    ("/sys/class/net/IF queues/tx-0/tx_maxrate", "igbvf refuses to set it"),
    ("/sys/class/net/IF queues/tx-0/xps_cpus", "igbvf has one queue"),
    ("/sys/class/net/IF queues/tx-0/xps_rxqs", "the same"),
    ("/proc/sys/net/ipv4/conf/IF mc_forwarding", "only routing daemons set it, by a socket"),
    ("/proc/sys/net/ipv6/conf/IF mc_forwarding", "the same"),
    // A life of its own.
    ("/proc/sys/net/ipv6/conf/IF disable_ipv6", "nothing of IPv6 could be set then"),
];

/// Two VFs: one for pods, and one that was bound to its driver just now and was never used.
struct Beside {
    tenancy: Tenancy,
    unused: Seen,
    table: Attributes,
}

impl Beside {
    #[track_caller]
    fn new(reset: &str) -> Self {
        let tenancy = Tenancy::with(2, &json!({"vlan": 100, "resetOnRelease": reset}));
        bind_anew(&tenancy.bed.vfs[1]);
        let unused = Seen::of(&tenancy.bed.vfs[1]);
        Self { tenancy, unused, table: Attributes::documented() }
    }

    /// What of the VF is not as with one that nobody has used.
    #[track_caller]
    fn changed(&self) -> Vec<String> {
        let now = Seen::of(&self.tenancy.bed.vfs[0]);
        self.compared(&now)
    }

    fn compared(&self, now: &Seen) -> Vec<String> {
        let mut names = now.differing(&self.unused);
        names.retain(|name| self.table.of(name) != Restored::Nothing);
        names
    }

    fn told(&self, names: &[String]) -> String {
        let now = Seen::of(&self.tenancy.bed.vfs[0]);
        let line = |name: &String| {
            format!("{name}: {:?} -> {:?}", self.unused.0.get(name), now.0.get(name))
        };
        names.iter().map(line).collect::<Vec<_>>().join("\n")
    }

    #[track_caller]
    fn is_as_unused(&self, after: &str, log: &str) {
        let changed = self.changed();
        assert!(changed.is_empty(), "{after}:\n{}\n{log}", self.told(&changed));
    }
}

/// Takes a VF from its driver and gives it back, as an administrator does.
#[track_caller]
fn bind_anew(vf: &Vf) {
    let driver = vf.driver().expect("a driver");
    vf.unbind();
    host::write(&format!("/sys/bus/pci/drivers/{driver}/bind"), &vf.address);
    vf.wait_for_netdev();
    name_interface(&vf.address);
}

/// All at once, and all that can be set is set.
#[track_caller]
fn everything_is_set(beside: &Beside, pod: &Pod) {
    bpf::attach_tcx(&bpf::tcx(), pod, "net1", Way::Ingress);
    HARD.iter().chain(GENTLE).for_each(|line| done(pod, line));
    all_sysctls(pod);
    // No program sets it.
    inside(pod, || {
        let file = "/sys/class/net/net1/flags";
        let flags = host::read(file);
        let flags = u32::from_str_radix(flags.trim_start_matches("0x"), 16).expect("a number");
        host::write(file, &format!("{:#x}", flags | 0x4));
    });
    let now = Seen::in_pod(pod, "net1");
    let set = beside.compared(&now);
    let refused: Vec<&str> = REFUSED.iter().map(|(name, _)| *name).collect();
    let names = beside.unused.0.keys().chain(now.0.keys());
    let mut unset: Vec<&String> = names
        .filter(|name| beside.table.of(name) != Restored::Nothing && !set.contains(name))
        .filter(|name| !refused.contains(&name.as_str()))
        .collect();
    unset.sort();
    unset.dedup();
    assert!(unset.is_empty(), "what nobody has set proves nothing: {unset:#?}");
    let odd: Vec<&&str> =
        refused.iter().filter(|name| set.contains(&(**name).to_owned())).collect();
    assert!(odd.is_empty(), "these can be set after all: {odd:#?}");
}

/// The table has what there is, here and in a pod, and nothing else.
pub(super) fn the_table_of_attributes_is_true() {
    let beside = Beside::new("needed");
    let pod = Pod::new("pod1");
    let mut names = beside.unused.0.clone();
    crate::guest::cni::Call::add("sriov", "c1", &pod, &beside.tenancy.config).run().ok();
    done(&pod, "ip link set net1 alias mine");
    done(&pod, "ip link property add dev net1 altname mine0");
    done(&pod, "ip link add br9 type bridge");
    done(&pod, "ip link set net1 master br9");
    names.extend(Seen::in_pod(&pod, "net1").0);
    beside.tenancy.call("DEL").run().ok();
    let differing = beside.table.differing(names.keys());
    assert!(differing.is_empty(), "{differing:#?}");
}

pub(super) fn nothing_of_a_pod_stays_on_its_vf() {
    let beside = Beside::new("needed");
    let pins = Pins::new();
    bpf::pin(&bpf::xdp(), "/tmp/bpf/xdp");
    let tenancy = &beside.tenancy;
    for end in [End::Del, End::Death, End::Reclaim] {
        let log = tenancy.lived(end, |pod| everything_is_set(&beside, pod));
        beside.is_as_unused(&format!("everything, {end:?}"), &log);
        // What needs no driver disturbs none.
        let log = tenancy.lived(end, |pod| {
            GENTLE.iter().for_each(|line| done(pod, line));
            all_sysctls(pod);
        });
        beside.is_as_unused(&format!("what is gentle, {end:?}"), &log);
        // By NOARP the kernel chooses other sysctls, and nobody is there to take it off when a namespace dies.
        assert!(end != End::Del || !log.contains("anew"), "{log}");
        let log = tenancy.lived(end, |pod| ON_IT.iter().for_each(|line| done(pod, line)));
        beside.is_as_unused(&format!("what stands on it, {end:?}"), &log);
        assert!(!log.contains("anew"), "{end:?}: {log}");
    }
    for line in HARD {
        silently(|| {
            let log = tenancy.lived(End::Del, |pod| done(pod, line));
            beside.is_as_unused(line, &log);
            assert!(log.contains("anew"), "{line}: {log}");
        });
    }
    let log = tenancy.lived(End::Del, |_| {});
    assert!(!log.contains("anew"), "{log}");
    drop(pins);
}

pub(super) fn nothing_stays_where_a_reset_is_asked_for() {
    let beside = Beside::new("always");
    let pins = Pins::new();
    bpf::pin(&bpf::xdp(), "/tmp/bpf/xdp");
    for end in [End::Del, End::Reclaim] {
        let log = beside.tenancy.lived(end, |pod| everything_is_set(&beside, pod));
        beside.is_as_unused(&format!("everything, {end:?}"), &log);
    }
    drop(pins);
}

/// What an administrator tuned is there again where the driver had to be bound anew.
pub(super) fn what_an_administrator_tuned_is_there_again() {
    let tenancy = Tenancy::new();
    let vf = &tenancy.bed.vfs[0];
    let netdev = vf.wait_for_netdev();
    for line in HARD.iter().filter(|line| !line.contains("/queues/")) {
        let line = line.replace("net1", &netdev);
        match line.strip_prefix("tee ").and_then(|file| file.split_once(' ')) {
            Some((file, value)) => host::write(file, value),
            None => drop(run(&line).ok()),
        }
    }
    let table = Attributes::documented();
    let before = Seen::of(vf);
    for end in [End::Del, End::Death] {
        let log = tenancy.lived(end, |pod| {
            bpf::attach_tcx(&bpf::tcx(), pod, "net1", Way::Ingress);
            done(pod, "ethtool -G net1 rx 256 tx 256");
        });
        assert!(log.contains("anew") && !log.contains("driver's own"), "{log}");
        let mut changed = before.differing(&Seen::of(vf));
        changed.retain(|name| table.of(name) != Restored::Nothing);
        assert!(changed.is_empty(), "{changed:?}\n{log}");
    }
}

/// What the table says of the driver's stays, and nothing else.
pub(super) fn what_is_documented_stays_without_a_reset() {
    let beside = Beside::new("never");
    let pins = Pins::new();
    bpf::pin(&bpf::xdp(), "/tmp/bpf/xdp");
    let mut set = Vec::new();
    let log = beside.tenancy.lived(End::Del, |pod| {
        everything_is_set(&beside, pod);
        set = beside.compared(&Seen::in_pod(pod, "net1"));
    });
    assert!(log.contains("resetOnRelease is never"), "{log}");
    set.retain(|name| beside.table.of(name) == Restored::Anew);
    assert_eq!(beside.changed(), set, "{log}");
    drop(pins);
}
