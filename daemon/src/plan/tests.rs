//! Plans as people read them. A golden here is what `railhead plan` prints.

use conf::PciAddress;
use conf::desired::{PfLabel, Refusal};
use conf::policy::DeviceType::{NetDevice, VfioPci};

use super::*;
use crate::journal::{Entry, Owner};
use crate::model::State;
use crate::snapshot::{Inherited, OperatorDaemon, Pf};
use crate::specimen::{desired, group, igb, snapshot, wish};

const A: &str = "0000:01:00.0";
const B: &str = "0000:02:00.0";

fn address(text: &str) -> PciAddress {
    text.parse().unwrap()
}

/// The plan for `pfs`, of which railhead has touched nothing so far.
fn fresh(wish: &Wish, pfs: impl IntoIterator<Item = Pf>) -> String {
    plan(wish, &snapshot(pfs), &Ownership::new()).to_string()
}

/// `pf` and its entry after the plan for `wish` was applied.
fn applied(wish: &Wish, pf: Pf) -> (Snapshot, Ownership) {
    let address = pf.address;
    let mut snapshot = snapshot([pf]);
    let planned = plan(wish, &snapshot, &Ownership::new());
    let owners = [Owner { policy: "blue".to_owned(), generation: None }];
    let mut state = State::of(&snapshot, &snapshot.pfs[&address], None);
    for step in planned.lanes.iter().flat_map(|lane| &lane.steps) {
        state.after(&step.action, &owners);
    }
    snapshot.vfio_pci = state.vfio_pci;
    snapshot.pfs.insert(address, state.pf);
    (snapshot, state.entry.map(|entry| (address, entry)).into_iter().collect())
}

fn mixed() -> Wish {
    wish([(
        A,
        desired(
            4,
            [group("blue", "0-1", NetDevice, Some(9000)), group("dpdk", "2-2", VfioPci, None)],
        ),
    )])
}

#[test]
fn from_nothing() {
    let other = ("0000:02:00.0", desired(1, [group("blue", "0-0", NetDevice, None)]));
    let mut both = mixed();
    both.desired.pfs.insert(address(other.0), other.1);
    insta::assert_snapshot!(fresh(&both, [igb(A, "ens1f0"), igb(B, "ens2f0").up()]));
}

#[test]
fn done_is_done() {
    let (snapshot, ownership) = applied(&mixed(), igb(A, "ens1f0"));
    assert_eq!(plan(&mixed(), &snapshot, &ownership), Plan::default());
}

#[test]
fn nobody_wishes_any_more() {
    let (snapshot, ownership) = applied(&mixed(), igb(A, "ens1f0"));
    insta::assert_snapshot!(plan(&Wish::default(), &snapshot, &ownership));
}

#[test]
fn undo_waits_for_pods() {
    let (mut snapshot, ownership) = applied(&mixed(), igb(A, "ens1f0"));
    let pf = snapshot.pfs.remove(&address(A)).unwrap().used(1);
    snapshot.pfs.insert(pf.address, pf);
    insta::assert_snapshot!(plan(&Wish::default(), &snapshot, &ownership));
}

#[test]
fn another_count_needs_zero_first_and_nobody_in_the_way() {
    let (mut snapshot, ownership) = applied(&mixed(), igb(A, "ens1f0"));
    let more = wish([(A, desired(5, [group("blue", "0-4", NetDevice, None)]))]);
    insta::assert_snapshot!("another_count", plan(&more, &snapshot, &ownership));
    let pf = snapshot.pfs.remove(&address(A)).unwrap().used(0);
    snapshot.pfs.insert(pf.address, pf);
    insta::assert_snapshot!("another_count_in_use", plan(&more, &snapshot, &ownership));
}

#[test]
fn one_vf_changes_its_driver_and_no_other_is_touched() {
    let (snapshot, ownership) = applied(&mixed(), igb(A, "ens1f0"));
    let changed = wish([(
        A,
        desired(
            4,
            [group("blue", "0-0", NetDevice, Some(9000)), group("dpdk", "1-2", VfioPci, None)],
        ),
    )]);
    insta::assert_snapshot!(plan(&changed, &snapshot, &ownership));
}

#[test]
fn drift() {
    let (mut snapshot, ownership) = applied(&mixed(), igb(A, "ens1f0"));
    let pf = snapshot.pfs.get_mut(&address(A)).unwrap();
    let netdev = pf.netdev.as_mut().unwrap();
    (netdev.up, netdev.mtu) = (false, 1500);
    let vf = pf.vfs.get_mut(&conf::VfIndex(3)).unwrap();
    (vf.driver, vf.netdev) = (None, None);
    insta::assert_snapshot!(plan(&mixed(), &snapshot, &ownership));
}

#[test]
fn what_a_pod_does_to_its_vf_is_not_drift() {
    let (mut snapshot, ownership) = applied(&mixed(), igb(A, "ens1f0"));
    let pf = snapshot.pfs.remove(&address(A)).unwrap().used(0);
    snapshot.pfs.insert(pf.address, pf);
    assert_eq!(plan(&mixed(), &snapshot, &ownership), Plan::default());
}

