use std::collections::BTreeSet;

use cni::kernel::vf::VfStats;
use conf::VfIndex;
use conf::node_state::Condition;
use conf::policy::DeviceType;
use ipam::PodRef;

use super::*;
use crate::apply::{Done, Failure, LaneOutcome};
use crate::host::Host;
use crate::metrics::Metrics;
use crate::metrics::held::PoolUse;
use crate::metrics::tests::syntax;
use crate::plan::{Action, Asks, Disruption, Step};
use crate::reconcile::Pass;
use crate::settings;
use crate::situation::Situation;
use crate::snapshot::{Pf, Snapshot, Stuck};
use crate::source::Objects;
use crate::specimen::{desired, group, igb, snapshot, wish};

const A: &str = "0000:01:00.0";
const B: &str = "0000:02:00.0";

fn address(text: &str) -> PciAddress {
    text.parse().unwrap()
}

/// A pass that found nothing to do for two VFs of the first PF, and nothing wished of a second.
fn pass(found: Snapshot) -> Pass {
    let empty = tempfile::tempdir().unwrap();
    let situation = Situation {
        loaded: settings::load(&Host::at(empty.path())).unwrap(),
        objects: Objects::default(),
        ownership: Default::default(),
        damaged: Vec::new(),
        snapshot: found,
        wish: wish([(A, desired(2, [group("blue", "0-1", DeviceType::NetDevice, None)]))]),
        trial: None,
    };
    Pass {
        planned: Default::default(),
        situation,
        left: Default::default(),
        lanes: BTreeMap::new(),
        pools: BTreeMap::new(),
        conditions: Vec::new(),
        keepers: BTreeSet::new(),
        notices: Vec::new(),
        troubles: Vec::new(),
        pause: None,
    }
}

fn pfs() -> [Pf; 2] {
    let mut second = igb(B, "ens2f0").with_vfs(1);
    second.numa_node = Some(1);
    second.stuck = Some(Stuck { pid: 7, path: "/sys/x".into(), overdue: true });
    [igb(A, "ens1f0").with_vfs(3).used(0), second]
}

fn step(action: Action) -> Step {
    Step { action, disruption: Disruption::None, asks: Asks::Policy("blue".to_owned()) }
}

fn set_up() -> Action {
    Action::SetPfUp { up: true }
}

fn failure(action: Action, reason: &str) -> Failure {
    Failure { step: step(action), reason: reason.to_owned(), message: "why".to_owned() }
}

/// A step that was done in a power of two, so that its text is short.
fn done(action: Action) -> Done {
    Done { action, took: Duration::from_micros(62_500) }
}

/// What a daemon has counted that made VFs, and failed at one step, and then at a whole pass.
fn counted() -> Metrics {
    let metrics = Metrics::default();
    let mut pass = pass(snapshot(pfs()));
    let make = Action::SetNumVfs { from: 0, to: 3 };
    let mac = Action::SetVfMac { vf: VfIndex(1), mac: conf::Mac::ZERO };
    let lane = LaneOutcome {
        done: vec![done(make), done(set_up()), done(mac.clone()), done(mac)],
        failures: vec![failure(Action::LoadModule { module: "vfio-pci".to_owned() }, "Busy")],
        skipped: 1,
    };
    pass.lanes.insert(address(A), lane);
    pass.left = crate::plan::Plan {
        lanes: vec![crate::plan::Lane {
            pf: address(A),
            label: "ens1f0".to_owned(),
            steps: vec![step(set_up()), step(Action::Forget)],
            blocked: vec![
                crate::plan::Blocked::NoDriver,
                crate::plan::Blocked::NoNetdev { why: crate::snapshot::NoNetdev::Elsewhere },
            ],
        }],
    };
    pass.troubles.push("write the report: No space left on device".to_owned());
    pass.conditions = vec![Condition {
        r#type: "policy.railhead.dev/blue".to_owned(),
        status: "False".to_owned(),
        observed_generation: None,
        last_transition_time: String::new(),
        reason: "Busy".to_owned(),
        message: "not told: it may hold anything".to_owned(),
    }];
    let outcome = pass.outcome();
    metrics.passed(&pass, &outcome);
    metrics.failed("Observe");
    metrics
}

/// Names as a hostile user may choose them, where nothing has checked them.
const HOSTILE: &str = "a\"} 1\n# EOF\nb\\";

fn held() -> Held {
    let holder =
        |pod| Holder { pod, interface: "net1".parse().unwrap(), network: "blue".parse().unwrap() };
    let hostile =
        PodRef { namespace: HOSTILE.to_owned(), name: HOSTILE.to_owned(), uid: String::new() };
    let vfs = &pfs()[0].vfs;
    let vf = |index| vfs[&VfIndex(index)].address;
    Held {
        attachments: [("attached", 2), ("in_progress", 0), ("released", 1)],
        vfs: [(vf(0), Some(holder(Some(hostile)))), (vf(2), Some(holder(None)))].into(),
        pools: vec![(
            "ippool/blue".parse().unwrap(),
            PoolUse { used: 2.0, cooling: 1.0, free: 18_446_744_073_709_551_613.0 },
        )],
    }
}

