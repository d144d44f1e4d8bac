//! Failures, as CNI knows them.

use std::fmt::Display;

use conf::block::PoolRef;
use conf::chain::Chain;
use conf::cni::{Code, Error};

use crate::allocate::AllocateError;
use crate::blocks::BlockError;
use crate::durable::FileError;
use crate::store::StoreError;

/// A failure of the store: 11 where a later call may succeed, else 5.
pub fn store_error(error: StoreError) -> Error {
    let code = match &error {
        StoreError::Full { .. }
        | StoreError::Busy { .. }
        | StoreError::Damaged(_)
        | StoreError::Unsound { .. } => Code::TryAgainLater,
        StoreError::File(_)
        | StoreError::Newer { .. }
        | StoreError::Engine { .. }
        | StoreError::Record { .. } => Code::Io,
    };
    with_causes(code, &error)
}

pub(super) fn allocate_error(error: AllocateError) -> Error {
    match error {
        AllocateError::Store(error) => store_error(error),
        error @ AllocateError::Exhausted { .. } => with_causes(Code::TryAgainLater, &error)
            .details("delete a pod that has an address of this pool, or enlarge the pool's blocks"),
        // The other container may be on its way out, and the pool may come back.
        error @ (AllocateError::Lost { .. }
        | AllocateError::Held { .. }
        | AllocateError::Retired { .. }) => with_causes(Code::TryAgainLater, &error),
    }
}

pub(super) fn file_error(error: &FileError) -> Error {
    with_causes(Code::Io, error)
}

pub(super) fn block_error(error: &BlockError) -> Error {
    with_causes(Code::Io, error)
}

/// This node has no block of the pool.
pub(super) fn no_block(pool: &PoolRef) -> Error {
    Error::new(Code::TryAgainLater, format!("this node has no block of {pool}")).details(
        "the pool does not exist, does not select this node or has no block left; \
         `railhead apply` tells",
    )
}

/// This node's block of the pool is on its way out.
pub(super) fn retired(pool: &PoolRef) -> String {
    AllocateError::Retired { pool: pool.clone() }.to_string()
}

/// What was asked for cannot be had of these pools.
pub(super) fn unfit(rule: impl Display) -> Error {
    Error::new(Code::InvalidConfig, format!("invalid config: {rule}"))
}

pub(super) fn not_available(why: String) -> Error {
    Error::new(Code::NotAvailable, why)
}

/// The error and what caused it, in one message: callers show nothing else.
fn with_causes(code: Code, error: &(dyn std::error::Error + 'static)) -> Error {
    Error::new(code, Chain(error).to_string())
}
