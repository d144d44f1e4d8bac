//! Convergence: from any state, after any prefix of the plan, cut off anywhere, planning again
//! leads to the same end, and there is nothing to do there.

use conf::policy::DeviceType;
use conf::{DriverName, Mac, PciAddress, VfIndex, VfRange};
use proptest::prelude::*;

use super::*;
use crate::journal::Ownership;
use crate::plan::{Plan, Wish, plan};
use crate::snapshot::{Inherited, User};
use crate::specimen;

const PF: &str = "0000:01:00.0";

fn address() -> PciAddress {
    PF.parse().unwrap()
}

/// Anything that somebody may have left on a VF.
fn any_vf() -> impl Strategy<Value = (u8, bool, bool, u8, bool)> {
    // Driver, stale override, pinned MAC, user, large MTU.
    (0u8..3, any::<bool>(), any::<bool>(), 0u8..12, any::<bool>())
}

prop_compose! {
    fn any_pf()(
        vfs in prop::collection::vec(any_vf(), 0..=7),
        up: bool, large: bool, autoprobe: bool, iommu in prop::bool::weighted(0.8),
        management in prop::bool::weighted(0.1), hitless: bool, driver in prop::bool::weighted(0.95),
        inherited in prop::option::weighted(0.3, 0u16..=7),
    ) -> Pf {
        let mut pf = specimen::igb(PF, "ens1f0").with_vfs(u16::try_from(vfs.len()).unwrap());
        let netdev = pf.netdev.as_mut().unwrap();
        (netdev.up, netdev.mtu, pf.autoprobe) = (up, if large { 9000 } else { 1500 }, autoprobe);
        pf.management = management.then(|| "it carries the default route".to_owned());
        pf.inherited = inherited.map(|num_vfs| Inherited::Shaped {
            num_vfs,
            mtu: 9000,
            mtu_before: 1500,
        });
        if hitless {
            pf.driver = Some("mlx5_core".parse().unwrap());
        }
        if !iommu {
            pf.iommu_group = None;
        }
        for (vf, (driver, stale, pinned, user, large)) in pf.vfs.values_mut().zip(vfs) {
            dress(vf, driver, stale, pinned, user, large);
            vf.iommu_group = vf.iommu_group.filter(|_| iommu);
        }
        if !driver {
            (pf.driver, pf.num_vfs) = (None, 0);
            pf.vfs.clear();
        }
        pf
    }
}

fn dress(vf: &mut Vf, driver: u8, stale: bool, pinned: bool, user: u8, large: bool) {
    match driver {
        0 => (vf.driver, vf.netdev) = (None, None),
        1 => (vf.driver, vf.netdev) = (Some(DriverName::vfio_pci()), None),
        _ => {}
    }
    if stale {
        vf.driver_override = Some("vfio-pci".to_owned());
    }
    if !pinned {
        vf.admin_mac = Some(Mac::ZERO);
    }
    if let (Some(netdev), true) = (&mut vf.netdev, large) {
        netdev.mtu = 9000;
    }
    vf.user = match user {
        0 => Some(User::Process { pid: 4711, name: "qemu".to_owned() }),
        1 => Some(specimen::pod()),
        _ => None,
    };
}

prop_compose! {
    fn any_wish()(
        wished in prop::bool::weighted(0.8), count in 1u16..=7, split in 0u16..=7,
        kinds in (any::<bool>(), any::<bool>()), mtu in prop::option::of(1500i64..9500),
        external in prop::bool::weighted(0.15), allowed: bool,
    ) -> Wish {
        let mut wish = Wish::default();
        if allowed {
            wish.may_interrupt.insert(address());
        }
        let kind = |vfio| if vfio { DeviceType::VfioPci } else { DeviceType::NetDevice };
        let ranges = [
            (VfRange::whole(split.min(count)), kind(kinds.0), mtu),
            // The VF before the last is in no group.
            (VfRange::new(split + 1, count.saturating_sub(1)), kind(kinds.1), None),
        ];
        let groups = ranges.into_iter().enumerate().filter_map(|(at, (range, kind, mtu))| {
            Some(specimen::group(["blue", "green"][at], &range?.to_string(), kind, mtu))
        });
        let mut pf = specimen::desired(count, groups);
        pf.externally_managed = external;
        if wished {
            wish.desired.pfs.insert(address(), pf);
        }
        wish
    }
}

