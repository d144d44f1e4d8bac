//! Why a step was not done.

use std::time::Duration;

use cni::kernel::{self, Cause};
use cni::lock::LockError;
use conf::{PciAddress, VfIndex};

use crate::journal::files::JournalError;
use crate::markers::MarkerError;
use crate::snapshot::User;

/// Why a step was not done.
#[derive(Debug, thiserror::Error)]
pub(super) enum StepError {
    /// The kernel refused.
    #[error(transparent)]
    Kernel(#[from] kernel::Error),
    /// The intent could not be recorded, so that nothing was done.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// VFs could not be marked as what they are for, so that none were made.
    #[error(transparent)]
    Marker(#[from] MarkerError),
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
    #[error("{vf} has {found} after binding it to {wanted}{why}")]
    NotBound { vf: PciAddress, wanted: String, found: String, why: String },
    /// The netdev did not come in time.
    #[error("{vf}: no netdev came within {waited:?}")]
    NoNetdev { vf: PciAddress, waited: Duration },
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
            Self::Marker(_) => "MarkerFailed",
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
