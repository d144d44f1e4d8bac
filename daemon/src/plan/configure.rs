//! The lane of a PF that somebody wishes for.
//!
//! The order matters: the MTU before VFs are there to be disturbed; the PF up before they are made
//! (some drivers make none else) and before a VF driver probes (igbvf, for one, makes up a MAC of
//! its own while its PF is down); MACs before drivers;
//! `vfio-pci` before autoprobe is put back, since udev may load the netdev driver at any moment,
//! which then takes every VF that it is allowed to.

use std::collections::BTreeMap;

use conf::desired::{DesiredPf, VfGroup};
use conf::policy::DeviceType;
use conf::{DriverName, Mac, VfIndex};

use super::blocked::Blocked;
use super::draft::Draft;
use super::mac;
use super::step::{Action, Asks, Binding};
use crate::journal::Owner;
use crate::model::{self, State};
use crate::snapshot::{Inherited, Neighbour, Pf, Vf};

/// Plans for `desired`.
pub(super) fn draft(state: State, desired: &DesiredPf, may_interrupt: bool) -> Draft {
    let owners: Vec<Owner> = desired
        .policies
        .iter()
        .map(|policy| Owner { policy: policy.clone(), generation: None })
        .collect();
    let asks = Asks::Policy(desired.policies.first().cloned().unwrap_or_default());
    let lane = Wished { desired, asks, draft: Draft::new(state, owners, may_interrupt) };
    lane.plan()
}

struct Wished<'a> {
    desired: &'a DesiredPf,
    asks: Asks,
    draft: Draft,
}