/// The plan for what `state` is now.
fn plan_at(state: &State, wish: &Wish) -> Plan {
    let mut snapshot = specimen::snapshot([state.pf.clone()]);
    snapshot.vfio_pci = state.vfio_pci;
    let ownership: Ownership =
        state.entry.clone().map(|entry| (address(), entry)).into_iter().collect();
    plan(wish, &snapshot, &ownership)
}

fn actions(plan: &Plan) -> Vec<Action> {
    plan.lanes.iter().flat_map(|lane| &lane.steps).map(|step| step.action.clone()).collect()
}

fn owners() -> Vec<Owner> {
    vec![Owner { policy: "blue".to_owned(), generation: None }]
}

/// Does the first `steps` of the plan; dies in the middle of the one after them.
fn cut_off(state: &mut State, wish: &Wish, steps: usize) {
    let actions = actions(&plan_at(state, wish));
    for action in actions.iter().take(steps) {
        state.after(action, &owners());
    }
    if let Some(action) = actions.get(steps).filter(|action| **action != Action::Forget) {
        state.intended(action, &owners());
        // Binding is two writes: unbind, and bind under an override.
        if let Action::Bind { vf, to: Binding::Driver(name), .. } = action {
            let vf = state.pf.vfs.get_mut(vf).unwrap();
            (vf.driver, vf.netdev, vf.driver_override) = (None, None, Some(name.to_string()));
        }
    }
}

fn finish(state: &mut State, wish: &Wish) {
    for action in actions(&plan_at(state, wish)) {
        state.after(&action, &owners());
    }
}

/// What must never be touched: VFs in use.
fn used(state: &State) -> Vec<(VfIndex, Option<DriverName>, Option<User>)> {
    let vfs = state.pf.vfs.iter().filter(|(_, vf)| vf.user.is_some());
    vfs.map(|(index, vf)| (*index, vf.driver.clone(), vf.user.clone())).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn planning_again_after_any_prefix_ends_empty(
        pf in any_pf(), wishes in prop::collection::vec((any_wish(), 0usize..40), 1..4),
    ) {
        let mut state = State { pf, entry: None, vfio_pci: false, no_iommu: false };
        let before = used(&state);
        for (wish, steps) in &wishes {
            cut_off(&mut state, wish, *steps);
        }
        let wish = &wishes.last().unwrap().0;
        finish(&mut state, wish);
        prop_assert_eq!(actions(&plan_at(&state, wish)), vec![]);
        prop_assert_eq!(used(&state), before);
    }

    #[test]
    fn undoing_leads_back_to_what_was_found(
        pf in any_pf(), wishes in prop::collection::vec((any_wish(), 0usize..40), 1..4),
    ) {
        let mut pf = pf;
        // What nobody recorded cannot be put back: the MACs that somebody pinned, and drivers of
        // VFs that were made anew.
        for vf in pf.vfs.values_mut() {
            (vf.user, vf.driver_override) = (None, None);
        }
        (pf.management, pf.inherited) = (None, None);
        let found = pf.clone();
        let mut state = State { pf, entry: None, vfio_pci: false, no_iommu: false };
        for (wish, steps) in &wishes {
            cut_off(&mut state, wish, *steps);
        }
        finish(&mut state, &Wish::default());
        prop_assert_eq!(&state.entry, &None);
        prop_assert_eq!(state.pf.num_vfs, found.num_vfs);
        prop_assert_eq!(state.pf.autoprobe, found.autoprobe);
        let link = |pf: &Pf| pf.netdev.as_ref().map(|netdev| (netdev.mtu, netdev.up));
        prop_assert_eq!(link(&state.pf), link(&found));
    }

    #[test]
    fn the_same_input_gives_the_same_plan(pf in any_pf(), wish in any_wish()) {
        let state = State { pf, entry: None, vfio_pci: false, no_iommu: false };
        prop_assert_eq!(plan_at(&state, &wish), plan_at(&state, &wish));
    }

    #[test]
    fn a_guarded_pf_is_never_interrupted(pf in any_pf(), wish in any_wish()) {
        let mut wish = wish;
        wish.may_interrupt.clear();
        let mut pf = pf;
        pf.management = Some("it carries the default route".to_owned());
        let state = State { pf, entry: None, vfio_pci: false, no_iommu: false };
        let plan = plan_at(&state, &wish);
        let worst = plan.lanes.iter().flat_map(|lane| &lane.steps).map(|step| step.disruption).max();
        prop_assert!(worst < Some(crate::plan::Disruption::WholeNic), "{plan}");
    }
}