#[test]
fn foreign_vfs_are_adopted_and_come_back() {
    let one = wish([(A, desired(3, [group("blue", "0-2", NetDevice, None)]))]);
    let found = igb(A, "ens1f0").up().with_vfs(2);
    insta::assert_snapshot!("foreign_adopted", fresh(&one, [found.clone()]));
    let (snapshot, ownership) = applied(&one, found);
    insta::assert_snapshot!("foreign_restored", plan(&Wish::default(), &snapshot, &ownership));
}

#[test]
fn foreign_vfs_of_the_right_number_are_kept() {
    let two = wish([(A, desired(2, [group("dpdk", "1-1", VfioPci, None)]))]);
    let found = igb(A, "ens1f0").up().with_vfs(2).used(0);
    insta::assert_snapshot!("foreign_kept", fresh(&two, [found.clone()]));
    let (snapshot, ownership) = applied(&two, found);
    insta::assert_snapshot!("foreign_unbound_again", plan(&Wish::default(), &snapshot, &ownership));
}

fn inherited(num_vfs: u16) -> Option<Inherited> {
    Some(Inherited::Shaped { num_vfs, mtu: 9000, mtu_before: 1500 })
}

#[test]
fn what_the_sriov_network_operator_made_is_taken_over() {
    let three = || {
        let groups =
            [group("blue", "0-1", NetDevice, Some(9000)), group("dpdk", "2-2", NetDevice, None)];
        wish([(A, desired(3, groups))])
    };
    let mut found = igb(A, "ens1f0").up().with_vfs(3).used(2);
    found.netdev.as_mut().unwrap().mtu = 9000;
    found.inherited = inherited(3);
    for index in [0, 1] {
        found.vfs.get_mut(&conf::VfIndex(index)).unwrap().netdev.as_mut().unwrap().mtu = 9000;
    }
    insta::assert_snapshot!("taken_over", fresh(&three(), [found.clone()]));
    let (mut snapshot, ownership) = applied(&three(), found.clone());
    assert_eq!(plan(&three(), &snapshot, &ownership), Plan::default(), "once");
    snapshot.pfs.get_mut(&address(A)).unwrap().vfs.get_mut(&conf::VfIndex(2)).unwrap().user = None;
    let undone = plan(&Wish::default(), &snapshot, &ownership);
    insta::assert_snapshot!("taken_over_and_undone", undone);

    assert_eq!(fresh(&Wish::default(), [found.clone()]), "", "only where somebody asks for it");
    for other in [inherited(2), Some(Inherited::Damaged { why: "cut off".to_owned() })] {
        found.inherited = other;
        assert!(!fresh(&three(), [found.clone()]).contains("take over"));
    }
}

#[test]
fn nothing_is_done_while_the_other_operator_runs() {
    let (mut snapshot, ownership) = applied(&mixed(), igb(A, "ens1f0"));
    snapshot.operator = Some(OperatorDaemon { pid: 4711 });
    assert_eq!(plan(&mixed(), &snapshot, &ownership), Plan::default(), "what is in force is");
    insta::assert_snapshot!("other_operator", plan(&Wish::default(), &snapshot, &ownership));
}

#[test]
fn what_is_in_the_way() {
    let three = || desired(3, [group("blue", "0-2", NetDevice, Some(9000))]);
    let plans = |pf: Pf, desired| fresh(&wish([(A, desired)]), [pf]);
    let up = || igb(A, "ens1f0").up();
    insta::assert_snapshot!("blocked_foreign", plans(up().with_vfs(2).used(1), three()));
    insta::assert_snapshot!("blocked_management", plans(up().management(), three()));
    let mut external = three();
    external.externally_managed = true;
    insta::assert_snapshot!("blocked_external", plans(up().with_vfs(2), external.clone()));
    insta::assert_snapshot!("blocked_external_mtu", plans(up().with_vfs(3), external));
    let mut small = up();
    small.max_mtu = Some(4000);
    insta::assert_snapshot!("blocked_mtu", plans(small, three()));
    let mut no_iommu = up();
    no_iommu.iommu_group = None;
    let dpdk = desired(2, [group("dpdk", "0-1", VfioPci, None)]);
    insta::assert_snapshot!("blocked_iommu", plans(no_iommu.clone(), dpdk.clone()));
    let mut trusting = snapshot([no_iommu]);
    trusting.no_iommu = true;
    let planned = plan(&wish([(A, dpdk)]), &trusting, &Ownership::new());
    assert_eq!((planned.blocked(), planned.steps() > 0), (0, true));
    let mut no_driver = up();
    no_driver.driver = None;
    insta::assert_snapshot!("blocked_driver", plans(no_driver, three()));
}

#[test]
fn a_refused_pf_is_left_alone() {
    let mut pf = desired(8, []);
    pf.refused.push(Refusal::TooManyVfs {
        policy: "blue".to_owned(),
        pf: PfLabel { address: address(A), name: "ens1f0".parse().ok() },
        wanted: 8,
        limit: 7,
    });
    insta::assert_snapshot!(fresh(&wish([(A, pf)]), [igb(A, "ens1f0").with_vfs(2)]));
}