impl Wished<'_> {
    fn plan(mut self) -> Draft {
        self.take_over();
        if !self.may_be_touched() {
            return self.draft;
        }
        let own_autoprobe = self.draft.own_autoprobe();
        self.raise_mtu();
        if !self.desired.externally_managed {
            self.draft.set_num_vfs(self.desired.num_vfs, true, false, &self.asks);
        }
        self.set_up();
        self.configure_vfs();
        self.draft.set_autoprobe(own_autoprobe, &self.asks);
        self.draft
    }

    /// What the SR-IOV Network Operator made counts as made by railhead, so that it is kept, and
    /// goes when nobody asks for it any more. Only what is still as the operator left it.
    fn take_over(&mut self) {
        let Draft { now: State { pf, entry: None, .. }, .. } = &self.draft else { return };
        let Some(Inherited::Shaped { num_vfs, mtu, mtu_before }) = pf.inherited else { return };
        let is_theirs = num_vfs > 0 && num_vfs == pf.num_vfs && !self.desired.externally_managed;
        if !is_theirs || !self.desired.refused.is_empty() {
            return;
        }
        let present = pf_mtu(pf).filter(|present| *present == mtu && *present != mtu_before);
        let mtu = present.map(|present| (mtu_before, present));
        self.draft.push(Action::TakeOver { vfs: num_vfs, mtu }, &self.asks);
    }

    /// Whether anything may be done on the PF at all; if not, why is noted.
    fn may_be_touched(&mut self) -> bool {
        let pf = self.draft.pf();
        let (have, wanted) = (pf.num_vfs, self.desired.num_vfs);
        let obstacles: Vec<Blocked> = if !self.desired.refused.is_empty() {
            let refused = self.desired.refused.iter();
            refused.map(|refusal| Blocked::Refused { refusal: refusal.clone() }).collect()
        } else if pf.driver.is_none() {
            vec![Blocked::NoDriver]
        } else if self.desired.externally_managed && have < wanted {
            vec![Blocked::TooFewVfs { have, wanted }]
        } else if !self.desired.externally_managed && have != wanted && self.has_foreign_users() {
            let users = pf.users().map(|(vf, user)| (vf, user.clone())).collect();
            vec![Blocked::ForeignVfs { have, wanted, users }]
        } else {
            Vec::new()
        };
        let may = obstacles.is_empty();
        for obstacle in obstacles {
            self.draft.block(obstacle);
        }
        may
    }

    /// Whether VFs that somebody else made are in use.
    fn has_foreign_users(&self) -> bool {
        self.draft.pf().users().next().is_some() && !self.made_vfs()
    }

    fn made_vfs(&self) -> bool {
        let entry = self.draft.now.entry.as_ref();
        entry.is_some_and(|entry| entry.made_vfs_of(self.draft.pf()))
    }

    /// Raises the PF's MTU to the wish; never lowers it.
    fn raise_mtu(&mut self) {
        let Some(wanted) = self.desired.mtu.map(|mtu| mtu.get()) else { return };
        let pf = self.draft.pf();
        // A PF without netdev is told of by `set_up`.
        let Some(have) = pf.netdev.as_ref().map(|netdev| netdev.mtu) else { return };
        if have >= wanted {
            return;
        }
        if let Some(limit) = pf.max_mtu.filter(|limit| *limit < wanted) {
            self.draft.block(Blocked::MtuTooHigh { limit, wanted });
        } else if self.desired.externally_managed {
            self.draft.block(Blocked::MtuTooLow { have, wanted });
        } else {
            let asks = self.asks_for_mtu();
            self.draft.attempt(Action::SetPfMtu { from: have, to: wanted }, &asks);
        }
    }

    /// Who asks for the PF's MTU: the first that wants that much.
    fn asks_for_mtu(&self) -> Asks {
        let mut groups = self.desired.groups.iter();
        let asking = groups.find(|group| group.mtu.is_some() && group.mtu == self.desired.mtu);
        asking.map_or_else(|| self.asks.clone(), |group| Asks::Policy(group.policy.clone()))
    }

    fn set_up(&mut self) {
        match self.draft.pf().no_netdev() {
            Some(why) => self.draft.block(Blocked::NoNetdev { why }),
            None => self.draft.set_up(&self.asks),
        }
    }

    fn configure_vfs(&mut self) {
        let vfs: Vec<VfIndex> = self.draft.pf().vfs.keys().copied().collect();
        for vf in &vfs {
            self.assign_mac(*vf);
        }
        let (for_kernel, for_userspace): (Vec<_>, Vec<_>) =
            vfs.iter().partition(|vf| self.wanted_binding(**vf) != Some(vfio_pci()));
        self.bind_to_userspace(&for_userspace);
        // While autoprobe is off the kernel finds no driver, not even when told to look for one
        // (`pci_device_can_probe`, drivers/pci/pci-driver.c).
        if for_kernel.iter().any(|vf| self.will_bind(*vf)) {
            self.draft.set_autoprobe(true, &self.asks);
        }
        for vf in for_kernel {
            self.bind(vf);
        }
        for vf in vfs {
            self.set_vf_mtu(vf);
        }
    }

    fn vf(&self, index: VfIndex) -> Option<&Vf> {
        self.draft.pf().vfs.get(&index)
    }

    fn group(&self, index: VfIndex) -> Option<&VfGroup> {
        self.desired.groups.iter().find(|group| group.range.contains(index))
    }

    /// Who asks for what is done to a VF.
    fn asks_for(&self, index: VfIndex) -> Asks {
        self.group(index)
            .map_or_else(|| self.asks.clone(), |group| Asks::Policy(group.policy.clone()))
    }

    /// Pins the MAC of a VF that has no driver yet, or none pinned. A pinned MAC of a bound VF is
    /// somebody's; a VF in use is its user's.
    fn assign_mac(&mut self, index: VfIndex) {
        let Some(vf) = self.vf(index) else { return };
        let (Some(present), None) = (vf.admin_mac, &vf.user) else { return };
        if self.group(index).is_none() && !self.made_vfs() {
            return;
        }
        let is_bound = vf.driver.is_some();
        if is_bound && !present.is_zero() {
            return;
        }
        let own = vf.netdev.as_ref().and_then(|netdev| netdev.mac).filter(|_| is_bound);
        let Some(mac) = own.filter(|mac| mac.is_assignable()).or(self.derived_mac(index)) else {
            return;
        };
        if present != mac {
            let asks = self.asks_for(index);
            self.draft.push(Action::SetVfMac { vf: index, mac }, &asks);
        }
    }

    fn derived_mac(&self, index: VfIndex) -> Option<Mac> {
        let pf = self.draft.pf();
        let netdev = pf.netdev.as_ref().filter(|netdev| !netdev.infiniband)?;
        let base = pf.permanent_mac.or(netdev.mac).filter(|mac| mac.is_assignable())?;
        Some(mac::of_vf(base, index))
    }

    /// What a VF should be bound to; `None` when nobody may say: a VF that somebody else made and
    /// no policy is about.
    fn wanted_binding(&self, index: VfIndex) -> Option<Binding> {
        match self.group(index).map(|group| group.device_type) {
            Some(DeviceType::VfioPci) => Some(vfio_pci()),
            Some(DeviceType::NetDevice) => Some(Binding::Default),
            None if self.made_vfs() => Some(Binding::Default),
            None => None,
        }
    }

    /// The step that binds a VF as wished, unless it is so already.
    fn must_bind(&self, index: VfIndex) -> Option<Action> {
        let to = self.wanted_binding(index)?;
        let driver = self.vf(index)?.driver.as_ref();
        (!is_bound_to(driver, &to)).then(|| Action::Bind { vf: index, from: driver.cloned(), to })
    }

    /// Whether there is such a step, and nothing in its way.
    fn will_bind(&self, index: VfIndex) -> bool {
        self.must_bind(index).is_some_and(|action| self.draft.obstacle(&action).is_none())
    }

    fn bind(&mut self, index: VfIndex) {
        let asks = self.asks_for(index);
        if let Some(action) = self.must_bind(index) {
            self.draft.attempt(action, &asks);
        } else if self.has_stale_override(index) {
            self.draft.push(Action::ClearOverride { vf: index }, &asks);
        }
    }

    fn has_stale_override(&self, index: VfIndex) -> bool {
        self.wanted_binding(index).is_some()
            && self.vf(index).is_some_and(|vf| vf.driver_override.is_some() && vf.user.is_none())
    }

    fn bind_to_userspace(&mut self, vfs: &[VfIndex]) {
        let (bindable, without_iommu): (Vec<VfIndex>, Vec<VfIndex>) =
            vfs.iter().partition(|vf| self.must_bind(**vf).is_none() || self.has_iommu(**vf));
        if !without_iommu.is_empty() {
            self.draft.block(Blocked::NoIommu { vfs: without_iommu });
        }
        let bindable = self.without_neighbours(bindable);
        let first = bindable.iter().copied().find(|vf| self.will_bind(*vf));
        if let Some(first) = first.filter(|_| !self.draft.now.vfio_pci) {
            let asks = self.asks_for(first);
            let load = Action::LoadModule { module: DriverName::vfio_pci().to_string() };
            self.draft.push(load, &asks);
        }
        for vf in bindable {
            self.bind(vf);
        }
    }

    /// Those of `vfs` whose IOMMU group can be given to user space; the others are noted.
    fn without_neighbours(&mut self, vfs: Vec<VfIndex>) -> Vec<VfIndex> {
        let mut alone = Vec::new();
        let mut shared: BTreeMap<u32, (Neighbour, Vec<VfIndex>)> = BTreeMap::new();
        for index in vfs {
            match self.neighbour(index) {
                None => alone.push(index),
                Some(with) => {
                    let noted = shared.entry(with.group).or_insert_with(|| (with, Vec::new()));
                    noted.1.push(index);
                }
            }
        }
        for (with, vfs) in shared.into_values() {
            self.draft.block(Blocked::SharedGroup { vfs, with });
        }
        alone
    }

    /// What keeps a VF's IOMMU group from user space: another function, or a VF of this PF that is
    /// to have a driver of the kernel's.
    fn neighbour(&self, index: VfIndex) -> Option<Neighbour> {
        let vf = self.vf(index)?;
        if vf.neighbour.is_some() {
            return vf.neighbour.clone();
        }
        let group = vf.iommu_group?;
        let mut siblings = self.draft.pf().vfs.iter().filter(|(at, _)| **at != index);
        siblings.find_map(|(at, sibling)| {
            let is_kernels = match self.wanted_binding(*at) {
                Some(binding) => binding == Binding::Default,
                None => sibling.driver.as_ref().is_some_and(|driver| !driver.is_userspace()),
            };
            let driver = sibling.driver.clone().filter(|driver| !driver.is_userspace());
            let driver = driver.or_else(model::netdev_driver)?;
            let address = sibling.address;
            let shares = sibling.iommu_group == Some(group) && is_kernels;
            shares.then_some(Neighbour { group, address, driver })
        })
    }

    fn has_iommu(&self, index: VfIndex) -> bool {
        self.draft.now.no_iommu || self.vf(index).is_some_and(|vf| vf.iommu_group.is_some())
    }

    fn set_vf_mtu(&mut self, index: VfIndex) {
        let Some(wanted) = self.group(index).and_then(|group| group.mtu).map(|mtu| mtu.get())
        else {
            return;
        };
        let Some(vf) = self.vf(index) else { return };
        let is_free = vf.user.is_none();
        let differs = vf.netdev.as_ref().is_some_and(|netdev| netdev.mtu != wanted);
        if differs && is_free && self.fits_pf(wanted) {
            let asks = self.asks_for(index);
            self.draft.attempt(Action::SetVfMtu { vf: index, mtu: wanted }, &asks);
        }
    }

    /// Whether the PF carries frames that large. If not, why was noted when its MTU was raised.
    fn fits_pf(&self, mtu: u32) -> bool {
        pf_mtu(self.draft.pf()).is_some_and(|have| have >= mtu)
    }
}

fn pf_mtu(pf: &Pf) -> Option<u32> {
    pf.netdev.as_ref().map(|netdev| netdev.mtu)
}

fn vfio_pci() -> Binding {
    Binding::Driver(DriverName::vfio_pci())
}

fn is_bound_to(driver: Option<&DriverName>, to: &Binding) -> bool {
    match to {
        Binding::Default => driver.is_some_and(|driver| !driver.is_userspace()),
        Binding::Driver(name) => driver == Some(name),
        Binding::Unbound => driver.is_none(),
    }
}
