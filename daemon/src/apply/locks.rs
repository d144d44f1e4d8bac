//! The locks of the VFs that a step disturbs, and the last look whether somebody uses them.

use cni::lock::{LockError, Patience, Purpose, VfLock};
use conf::VfIndex;

use super::Job;
use super::error::StepError;
use crate::observe::observe_with;
use crate::plan::{Action, Step};
use crate::snapshot::Pf;

/// Locks that are held while steps are done.
pub(super) struct Locks {
    _held: Vec<VfLock>,
}

impl Locks {
    /// Takes the locks of all VFs that `steps` disturb, in order of their addresses.
    ///
    /// Between the snapshot and now a plugin may have come. With the locks held none can: so
    /// whoever is found to use a VF now came in between, and the steps are not done.
    pub(super) fn take(job: Job<'_>, pf: Option<&Pf>, steps: &[&Step]) -> Result<Self, StepError> {
        let Some(pf) = pf else { return Ok(Self { _held: Vec::new() }) };
        let touched: Vec<VfIndex> =
            pf.vfs.keys().copied().filter(|vf| is_touched(*vf, steps)).collect();
        let mut held = Vec::new();
        for vf in touched.iter().filter_map(|index| pf.vfs.get(index)) {
            held.push(lock(job, vf.address, steps)?);
        }
        // A VF without driver is nobody's: it has neither a netdev nor a VFIO group to be used by.
        if touched.iter().any(|vf| pf.vfs.get(vf).is_some_and(|vf| vf.driver.is_some())) {
            refuse_users(job, pf, &touched)?;
        }
        Ok(Self { _held: held })
    }
}

/// Whether the VF is taken away or bound anew by one of the steps. What else is done to a VF is
/// one request, which cannot come in the middle of a plugin's.
fn is_touched(vf: VfIndex, steps: &[&Step]) -> bool {
    steps.iter().any(|step| match &step.action {
        Action::SetNumVfs { from, .. } => *from > 0,
        Action::Bind { vf: bound, .. } => *bound == vf,
        _ => false,
    })
}

fn lock(job: Job<'_>, vf: conf::PciAddress, steps: &[&Step]) -> Result<VfLock, LockError> {
    let purpose = Purpose::Step(steps.first().map(ToString::to_string).unwrap_or_default());
    let patience = Patience::WaitUnlessAttaching(job.deadlines.lock);
    VfLock::take(job.host.root(), vf, purpose, patience)
}

fn refuse_users(job: Job<'_>, pf: &Pf, touched: &[VfIndex]) -> Result<(), StepError> {
    let snapshot = observe_with(job.host, job.guard)?;
    let Some(now) = snapshot.pfs.get(&pf.address) else { return Ok(()) };
    match now.users().find(|(index, _)| touched.contains(index)) {
        Some((vf, user)) => Err(StepError::InUse { vf, user: user.clone() }),
        None => Ok(()),
    }
}