#[test]
fn the_guard_yields_to_the_settings() {
    let mut allowed = wish([(A, desired(3, []))]);
    allowed.may_interrupt.insert(address(A));
    let planned =
        plan(&allowed, &snapshot([igb(A, "ens1f0").up().management()]), &Ownership::new());
    assert_eq!((planned.blocked(), planned.steps() > 0), (0, true));
}

#[test]
fn hitless_drivers_pass_the_guard() {
    let mut pf = igb(A, "ens1f0").up().management();
    pf.driver = Some("mlx5_core".parse().unwrap());
    let planned = plan(&wish([(A, desired(3, []))]), &snapshot([pf]), &Ownership::new());
    assert_eq!((planned.blocked(), planned.steps() > 0), (0, true));
}

#[test]
fn unlisted_pfs_are_never_touched() {
    let found = [igb(A, "ens1f0").with_vfs(3), igb(B, "ens2f0").management()];
    assert_eq!(plan(&Wish::default(), &snapshot(found), &Ownership::new()), Plan::default());
}

#[test]
fn nothing_is_undone_while_an_object_cannot_be_read() {
    let (snapshot, ownership) = applied(&mixed(), igb(A, "ens1f0"));
    let held = Wish {
        held: [(address(A), "policy blue breaks a rule".to_owned())].into(),
        ..Wish::default()
    };
    insta::assert_snapshot!(plan(&held, &snapshot, &ownership));
}

#[test]
fn a_pf_that_is_gone_is_forgotten_and_one_that_cannot_be_read_is_not() {
    let ownership: Ownership = [(address(A), Entry::new(Vec::new()))].into();
    let gone = plan(&Wish::default(), &Snapshot::default(), &ownership);
    insta::assert_snapshot!("gone", gone);
    let unreadable = Snapshot {
        unreadable: [(address(A), "read sriov_numvfs: Input/output error".to_owned())].into(),
        ..Snapshot::default()
    };
    insta::assert_snapshot!("unreadable", plan(&Wish::default(), &unreadable, &ownership));
}

#[test]
fn as_json() {
    let one = wish([(A, desired(1, [group("dpdk", "0-0", VfioPci, None)]))]);
    let found = snapshot([igb(A, "ens1f0").with_vfs(1).used(0)]);
    insta::assert_json_snapshot!(plan(&one, &found, &Ownership::new()));
}

/// `bnxt_en` takes the number while its PF is down, and makes none; `bnx2x` refuses it. Whom it
/// disturbs is told by what was there before: nobody has a link on a PF that is down.
#[test]
fn the_pf_is_up_before_its_vfs_are_made() {
    for driver in ["bnxt_en", "bnx2x", "igb", "mlx5_core"] {
        for vfs in [0, 2] {
            let mut pf = igb(A, "ens1f0").with_vfs(vfs);
            pf.driver = Some(driver.parse().unwrap());
            let asked = wish([(A, desired(3, [group("blue", "0-2", NetDevice, None)]))]);
            let planned = plan(&asked, &snapshot([pf]), &Ownership::new());
            let steps = &planned.lanes[0].steps;
            let at = |text: &str| steps.iter().position(|step| step.to_string() == text);
            let (up, made) = (at("set link up").unwrap(), at("create 3 VFs").unwrap());
            assert!(up < made, "{planned}");
            assert!(steps.iter().all(|step| step.disruption < Disruption::WholeNic), "{planned}");
        }
    }
}

/// A write under way is the work that is wished for, until nobody waits for it any more.
#[test]
fn work_in_progress_is_no_failure_until_it_is_overdue() {
    use crate::judge::{self, State};
    use crate::snapshot::Stuck;

    let at = |pf: Pf| {
        let planned = plan(&mixed(), &snapshot([pf]), &Ownership::new());
        let (state, detail) = judge::lane(planned.lane(address(A)));
        (state, detail.join("; "))
    };
    let write = |overdue| Stuck { pid: 7, path: "/sys/bus/pci/drivers_probe".into(), overdue };
    for vfs in [0, 3, 4] {
        let pf = || igb(A, "ens1f0").with_vfs(vfs);
        let (state, detail) = at(Pf { stuck: Some(write(false)), ..pf() });
        assert_eq!(state, State::Pending, "{detail}");
        let words = "being worked on: process 7 is still in a write to /sys/bus/pci/drivers_probe";
        assert_eq!(detail, words);
        let (state, detail) = at(Pf { stuck: Some(write(true)), ..pf() });
        assert_eq!(state, State::Failed, "{detail}");
        assert!(detail.contains("which the driver has not answered"), "{detail}");
        let by = Some("process 9 (VF 0: bind to vfio-pci)".to_owned());
        let (state, detail) = at(Pf { at_work: by.clone(), ..pf() });
        assert_eq!(state, State::Pending, "{detail}");
        let (state, _) = at(Pf { at_work: by, stuck: Some(write(true)), ..pf() });
        assert_eq!(state, State::Failed, "the write is what counts");
    }
}
