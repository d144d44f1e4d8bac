//! Why a claim or a release did not happen.

use std::io;

use ipam::StoreError;
use ipam::blocks::BlockError;
use ipam::durable::FileError;
use ipam::store::Loss;

/// A claim or release that did not happen.
#[derive(Debug, thiserror::Error)]
pub enum ClaimError {
    /// A block's file could not be read or written.
    #[error(transparent)]
    Block(#[from] BlockError),
    /// The leases could not be read: nobody knows which addresses are in use.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The leases were lost: nobody knows which addresses are in use.
    #[error("{0}")]
    Lost(Box<Loss>),
    /// Nobody knows how long a block has been waiting.
    #[error("read the time since the machine started")]
    Clock(#[from] io::Error),
}

impl From<FileError> for ClaimError {
    fn from(error: FileError) -> Self {
        Self::Block(BlockError::File(error))
    }
}

impl ClaimError {
    /// One word for conditions.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Block(BlockError::File(_)) => "BlockFailed",
            Self::Block(BlockError::Damaged { .. }) => "BlockDamaged",
            Self::Store(error) => error.reason(),
            Self::Lost(_) => "StoreDamaged",
            Self::Clock(_) => "ClockFailed",
        }
    }
}