fn traffic() -> Traffic {
    let stats = VfStats { rx_bytes: u64::MAX, tx_packets: 3, multicast: 5, ..VfStats::default() };
    // Of the second PF's VF nothing is known, and of one that is gone by now it does not matter.
    let of_first = [(VfIndex(0), stats), (VfIndex(99), stats)].into();
    Traffic { pfs: [(address(A), of_first)].into(), complete: false }
}

/// The whole page, with its times made the same each time.
fn page(format: Format) -> String {
    let mut told = counted().expose(Some(Arc::new(held())), Some(Arc::new(traffic())));
    told.started = UNIX_EPOCH + Duration::from_secs(1_795_414_827);
    told.running = Some(Duration::from_millis(1500));
    let mut seen = Seen::clone(&told.seen);
    seen.at = Some(crate::report::Timestamp::from_epoch(1_795_414_900));
    told.seen = Arc::new(seen);
    told.text(format).unwrap()
}

#[test]
fn golden() {
    insta::assert_snapshot!(page(Format::Prometheus));
}

#[test]
fn both_formats_are_what_they_say() {
    for format in [Format::Prometheus, Format::OpenMetrics] {
        let families = syntax::check(&page(format), format);
        let every: BTreeSet<String> = family::all().map(|family| family.name.to_owned()).collect();
        assert_eq!(families, every, "{format:?}");
        // Before the first pass, and with nothing read.
        let first = Metrics::default().expose(None, None).text(format).unwrap();
        syntax::check(&first, format);
    }
}

/// A VF that is gone leaves nothing behind, be it in what the kernel or the store says.
#[test]
fn the_series_of_a_vf_go_with_it() {
    let metrics = counted();
    let text = |metrics: &Metrics| {
        let told = metrics.expose(Some(Arc::new(held())), Some(Arc::new(traffic())));
        told.text(Format::OpenMetrics).unwrap()
    };
    let vf = pfs()[0].vfs[&VfIndex(0)].address.to_string();
    assert_eq!(text(&metrics).matches(&vf).count(), 9, "8 counters and a pod");
    let pass = pass(snapshot([igb(A, "ens1f0")]));
    metrics.passed(&pass, &pass.outcome());
    assert!(!text(&metrics).contains("0000:01:1"), "{}", text(&metrics));
}

/// Plugins tell the daemon nothing: their records are asked.
#[test]
fn who_has_a_vf_is_what_the_records_say_now() {
    let metrics = counted();
    let states = |held: Option<Held>| -> Vec<String> {
        let text = metrics.expose(held.map(Arc::new), None).text(Format::OpenMetrics).unwrap();
        let vfs = text.lines().filter(|line| line.starts_with("railhead_vfs{pf=\"ens1f0\""));
        vfs.filter(|line| !line.ends_with(" 0")).map(str::to_owned).collect()
    };
    let line = |state, count| format!("railhead_vfs{{pf=\"ens1f0\",state=\"{state}\"}} {count}");
    assert_eq!(states(None), [line("free", 2), line("attached", 1)], "as the last pass saw it");
    assert_eq!(states(Some(Held::default())), [line("free", 3)]);
    assert_eq!(states(Some(held())), [line("free", 1), line("attached", 2)]);
}

#[test]
fn drift_is_counted_by_pf() {
    let metrics = Metrics::default();
    let still = pass(snapshot(pfs()));
    let mut drifted = pass(snapshot(pfs()));
    drifted.planned.lanes.push(crate::plan::Lane {
        pf: address(A),
        label: "ens1f0".to_owned(),
        steps: vec![step(set_up())],
        blocked: Vec::new(),
    });
    for pass in [&drifted, &still, &drifted, &still] {
        metrics.passed(pass, &pass.outcome());
    }
    let text = metrics.expose(None, None).text(Format::OpenMetrics).unwrap();
    assert!(text.contains("railhead_drift_seen_total{pf=\"ens1f0\"} 1\n"), "{text}");
    assert!(text.contains("railhead_drift_repaired_total{pf=\"ens1f0\"} 1\n"), "{text}");
    assert!(!text.contains("drift_seen_total{pf=\"ens2f0\"}"), "nobody wishes for it");
}

/// The label of metrics is the `action` of plans in JSON.
#[test]
fn kinds_of_steps_are_called_as_in_plans() {
    let actions = [
        Action::LoadModule { module: String::new() },
        Action::SetAutoprobe { on: true },
        Action::SetNumVfs { from: 0, to: 1 },
        Action::SetPfMtu { from: 1, to: 2 },
        set_up(),
        Action::SetVfMac { vf: VfIndex(0), mac: conf::Mac::ZERO },
        Action::Bind { vf: VfIndex(0), from: None, to: crate::plan::Binding::Unbound },
        Action::ClearOverride { vf: VfIndex(0) },
        Action::SetVfMtu { vf: VfIndex(0), mtu: 1500 },
        Action::TakeOver { vfs: 1, mtu: None },
        Action::Forget,
    ];
    for action in actions {
        let json = serde_json::to_value(&action).unwrap();
        assert_eq!(json["action"], action.kind());
    }
}
