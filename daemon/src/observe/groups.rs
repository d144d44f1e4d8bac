//! IOMMU groups: what is in one is given to user space as a whole, or not at all. Where a card or its
//! slot keeps functions not apart (no ACS), a VF is in one group with its PF, which has a driver of
//! the kernel's, and no program can open it.

use std::collections::BTreeMap;

use conf::{DriverName, PciAddress};

use crate::snapshot::{Neighbour, Snapshot};

/// Notes for each VF what the kernel itself drives in its group, besides VFs of the same PF.
pub(super) fn mark(snapshot: &mut Snapshot) {
    let mut held: BTreeMap<u32, Vec<(Option<PciAddress>, Neighbour)>> = BTreeMap::new();
    let mut note = |group: Option<u32>, driver: Option<&DriverName>, pf, address| {
        if let (Some(group), Some(driver)) = (group, driver)
            && !driver.is_userspace()
        {
            let neighbour = Neighbour { group, address, driver: driver.clone() };
            held.entry(group).or_default().push((pf, neighbour));
        }
    };
    for pf in snapshot.pfs.values() {
        note(pf.iommu_group, pf.driver.as_ref(), None, pf.address);
    }
    for pf in snapshot.pfs.values() {
        for vf in pf.vfs.values() {
            note(vf.iommu_group, vf.driver.as_ref(), Some(pf.address), vf.address);
        }
    }
    for pf in snapshot.pfs.values_mut() {
        for vf in pf.vfs.values_mut() {
            let group = vf.iommu_group.and_then(|group| held.get(&group));
            let mut others = group.into_iter().flatten();
            let found = others.find(|(of, _)| *of != Some(pf.address));
            vf.neighbour = found.map(|(_, neighbour)| neighbour.clone());
        }
    }
}
