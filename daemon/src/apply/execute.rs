//! One step in the kernel.

use cni::kernel::child::Writer;
use cni::kernel::netlink::Route;
use cni::kernel::vf::VfChange;
use cni::kernel::{self, Cause, module};
use cni::lock::LockError;
use conf::{DriverName, Mtu, PciAddress, VfIndex};

use super::{Deadlines, Job, bind};
use crate::host::Host;
use crate::journal::files::JournalError;
use crate::model::State;
use crate::plan::Action;
use crate::snapshot::User;

/// The kernel, as the steps of one PF see it.
pub(super) struct Kernel<'a> {
    pub(super) host: &'a Host,
    pub(super) pf: PciAddress,
    pub(super) deadlines: Deadlines,
    pub(super) writer: Writer,
    /// Whether a VF driver makes a netdev here: not on InfiniBand, where another module does.
    pub(super) makes_netdevs: bool,
}

/// Why a step was not done.
#[derive(Debug, thiserror::Error)]
pub(super) enum StepError {
    /// The kernel refused.
    #[error(transparent)]
    Kernel(#[from] kernel::Error),
    /// The intent could not be recorded, so that nothing was done.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// A plugin holds a VF.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// Somebody has come to use a VF since the plan was made.
    #[error("VF {vf} is in use by now: {user}")]
    InUse { vf: VfIndex, user: User },
    /// The driver made another number of VFs than it was asked for.
    #[error("the driver of {pf} made {made} VFs instead of {asked}")]
    Count { pf: PciAddress, made: u16, asked: u16 },
    /// What the step is about is not there (any more).
    #[error("{what} is not there")]
    Gone { what: String },
    /// No driver, or another one, is bound after binding.
    #[error("{vf} has {found} after binding it to {wanted}")]
    NotBound { vf: PciAddress, wanted: String, found: String },
    /// The netdev did not come in time.
    #[error("{vf}: no netdev came within {waited:?}")]
    NoNetdev { vf: PciAddress, waited: std::time::Duration },
    /// A thread ended in a panic.
    #[error("the step's thread ended in a panic; this is a defect of railhead")]
    Defect,
}

impl StepError {
    /// Whether a driver hangs, so that its PF is not to be touched.
    pub(super) fn is_hung(&self) -> bool {
        matches!(self, Self::Kernel(error) if matches!(error.cause, Cause::Hung(_)))
    }

    /// One word for conditions and metrics.
    pub(super) fn reason(&self) -> &'static str {
        match self {
            Self::Kernel(error) => error.reason(),
            Self::Journal(_) => "JournalFailed",
            Self::Lock(LockError::Held { .. }) | Self::InUse { .. } => "InUse",
            Self::Lock(_) => "LockFailed",
            Self::Count { .. } => "WrongCount",
            Self::Gone { .. } => "NotFound",
            Self::NotBound { .. } => "NotBound",
            Self::NoNetdev { .. } => "NoNetdev",
            Self::Defect => "Defect",
        }
    }
}

impl<'a> Kernel<'a> {
    pub(super) fn new(job: Job<'a>, pf: PciAddress) -> Self {
        let found = job.snapshot.pfs.get(&pf).and_then(|pf| pf.netdev.as_ref());
        Self {
            host: job.host,
            pf,
            deadlines: job.deadlines,
            writer: Writer::with_deadline(job.deadlines.write),
            makes_netdevs: found.is_some_and(|netdev| !netdev.infiniband),
        }
    }

    /// Does `action`; `state` is what is there before it.
    pub(super) fn execute(&self, action: &Action, state: Option<&State>) -> Result<(), StepError> {
        let sysfs = self.host.sysfs();
        match action {
            Action::LoadModule { module } => self.load(module)?,
            Action::SetAutoprobe { on } => sysfs.set_autoprobe(self.pf, *on).map(drop)?,
            Action::SetNumVfs { to, .. } => self.set_num_vfs(*to)?,
            Action::SetPfMtu { to, .. } => {
                Route::open()?.set_mtu(netdev(state)?, mtu(*to)?)?;
            }
            Action::SetPfUp { up: true } => Route::open()?.set_up(netdev(state)?)?,
            Action::SetPfUp { up: false } => Route::open()?.set_down(netdev(state)?)?,
            Action::SetVfMac { vf, mac } => {
                let change = VfChange { mac: Some(*mac), ..VfChange::default() };
                Route::open()?.set_vf(netdev(state)?, *vf, &change)?;
            }
            Action::Bind { vf, to, .. } => bind::bind(self, self.address(*vf)?, to)?,
            Action::ClearOverride { vf } => {
                sysfs.set_driver_override(&self.writer, self.address(*vf)?, None)?;
            }
            Action::SetVfMtu { vf, mtu: bytes } => {
                let address = self.address(*vf)?;
                let link = bind::await_netdev(self, address)?;
                Route::open()?.set_mtu(link.index, mtu(*bytes)?)?;
            }
            Action::Forget => self.host.journal().remove(self.pf)?,
        }
        Ok(())
    }

    fn load(&self, name: &str) -> Result<(), StepError> {
        let gone = |_| StepError::Gone { what: format!("module {name}") };
        let name: DriverName = name.parse().map_err(gone)?;
        module::load(self.host.sysfs(), &name, self.deadlines.module).map(drop)?;
        Ok(())
    }

    fn set_num_vfs(&self, asked: u16) -> Result<(), StepError> {
        let sysfs = self.host.sysfs();
        sysfs.set_numvfs(&self.writer, self.pf, asked)?;
        let made = sysfs.function(self.pf)?.and_then(|pf| pf.sriov).map(|sriov| sriov.num);
        match made {
            Some(made) if made == asked => Ok(()),
            Some(made) => Err(StepError::Count { pf: self.pf, made, asked }),
            None => Err(StepError::Gone { what: self.pf.to_string() }),
        }
    }

    /// The PCI address of a VF, which exists by now.
    fn address(&self, vf: VfIndex) -> Result<PciAddress, StepError> {
        let pf = self.host.sysfs().function(self.pf)?;
        pf.and_then(|pf| pf.virtfns.get(&vf).copied())
            .ok_or_else(|| StepError::Gone { what: format!("VF {vf} of {}", self.pf) })
    }
}

/// The interface index of the PF's netdev.
fn netdev(state: Option<&State>) -> Result<u32, StepError> {
    state
        .and_then(|state| state.pf.netdev.as_ref())
        .map(|netdev| netdev.index)
        .ok_or_else(|| StepError::Gone { what: "the PF's netdev".to_owned() })
}

fn mtu(bytes: u32) -> Result<Mtu, StepError> {
    let gone = |_| StepError::Gone { what: format!("MTU {bytes}") };
    Mtu::try_from(i64::from(bytes)).map_err(gone)
}
